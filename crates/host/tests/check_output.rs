//! Risk: what `leanpool check` prints is no text, no object, no annotation or no log as others read it; or comes late, twice, or for the wrong file.
#![cfg(target_os = "linux")]

mod support;

use serde_json::{Value, json};
use support::{Files, ended, first_line, signal, text};

/// A message as Lean writes it.
fn odd(kind: &str, severity: &str, data: &str, more: &str) -> String {
    format!(
        r#"-- odd {{"caption":"","data":"{data}","endPos":{{"column":9,"line":1}},"fileName":"a.lean","isSilent":false,"keepFullRange":false,"kind":"{kind}","pos":{{"column":7,"line":1}},"severity":"{severity}"{more}}}"#
    )
}

#[test]
fn text_has_names_of_errors_captions_and_places_as_lean_prints_them() {
    let lines = [
        odd("lean.unknownIdentifier._namedError", "error", "Unknown", ""),
        odd("[anonymous]", "warning", "two\\nlines\\n", ""),
        odd("[anonymous]", "information", "Nat : Type", "").replace(r#""caption":"""#, r#""caption":"note""#),
        odd("[anonymous]", "information", "", ""),
    ];
    let files = Files::new(&[("a.lean", &lines.join("\n"))]);
    let said = |args: &[&str]| text(&files.check(&[&["a.lean", "--quiet"], args].concat()).stdout);
    assert_eq!(
        said(&[]),
        "a.lean:1:7: error(lean.unknownIdentifier): Unknown\na.lean:1:7: warning: two\nlines\nnote:\nNat : Type\n\n"
    );
    let with_end = said(&["-DprintMessageEndPos=true"]);
    assert!(with_end.starts_with("a.lean:1:7-1:9: error(lean.unknownIdentifier): Unknown\n"), "{with_end}");
    let json: String =
        lines.iter().map(|line| line.strip_prefix("-- odd ").unwrap().to_owned() + "\n").collect();
    assert_eq!(said(&["--json"]), json, "byte for byte");
}

#[test]
fn end_of_a_file_is_an_object_of_ours_that_only_comes_if_it_is_asked_for() {
    let files = Files::new(&[
        ("a.lean", "-- say one\n-- error two"),
        ("b.lean", "-- exit 0"),
        ("c.lean", "-- say x"),
    ]);
    let objects = |args: &[&str]| -> Vec<Value> {
        let output = files.check(&[&["a.lean", "b.lean", "c.lean", "--quiet", "-j", "1"], args].concat());
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let lean = objects(&["--json"]);
    assert!(lean.iter().all(|object| object.get("done").is_none()), "{lean:?}");
    let death = &lean[2];
    let expected = json!({"column": 0, "line": 1});
    assert_eq!(
        (&death["severity"], &death["pos"], &death["fileName"]),
        (&"error".into(), &expected, &"b.lean".into())
    );
    assert_eq!(death["kind"], "leanpool.death");
    let keys = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(death), keys(&lean[0]), "a consumer of Lean's objects needs no other");
    let ours = objects(&["--json=leanpool"]);
    let ends: Vec<&Value> = ours.iter().filter_map(|object| object.get("done")).collect();
    let short = |end: &Value| {
        (end["fileName"].clone(), end["ok"].clone(), end["errors"].clone(), end["ending"].clone())
    };
    assert_eq!(
        ends.into_iter().map(short).collect::<Vec<_>>(),
        [
            ("a.lean".into(), false.into(), 1.into(), "done".into()),
            ("b.lean".into(), false.into(), 1.into(), "died".into()),
            ("c.lean".into(), true.into(), 0.into(), "done".into()),
        ]
    );
}

#[test]
fn what_is_said_is_printed_before_the_check_ends_and_once_where_it_begins_again() {
    let files = Files::new(&[("a.lean", "-- say early\n-- ignore-cancel"), ("b.lean", "-- say b")]);
    for args in [&["a.lean"][..], &["b.lean", "a.lean", "-j", "1"], &["a.lean", "--json"]] {
        let mut child = files.start(args);
        let line = first_line(&mut child);
        assert!(line.contains("early") || line == "b\n", "{line}");
        signal(&child, "-INT");
        assert_eq!(ended(child, line).status.code(), Some(130));
    }
    let files = Files::new(&[("a.lean", "-- say once\n-- kill-zygote")]);
    let said = text(&files.check(&["a.lean", "--quiet"]).stdout);
    assert_eq!(said.matches("once").count(), 1, "{said}");
    assert!(said.contains("ended 3 times"), "{said}");
}

#[test]
fn annotations_are_a_line_each() {
    let files = Files::new(&[("a.lean", &odd("[anonymous]", "error", "50% of\\nthat", ""))]);
    let said = text(&files.check(&["a.lean", "--quiet", "--format", "github"]).stdout);
    assert_eq!(
        said,
        "::error file=a.lean,line=1,col=8,endLine=1,endColumn=9,title=Lean error::50%25 of%0Athat\n"
    );
}

/// The schema is OASIS's, as the crate serde-sarif 0.8.0 has it.
#[test]
fn sarif_keeps_its_schema_whatever_came_of_the_files() {
    let mut schema: Value = serde_json::from_str(include_str!("data/sarif-schema-2.1.0.json")).unwrap();
    // As it was published, this is no regular expression.
    for of in ["run", "toolComponent"] {
        schema["definitions"][of]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
    }
    let schema = jsonschema::validator_for(&schema).unwrap();
    let named = odd("lean.unknownIdentifier._namedError", "error", "Unknown", "");
    let files = Files::new(&[
        ("a.lean", named.as_str()),
        ("exit.lean", "-- say one\n-- exit 0"),
        ("bad.lean", "import Script.Missing"),
        ("fine.lean", ""),
    ]);
    for names in [&["a.lean", "exit.lean", "bad.lean", "no file.lean", "fine.lean"][..], &["fine.lean"]] {
        let output = files.check(&[names, &["--quiet", "--format", "sarif"]].concat());
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        let errors: Vec<String> = schema.iter_errors(&log).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0]);
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), if names.len() == 1 { 0 } else { 5 }, "{log}");
        if let Some(first) = results.iter().find(|result| result["ruleId"] == "lean.unknownIdentifier") {
            let place = &first["locations"][0]["physicalLocation"];
            assert_eq!(
                (&first["level"], &place["artifactLocation"]["uri"]),
                (&"error".into(), &"a.lean".into())
            );
            assert_eq!(
                place["region"],
                json!({"startLine": 1, "startColumn": 8, "endLine": 1, "endColumn": 10})
            );
        }
    }
    assert!(!schema.is_valid(&json!({"version": "2.1.0"})), "else nothing was looked at");
}

