//! Risk: what a worker says wrongly is taken for something, or ends the host.

use super::*;

const MESSAGE: &str = r#"{"caption":"","data":"Nat : Type","endPos":{"column":6,"line":4},"fileName":"a.lean","isSilent":false,"keepFullRange":false,"kind":"[anonymous]","pos":{"column":0,"line":4},"severity":"information"}"#;

fn refused(line: &[u8]) -> String {
    child_line(line).unwrap_err().to_string()
}

#[test]
fn each_kind_of_line_is_read() {
    let ChildLine::Message(message) = child_line(MESSAGE.as_bytes()).unwrap() else { panic!() };
    assert_eq!((message.json.as_str(), message.text.as_str()), (MESSAGE, "Nat : Type"));
    assert_eq!((message.position.line, message.end.unwrap().column), (4, 6));
    let begun = br#"{"record":"child","pid":7,"landlock":7,"seccomp":true,"networkNamespace":false}"#;
    let sandbox = Sandbox { landlock: 7, seccomp: true, network_namespace: false };
    assert_eq!(child_line(begun).unwrap(), ChildLine::Begun(sandbox));
    let done = br#"{"record":"done","file":"a","errors":2,"maxErrors":false,"cancelled":true,"micros":1,"cpuMicros":1}"#;
    let ChildLine::Done(done) = child_line(done).unwrap() else { panic!() };
    assert!(done.errors == 2 && done.cancelled && done.failure.is_none());
    let ready = br#"{"record":"ready","version":"4.35.0","pid":1,"privateDirty":12,"threads":1}"#;
    assert_eq!(start_line(ready).unwrap(), StartLine::Ready(Ready { private_dirty: 12 }));
    let failed = StartLine::Failed { error: "no".to_owned() };
    assert_eq!(start_line(br#"{"record":"failed","error":"no"}"#).unwrap(), failed);
}

#[test]
fn each_kind_of_packet_is_read() {
    assert_eq!(
        event(br#"{"event":"forked","id":1,"pid":5}"#).unwrap(),
        Event::Forked { id: 1, pid: Some(5) }
    );
    assert_eq!(event(br#"{"event":"forked","id":1,"pid":-1}"#).unwrap(), Event::Forked { id: 1, pid: None });
    let exited = br#"{"event":"exited","id":3,"pid":5,"code":-1,"signal":9,"seconds":0.1,"user":0,"system":0,"maxrss":7,"output":"x"}"#;
    let exit = Exit { code: -1, signal: 9, maxrss: 7, output: "x".to_owned() };
    assert_eq!(event(exited).unwrap(), Event::Exited { id: 3, exit });
}

#[test]
fn whatever_is_not_in_the_protocol_is_refused_and_named() {
    assert!(refused(b"\xff\xfe").contains("not UTF-8"));
    for line in [&b""[..], b"half a li", b"[1]", b"7", b"{\"record\":\"done\"", b"{\"record\":1}", b"null"] {
        assert!(refused(line).contains("no JSON object"), "{line:?}");
    }
    assert!(refused(b"{\"record\":\"surprise\"}").contains("not asked for"));
    for line in [
        &br#"{"record":"done"}"#[..],
        br#"{"record":"done","file":"a","errors":-1}"#,
        br#"{"record":"done","file":7,"errors":1}"#,
        br#"{"record":"output","file":"a"}"#,
        br#"{"record":"failed"}"#,
    ] {
        assert!(refused(line).contains("without the fields"), "{line:?}");
    }
    for line in [
        &br"{}"[..],
        br#"{"data":"x"}"#,
        br#"{"data":"x","pos":{"line":-1,"column":0},"severity":"error"}"#,
        br#"{"data":"x","pos":{"line":1,"column":0},"severity":"awful"}"#,
    ] {
        assert!(refused(line).contains("Lean's messages"), "{line:?}");
    }
    for packet in [
        &b""[..],
        b"forked",
        b"{}",
        br#"{"event":"forked"}"#,
        br#"{"event":"exited","id":1}"#,
        br#"{"event":"born","id":1}"#,
        b"\xff",
    ] {
        assert!(event(packet).is_err(), "{packet:?}");
    }
    assert!(start_line(br#"{"record":"ready"}"#).is_err() && start_line(b"import Nope").is_err());
}

#[test]
fn what_is_shown_of_a_bad_line_is_short_and_has_no_control_characters() {
    let said = refused(&[b"\x1b[31m".as_slice(), &[b'x'; 100_000]].concat());
    assert!(said.len() < 300 && !said.contains('\x1b'), "{said}");
}

#[test]
fn lines_come_out_whole_however_they_come_in() {
    let text = b"one\n\ntwo\r\nthree";
    for size in 1..text.len() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for part in text.chunks(size) {
            lines.push(part);
            while let Some(line) = lines.next(100).unwrap() {
                found.push(line.to_vec());
            }
        }
        assert_eq!(found, [&b"one"[..], b"", b"two\r"], "in pieces of {size}");
        assert_eq!(lines.rest(), b"three");
    }
}

#[test]
fn line_without_an_end_is_not_kept_for_ever() {
    let mut lines = Lines::default();
    lines.push(&[b'x'; 60]);
    assert_eq!(lines.next(100), Ok(None));
    lines.push(&[b'x'; 60]);
    assert!(lines.next(100).unwrap_err().to_string().contains("without an end"));
}

#[test]
fn message_moved_to_another_file_stays_lean_s_but_for_the_place() {
    let message = Message::parse(MESSAGE).unwrap();
    let same = message.moved("a.lean", |at| at);
    assert_eq!(same, message, "byte for byte");
    let moved = message.moved("b \"c\".lean", |at| Position { line: at.line + 10, ..at });
    assert!(moved.json.contains(r#""fileName":"b \"c\".lean""#), "{}", moved.json);
    assert!(
        moved.json.contains(r#""pos":{"column":0,"line":14}"#)
            && moved.json.contains(r#""data":"Nat : Type""#)
    );
    assert_eq!(moved.position.line, 14);
}

#[test]
fn requests_are_one_line_with_what_was_set() {
    let settings = ChildSettings { memory: Some(5), writable: Some(""), ..ChildSettings::default() };
    assert_eq!(line(Some("child"), &settings), b"{\"child\":{\"memory\":5,\"writable\":\"\"}}\n");
    let check = Check {
        file: "a",
        source: "x\ny",
        module: &["A".to_owned()],
        error_kinds: &[],
        extras: vec!["sorries"],
    };
    assert_eq!(
        line(Some("check"), &check),
        b"{\"check\":{\"file\":\"a\",\"source\":\"x\\ny\",\"module\":[\"A\"],\"extras\":[\"sorries\"]}}\n"
    );
}

#[test]
fn requests_of_the_repl_and_their_answers_are_read_and_written_as_the_protocol_has_them() {
    let request = serde_json::json!({"cmd": "x\ny", "env": 3});
    assert_eq!(
        line(None, &Ask { repl: &request, next: [4, 7], pretty: true }),
        b"{\"repl\":{\"cmd\":\"x\\ny\",\"env\":3},\"next\":[4,7],\"pretty\":true}\n"
    );
    let read = |text: &[u8]| match child_line(text) {
        Ok(ChildLine::Repl(answered)) => answered,
        other => panic!("{other:?}"),
    };
    let text = br#"{"record":"repl","text":"{\"env\": 4,\n \"sorries\": [{\"proofState\": 7}]}","next":[5,8],"cancelled":false,"micros":1}"#;
    let Answered { what: What::Text { text, numbers }, next, cancelled } = read(text) else { panic!() };
    assert_eq!(
        (text.as_str(), next, cancelled),
        ("{\"env\": 4,\n \"sorries\": [{\"proofState\": 7}]}", [5, 8], false)
    );
    assert_eq!((numbers.env, numbers.proofs().collect::<Vec<_>>()), (Some(4), vec![7]));
    let header =
        read(br#"{"record":"repl","header":"import Lean\n","next":[0,0],"cancelled":false,"micros":1}"#);
    assert_eq!(header.what, What::Header("import Lean\n".to_owned()));
    let output = child_line(br#"{"record":"output","text":"x"}"#).unwrap();
    assert_eq!(output, ChildLine::Output { file: None, text: "x".to_owned() });
}
