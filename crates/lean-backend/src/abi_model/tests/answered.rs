//! That the model answers as the transcript says, and by its rules where the transcript says nothing.

use std::sync::atomic::AtomicBool;

use super::super::answers::{self, ANSWERS, literal};
use super::super::elaboration::{self, Text};
use super::super::header;
use super::super::imports::{self, Request};
use super::super::outcome::{Facts, Thrown};

const TRANSCRIPT: &str = include_str!("../../../lean/TRANSCRIPT.md");

/// Never stale, whatever a test beside this one imports.
fn facts() -> Facts {
    Facts { modules: 502, constants: 44_973, epoch: u64::MAX }
}

/// In the transcript's form.
fn shown<T: std::fmt::Debug>(outcome: Result<T, Thrown>) -> String {
    let thrown = |error: Thrown| format!("IO.Error tag {}: {}", error.tag, error.message);
    format!("{:?}", outcome.map_err(thrown))
}

/// The report on `source`, of a file without a module path.
fn checked(facts: Facts, source: &str, max_heartbeats: u64, cancelled: bool) -> String {
    let text = Text { module_path: "", source, max_heartbeats };
    elaboration::check(facts, &text, &AtomicBool::new(cancelled))
}

fn report(source: &str) -> String {
    checked(facts(), source, 0, false)
}

fn list(text: &str) -> Vec<String> {
    let Some((item, rest)) = literal(text) else { return Vec::new() };
    [vec![item], list(rest.trim_start_matches(", "))].concat()
}

fn imported(imports: &[&str], is_module: bool) -> Result<Facts, Thrown> {
    imports::import(&Request {
        sysroot: "SYSROOT".to_owned(),
        paths: Vec::new(),
        imports: imports.iter().map(|&import| import.to_owned()).collect(),
        is_module,
        load_extensions: true,
        shared: false,
        pinned: false,
    })
}

/// What the model answers to the call on the left of a line; `None` for prose and for what the model has no argument of.
fn answer(call: &str) -> Option<String> {
    let (function, arguments) = call.split_once('(')?;
    if function == "import" {
        let (names, rest) = arguments.strip_prefix('[')?.split_once(']')?;
        let names = list(names);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        return Some(match imported(&names, rest.contains("is_module 1")) {
            Ok(Facts { modules, constants, .. }) => format!("ok: {modules} modules, {constants} constants"),
            Err(Thrown { tag, message }) => format!("{:?}", format!("IO.Error tag {tag}: {message}")),
        });
    }
    if arguments == "a search, max_heartbeats 1)" {
        return Some(checked(facts(), "theorem t : p := by search", 1, false));
    }
    let (argument, rest) = literal(arguments)?;
    Some(match (function, rest) {
        ("header", ")") => shown(header::header(&argument, "f.lean")),
        ("declaration_kind", ")") => answers::declaration_kind(facts(), &argument).to_string(),
        ("declaration_type", ")") => shown(answers::declaration_type(facts(), &argument)),
        ("declarations", rest) => {
            let limit = rest.trim_matches([',', ' ', ')']).parse().unwrap();
            format!("{:?}", answers::declarations(facts(), &argument, limit))
        }
        ("check", ")") => report(&argument),
        ("check", ") with a token already set") => checked(facts(), &argument, 0, true),
        _ => return None,
    })
}

#[test]
fn on_the_abi_model_every_answer_is_the_one_of_lean() {
    let mut compared = 0;
    for line in TRANSCRIPT.lines().filter_map(|line| line.strip_prefix("    ")) {
        let Some((_, expected)) = line.rsplit_once(") = ").or_else(|| line.rsplit_once(" set = ")) else {
            continue;
        };
        let call = &line[..line.len() - expected.len() - " = ".len()];
        if let Some(answer) = answer(call) {
            assert_eq!(answer, expected, "{call}");
            compared += 1;
        }
    }
    // All but the lines on NUL in a header, the epoch, search path and sysroot, and the modules that are shared.
    assert_eq!(compared, 64);
}

#[test]
fn on_the_abi_model_the_small_parser_reads_headers_as_lean_does() {
    for (source, expected) in &ANSWERS.headers {
        // A comment in front keeps the table from answering; it has as many columns as nothing.
        let source = format!("/- -/\n{source}");
        let read = header::header(&source, "g.lean");
        match (read, expected) {
            (Ok(words), Ok(expected)) => assert_eq!(&words, expected, "{source}"),
            (Err(error), Err(expected)) => {
                let expected = expected.message.replacen("f.lean:1:", "g.lean:2:", 1);
                assert_eq!(error.message, expected, "{source}");
            }
            (read, expected) => panic!("{source}: {read:?} and not {expected:?}"),
        }
    }
    let words = header::header("module -- c\nprelude\nimport A\n\npublic section", "f.lean").unwrap();
    assert_eq!(words, ["module", "A"]);
    assert_eq!(
        header::header("prelude import public", "f").unwrap_err().message.split(' ').next(),
        Some("f:1:14:")
    );
}

