//! Risk: what a worker says, which runs code of strangers, ends the host, fills its memory, or is taken for something that it is not.

use super::*;

const SAID: [&str; 14] = [
    r#"{"caption":"c","data":"Nat : Type","endPos":{"column":6,"line":4},"fileName":"a.lean","isSilent":false,"keepFullRange":false,"kind":"x._namedError","pos":{"column":0,"line":4},"severity":"error"}"#,
    r#"{"record":"child","pid":7,"landlock":7,"seccomp":true,"networkNamespace":false}"#,
    r#"{"record":"done","file":"a","errors":2,"maxErrors":false,"cancelled":true,"failure":null,"micros":1,"cpuMicros":1}"#,
    r#"{"record":"output","file":"a","text":"x"}"#,
    r#"{"record":"failed","error":"no"}"#,
    r#"{"record":"sorry","file":"a","pos":{"line":1,"column":0},"endPos":null,"goals":["⊢ True"]}"#,
    r#"{"record":"tactic","file":"a","pos":{"line":1,"column":0},"tactic":"rfl","goals":[],"goalsAfter":[]}"#,
    r#"{"record":"axioms","file":"a","pos":{"line":1,"column":0},"name":"A.b","axioms":["propext"]}"#,
    r#"{"record":"repl","text":"{\"env\": 4,\n \"sorries\": [{\"proofState\": 7}]}","next":[5,8],"cancelled":false}"#,
    r#"{"record":"repl","header":"import Lean\n","next":[0,0]}"#,
    r#"{"record":"ready","version":"4.35.0","pid":1,"privateDirty":12,"threads":1}"#,
    r#"{"event":"forked","id":1,"pid":5}"#,
    r#"{"event":"forked","id":1,"pid":-1}"#,
    r#"{"event":"exited","id":3,"pid":5,"code":-1,"signal":9,"maxrss":7,"output":"x"}"#,
];
const WORDS: &[&str] = &[
    "\\n",
    "\"record\":\"done\"",
    "\"record\":",
    "\"event\":",
    "\"pos\":{\"line\":1,\"column\":0}",
    "\"severity\":\"error\"",
    "\"file\":",
    "\"text\":",
    "\"next\":[0,0]",
    "\"goals\":[",
    "\"data\":",
];

fn seeds() -> Vec<Vec<u8>> {
    SAID.iter().map(|line| line.as_bytes().to_vec()).chain([SAID.join("\n").into_bytes()]).collect()
}

/// That what is refused is named, shortly.
fn refused(wrong: &Malformed) -> String {
    let words = wrong.to_string();
    assert!(words.len() < 1000 && !words.contains(char::is_control), "{words:?}");
    wrong.what.to_owned()
}

fn message(message: &Message, line: &[u8]) {
    assert_eq!(message.json.as_bytes(), line, "what Lean said is kept byte for byte");
    assert_eq!(message.moved(&message.file, |at| at).position, message.position);
    let moved = message.moved("b \"c\"\n.lean", |at| at);
    assert_eq!(Message::of_lean(&moved.json).as_ref(), Some(&moved), "moved, it is a message");
    assert!(message.in_text(true).ends_with('\n'));
}

fuzz::target!(worker_lines, seeds, WORDS, 3000, |bytes: &[u8]| {
    let length = bytes.len();
    let mut said = String::new();
    match fuzz::within(length, 60, 4000, || child_line(bytes)) {
        Ok(ChildLine::Message(read)) => {
            message(&read, bytes);
            said += "message";
        }
        Ok(ChildLine::Repl(Answered { what: What::Text { text, .. }, .. })) => {
            assert!(
                !text.lines().any(|line| line.trim().is_empty()),
                "a blank line ends an answer: {text:?}"
            );
            said += "answer";
        }
        Ok(line) => said += &format!("{line:?}")[..5],
        Err(wrong) => said += &refused(&wrong),
    }
    match fuzz::within(length, 60, 4000, || start_line(bytes)) {
        Ok(StartLine::Message(read)) => message(&read, bytes),
        Ok(line) => said += &format!("{line:?}")[..5],
        Err(wrong) => said += &refused(&wrong),
    }
    match fuzz::within(length, 60, 4000, || event(bytes)) {
        Ok(Event::Forked { pid, .. }) => {
            let is_one = pid.is_none_or(|pid| pid > 0);
            assert!(is_one, "a process has a positive number");
        }
        Ok(Event::Exited { .. }) => said += "exited",
        Err(wrong) => said += &refused(&wrong),
    }
    said
});

fuzz::target!(worker_stream, seeds, WORDS, 3000, |bytes: &[u8]| {
    // However it comes, the lines are those of the whole, and no more is kept than a line may have.
    let longest = 300;
    let size = 1 + usize::from(bytes.first().copied().unwrap_or(7));
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    let mut is_cut = false;
    'all: for part in bytes.chunks(size) {
        lines.push(part);
        loop {
            match lines.next(longest) {
                Ok(Some(line)) => found.push(line.to_vec()),
                Ok(None) => break,
                Err(wrong) => {
                    assert!(refused(&wrong).contains("without an end"));
                    is_cut = true;
                    break 'all;
                }
            }
            assert!(lines.rest().len() <= longest as usize + size + bytes.len());
        }
        assert!(lines.rest().len() <= longest as usize);
    }
    let mut expected: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let rest = expected.pop().unwrap_or_default();
    if is_cut {
        assert!(expected.iter().chain([&rest]).any(|line| line.len() as u64 > longest));
        expected.truncate(found.len());
    } else {
        assert_eq!(lines.rest(), rest);
    }
    assert_eq!(found, expected);
    format!("{is_cut} {}", found.len().min(5))
});
