//! Calls without a mistake, which the model must not complain of.

use std::thread;

use lean_sys::{lean_box, lean_obj_tag};

use super::super::package::*;
use super::super::runtime::*;
use super::super::{checks, imports, is_attached, live, objects, running, set_version, settled, waiting};
use super::{
    Sent, again, assert_passes, check, elsewhere, import, ok, opened, release, start, string, strings, text,
    token,
};

#[test]
fn on_the_abi_model_correct_use_is_not_complained_of() {
    assert_passes("tests::correct::on_the_abi_model_correct_use_is_not_complained_of", correct_use);
}

fn correct_use() {
    assert!(!is_attached());
    start();
    assert!(is_attached());
    let before = live();
    let _settled = settled();

    // Strings and arrays; a shared array is copied, and keeps what it has.
    assert_eq!(text(string("∀ \0 😀")), "∀ \0 😀");
    let array = strings(&["a", "b"]);
    let longer = lean_array_push(again(array), string("c"));
    // SAFETY: two live arrays.
    assert_eq!(unsafe { (objects::fields(array).len(), objects::fields(longer).len()) }, (2, 3));
    release(array);
    release(longer);
    release(lean_mk_array(lean_box(3), string("d")));
    // What an array holds is marked with it, and may be released elsewhere.
    let marked = strings(&["a", "b"]);
    lean_mark_mt(marked);
    elsewhere(marked, |array| release(lean_array_push(array, string("c"))));
    // As long as an import list may be.
    let long = strings(&["a"; 10_000]);
    // SAFETY: a live array.
    assert_eq!(unsafe { objects::fields(long).len() }, 10_000);
    release(long);
    // More than the quarantine holds.
    (0..20_000).for_each(|_| release(string("e")));

    set_version("4.27.1");
    assert_eq!(text(ok(leanpool_version(lean_box(0)))), "4.27.1");

    // Errors release what was given, too.
    let (tag, error) = opened(import(&["Model.Throws.14"]));
    // SAFETY: a live `IO.Error`.
    assert_eq!((tag, unsafe { lean_obj_tag(error) }), (1, 14));
    assert_eq!(text(lean_io_error_to_string(error)), "thrown by the model (tag 14)");

    let environment = ok(import(&["Init", "Model.M1"]));
    assert_eq!(leanpool_environment_modules(again(environment)), 503);
    assert_eq!(leanpool_environment_constants(again(environment)), 44_973);
    assert_eq!(leanpool_declaration_kind(again(environment), string("Nat")), 6);
    let kinds = leanpool_declaration_type(again(environment), string("Classical.choice"), lean_box(0));
    assert_eq!(text(ok(kinds)), "{α : Sort u} → Nonempty α → α");
    release(leanpool_declarations(again(environment), string(""), 3));
    release(leanpool_header(string("import A"), string("f.lean"), lean_box(0)));

    // Two threads on a marked environment; the last reference goes on one that did not make it.
    lean_mark_mt(environment);
    lean_mark_mt(environment);
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let sent = Sent(again(environment));
            thread::spawn(move || {
                let Sent(environment) = { sent };
                lean_initialize_thread();
                let token = token();
                for _ in 0..100 {
                    assert_eq!(
                        check(environment, "example := 1", token),
                        r#"{"cancelled":false,"messages":[]}"#
                    );
                    release(again(environment));
                }
                release(token);
                release(environment);
                lean_finalize_thread();
            })
        })
        .collect();
    release(environment);
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    // A check that another thread interrupts.
    let environment = ok(import(&[]));
    let token = token();
    lean_mark_mt(token);
    let sent = Sent(again(token));
    let interrupt = thread::spawn(move || {
        let Sent(token) = { sent };
        lean_initialize_thread();
        while waiting() == 0 {
            thread::yield_now();
        }
        release(leanpool_cancel_token_set(token, lean_box(0)));
        lean_finalize_thread();
    });
    let report = check(environment, "example := oops\n-- until cancelled\nexample := oops", token);
    interrupt.join().unwrap();
    assert!(report.starts_with(r#"{"cancelled":true,"#), "{report}");
    assert_eq!(report.matches("oops").count(), 1, "what was found before is kept, and no more: {report}");
    release(token);
    release(environment);

    assert_eq!((imports(), checks(), running(), live()), (3, 201, (0, 0), before));
}