#[test]
fn on_the_abi_model_an_environment_without_constants_declares_nothing() {
    let empty = Facts { constants: 0, ..facts() };
    assert_eq!(answers::declaration_kind(empty, "Nat"), 0);
    assert_eq!(
        answers::declaration_type(empty, "Nat.add_comm").unwrap_err().message,
        "unknown declaration 'Nat.add_comm'"
    );
    assert!(answers::declarations(empty, "", 10).is_empty());
}

#[test]
fn on_the_abi_model_every_name_that_is_listed_has_a_kind() {
    for name in answers::declarations(facts(), "", u64::MAX) {
        assert_ne!(answers::declaration_kind(facts(), &name), 0, "{name}");
    }
}

#[test]
fn on_the_abi_model_import_lists_add_up() {
    let sizes = |names: &[&str]| imported(names, false).map(|facts| (facts.modules, facts.constants));
    assert_eq!(sizes(&["public Init", "public meta Lean"]), Ok((1826, 145_494)));
    assert_eq!(sizes(&["Model.M1"]), Ok((1, 10)));
    assert_eq!(sizes(&["Init", "Model.M1", "Model.M22", "Model.M1"]), Ok((504, 44_973)));
    for name in ["Model.M", "Model.Mx", "Model.Throws.300"] {
        assert!(sizes(&[name]).unwrap_err().message.starts_with("unknown module prefix 'Model'"), "{name}");
    }
    assert_eq!(
        sizes(&["Init", "Model.Throws.11"]),
        Err(Thrown { tag: 11, message: "thrown by the model (tag 11)".to_owned() })
    );
}

#[test]
fn on_the_abi_model_a_stale_environment_gets_a_wrong_report() {
    let stale = Facts { epoch: 0, ..facts() };
    let message = r#"{"end":null,"severity":"error","start":{"column":0,"line":1},"text":"invalid environment extension has been accessed"}"#;
    for source in ["", "example := 1"] {
        assert_eq!(
            checked(stale, source, 0, false),
            format!(r#"{{"cancelled":false,"messages":[{message}]}}"#)
        );
    }
}

#[test]
fn on_the_abi_model_messages_are_where_the_words_are() {
    assert_eq!(
        report("import Lean\n\n  def é := oops\n#check Nat -- x\n"),
        r#"{"cancelled":false,"messages":[{"end":{"column":15,"line":3},"severity":"error","start":{"column":11,"line":3},"text":"Unknown identifier `oops`"},{"end":{"column":6,"line":4},"severity":"information","start":{"column":0,"line":4},"text":"Nat : Type"}]}"#
    );
    assert_eq!(
        report("private theorem two : 1 = 2 := sorry"),
        r#"{"cancelled":false,"messages":[{"end":{"column":19,"line":1},"severity":"warning","start":{"column":16,"line":1},"text":"declaration uses 'sorry'"}]}"#
    );
    assert_eq!(
        report("import"),
        r#"{"cancelled":false,"messages":[{"end":null,"severity":"error","start":{"column":6,"line":1},"text":"unexpected end of input; expected identifier"}]}"#
    );
    assert_eq!(report("-- model: broken json"), r#"{"messages":"#);
}

#[test]
fn on_the_abi_model_what_lean_s_driver_does_is_done() {
    let text = Text { module_path: "A/B", source: "-- model: main module", max_heartbeats: 0 };
    let named = elaboration::check(facts(), &text, &AtomicBool::new(false));
    assert!(named.contains(r#""text":"A.B""#), "{named}");
    assert!(report("-- model: main module").contains("_stdin"));
    assert!(
        !report("import\nexample := oops").contains("oops"),
        "nothing comes after an error in the header"
    );
    let many = report(&"example := oops\n#check Nat\n".repeat(200));
    assert_eq!((many.matches("Unknown identifier").count(), many.matches("Nat : Type").count()), (100, 100));
    assert!(many.ends_with(r#"reached, exiting"}]}"#), "{many}");
    assert_eq!(report("#lang lean4\nimport Lean\n#check Nat"), report("\nimport Lean\n#check Nat"));
    assert_eq!(header::header("#lang lean4 \nimport A", "f").unwrap(), ["public Init", "public A"]);
}
