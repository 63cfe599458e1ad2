//! Risk: an answer is not Lean's. What is expected is what real Lean answered (`lean/TRANSCRIPT.md`).
#![cfg(any(lean_library, feature = "abi-model"))]

mod support;

use lean_backend::{LeanError, header};
use support::{runtime, shared};

on_lean! {
    fn kinds_are_what_lean_says() {
        let environment = shared(&["Init"]);
        let kind = |name: &str| {
            environment.ask(|environment| Ok(environment.declaration_kind(name))).unwrap().map(lean_backend::DeclarationKind::as_str)
        };
        for (name, expected) in [
            ("Nat", Some("inductive")),
            ("Nat.add", Some("definition")),
            ("Nat.add_comm", Some("theorem")),
            ("Nat.succ", Some("constructor")),
            ("Nat.rec", Some("recursor")),
            ("Quot.mk", Some("quot")),
            ("Classical.choice", Some("axiom")),
            ("No.such", None),
            ("", None),
            ("Nat.add\0", None),
        ] {
            assert_eq!(kind(name), expected, "{name:?}");
        }
    }

    fn types_are_printed_as_lean_prints_them() {
        let environment = shared(&["Init"]);
        let of = |name: &str| environment.ask(|environment| environment.declaration_type(name));
        assert_eq!(of("Nat.add_comm").unwrap().unwrap(), "∀ (n m : Nat), n + m = m + n");
        assert_eq!(
            of("List.map").unwrap().unwrap(),
            "{α : Type u_1} → {β : Type u_2} → (α → β) → List α → List β"
        );
        assert_eq!(of("Classical.choice").unwrap().unwrap(), "{α : Sort u} → Nonempty α → α");
        assert_eq!(of("No.such"), Ok(None), "that is no error");
    }

    fn names_below_a_prefix_are_sorted_and_cut() {
        let environment = shared(&["Init"]);
        let below = |prefix: &str, limit| {
            environment.ask(|environment| environment.declarations(prefix, limit)).unwrap()
        };
        assert_eq!(below("Nat.add", 1), ["Nat.add"]);
        assert_eq!(below("No.such", 5), [""; 0]);
        assert_eq!(below("", 3), ["Acc", "Acc.below", "Acc.below.casesOn"]);
        assert_eq!(below("", 0), [""; 0]);
    }

    fn question_is_answered_the_same_on_an_attached_thread() {
        let environment = shared(&["Init"]);
        let thread = runtime().attach();
        let mine = environment.on(&thread);
        assert!(mine.contains("Nat.add_comm") && !mine.contains("No.such"));
        assert!(mine.declaration_type("Nat.add_comm").unwrap().unwrap().starts_with('∀'));
    }

    fn nothing_is_declared_in_an_empty_environment() {
        let environment = shared(&[]);
        assert_eq!(environment.ask(|environment| Ok(environment.contains("Nat"))), Ok(false));
        assert_eq!(environment.ask(|environment| environment.declarations("", 10)), Ok(Vec::new()));
    }

    fn header_is_what_lean_reads() {
        let read = |source: &str| header(runtime(), source, "f.lean");
        for (source, words) in [
            ("", &["public Init"][..]),
            ("import Lean", &["public Init", "public Lean"]),
            ("prelude\nimport Init.Core", &["public Init.Core"]),
            (
                "module\npublic import Lean\nmeta import Std.Data.HashMap\nimport all Init.Core\n",
                &["module", "public Init", "public Lean", "meta Std.Data.HashMap", "all Init.Core"],
            ),
            ("-- c\n/- d -/ import Lean\ndef x := 1", &["public Init", "public Lean"]),
            ("import «a b».c", &["public Init", "public «a b».c"]),
            ("def x := 1", &["public Init"]),
        ] {
            assert_eq!(read(source).unwrap(), words, "{source:?}");
        }
    }

    fn header_that_is_wrong_says_where() {
        let error = header(runtime(), "import", "some file.lean").unwrap_err();
        let LeanError::LeanException { message, .. } = error else { panic!("{error:?}") };
        assert_eq!(message, "some file.lean:1:6: unexpected end of input; expected identifier");
    }
}