#[test]
fn sorries_and_axioms_are_printed_where_they_are_asked_for_and_forbidden_where_they_are_not_allowed() {
    let files = Files::new(&[
        ("open.lean", "-- sorry |- False\n-- axioms uses propext sorryAx"),
        ("own.lean", "-- axioms mine propext Mine"),
        ("fine.lean", "-- axioms fine propext\n-- axioms none"),
    ]);
    let names = ["open.lean", "own.lean", "fine.lean", "--quiet", "-j", "1"];
    let run = |args: &[&str]| {
        let output = files.check(&[&names[..], args].concat());
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(run(&[]), (Some(0), String::new()), "nothing is asked, and nothing is said");
    let (code, said) = run(&["--sorries", "--axioms"]);
    let expected = "open.lean:1:3: sorry\n  |- False\nopen.lean:2:0: 'uses' depends on axioms: [propext, sorryAx]\n\
        own.lean:1:0: 'mine' depends on axioms: [propext, Mine]\nfine.lean:1:0: 'fine' depends on axioms: [propext]\n\
        fine.lean:2:0: 'none' does not depend on any axioms\n";
    assert_eq!((code, said.as_str()), (Some(0), expected));
    let (code, said) = run(&["--no-sorry"]);
    let expected = "open.lean:1:3: error: `sorry` is not allowed: something is left open here\n\
        open.lean:2:0: error: `uses` rests on `sorry`, which is not allowed\n";
    assert_eq!((code, said.as_str()), (Some(1), expected));
    let (code, said) = run(&["--allow-axioms", "standard"]);
    assert_eq!((code, said.lines().count()), (Some(1), 2), "{said}");
    assert!(
        said.contains("`uses` rests on the axiom `sorryAx`")
            && said.contains("`mine` rests on the axiom `Mine`")
    );
    assert_eq!(run(&["--allow-axioms", "propext,Mine,sorryAx"]), (Some(0), String::new()));
    let (_, said) = run(&["--sorries", "--json"]);
    let object: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(object["sorry"]["goals"], json!(["|- False"]));
}

#[test]
fn kinds_of_messages_become_errors_where_it_is_said() {
    let files = Files::new(&[("a.lean", "-- kinds")]);
    let said = text(&files.check(&["a.lean", "--quiet", "-EhasSorry", "--error", "linter.x"]).stdout);
    assert_eq!(said, "[\"hasSorry\",\"linter.x\"]\n");
}

#[test]
fn standard_input_is_checked_under_lean_s_name_for_it() {
    use std::io::Write as _;

    let files = Files::new(&[("a.lean", "-- say a")]);
    for args in [&["-", "a.lean"][..], &["a.lean", "--stdin"]] {
        let mut command = files.leanpool();
        command.args(["check", "--quiet", "--worker"]).arg(files.worker()).args(args);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"-- module\n-- error oops").unwrap();
        let said = text(&child.wait_with_output().unwrap().stdout);
        let own = "\n<stdin>:2:0: error: error oops\n";
        assert!(said == format!("{own}a\n") || said == format!("a\n{own}"), "{said}");
    }
}
