use lean_worker::{Cause, Death, Position, Severity, Verdict};
use serde_json::json;

use super::*;

fn checked(ending: Ending, messages: Vec<Message>) -> Checked {
    Checked {
        verdict: Verdict { messages, ..Verdict::without_messages(ending) },
        key: "k".to_owned(),
        took: Duration::from_millis(250),
        waited: Duration::ZERO,
        timeout: Duration::from_secs(2),
    }
}

fn said(severity: Severity, text: &str) -> Message {
    Message {
        json: "{}".to_owned(),
        position: Position { line: 1, column: 0 },
        end: Some(Position { line: 1, column: 6 }),
        severity,
        text: text.to_owned(),
        file: "snippet.lean".to_owned(),
        kind: "[anonymous]".to_owned(),
    }
}

#[test]
fn message_has_exactly_the_keys_that_the_client_compares() {
    let messages = vec![said(Severity::Information, "Nat : Type\n")];
    let result =
        serde_json::to_value(snippet("a".to_owned(), &checked(Ending::Done, messages), false)).unwrap();
    assert_eq!(
        result,
        json!({"id": "a", "time": 0.25, "response": {"env": 0, "messages": [
            {"severity": "info", "pos": {"line": 1, "column": 0}, "endPos": {"line": 1, "column": 6}, "data": "Nat : Type"}]}})
    );
}

#[test]
fn every_ending_has_either_an_error_or_a_response() {
    let death = Death { cause: Cause::Exited(0), output: String::new() };
    let endings = [
        Ending::Done,
        Ending::BadHeader,
        Ending::TimedOut { killed: true },
        Ending::Cancelled,
        Ending::NotBegun,
        Ending::Died(death),
        Ending::Failed("x".to_owned()),
    ];
    for ending in endings {
        let checked = checked(ending.clone(), vec![said(Severity::Error, "e")]);
        let result = snippet("a".to_owned(), &checked, true);
        assert_ne!(result.error.is_some(), result.response.is_some(), "{ending:?}");
        let is_late = matches!(ending, Ending::TimedOut { .. });
        assert_eq!(result.error.is_some_and(|error| error.contains("timed out")), is_late);
        assert_eq!(result.diagnostics.unwrap().repl_uuid, "k");
        assert_ne!(
            code("a".to_owned(), &checked).error.is_some(),
            code("a".to_owned(), &checked).response.is_some()
        );
    }
}

#[test]
fn what_that_server_refuses_is_refused() {
    let validate = |body: serde_json::Value| {
        let body = serde_json::to_vec(&body).unwrap();
        crate::invalid::parse::<CheckRequest>(&body)?.validate(Duration::from_secs(600))
    };
    let good = json!({"snippets": [{"id": "a", "code": ""}], "other": 1});
    assert!(validate(good).unwrap().asked.sorries);
    for bad in [
        json!({}),
        json!({"snippets": []}),
        json!({"snippets": [{"id": "a", "code": ""}, {"id": "a", "code": ""}]}),
        json!({"snippets": [{"custom_id": "a", "code": ""}]}),
        json!({"snippets": [{"id": 1, "code": ""}]}),
        json!({"snippets": [{"id": "a", "code": ""}], "timeout": -1}),
        json!({"snippets": [{"id": "a", "code": ""}], "timeout": 601}),
        json!({"snippets": [{"id": "a", "code": ""}], "timeout": "soon"}),
        json!({"snippets": [{"id": "a", "code": ""}], "infotree": "all"}),
    ] {
        assert!(validate(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn code_may_be_called_proof_and_its_id_may_be_a_number() {
    let body =
        br#"{"codes": [{"custom_id": 7, "proof": "p"}, {"custom_id": "b", "code": "c", "proof": null}]}"#;
    let request: VerifyRequest = crate::invalid::parse(body).unwrap();
    let (files, wish) = request.validate(Duration::from_secs(600)).unwrap();
    assert_eq!(files, [("7".to_owned(), "p".to_owned()), ("b".to_owned(), "c".to_owned())]);
    assert_eq!(wish.timeout, Some(Duration::from_secs(300)));
    let request: VerifyRequest = crate::invalid::parse(br#"{"codes": [{"custom_id": 7}]}"#).unwrap();
    assert!(request.validate(Duration::from_secs(600)).is_err());
}
