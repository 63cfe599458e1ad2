//! Risk: what a request needs is read wrongly out of odd JSON, or makes the host read what it was not given; or a child that lies makes numbers another's.

use std::path::Path;

use serde_json::Value;

use super::routes::{Needs, Routes};
use super::{believe, wants};
use crate::header::Header;
use crate::protocol::{ChildLine, child_line};

const SEEDS: [&str; 6] = [
    r#"{"cmd": "import A\n#check 1", "env": null}"#,
    r#"{"tactic": "rfl", "proofState": 4, "env": 3}"#,
    r#"{"pickleTo": "x", "env": 3}"#,
    r#"{"unpickleEnvFrom": "x"}"#,
    r#"{"path": "a.lean", "declarations": true}"#,
    r#"{"cmd": "x", "setOptions": [[["Elab", "async"], true], [["pp", "all"], true]]}"#,
];
const WORDS: &[&str] = &[
    "\"env\":",
    "\"cmd\":",
    "\"path\":",
    "\"/dev/zero\"",
    "\"\\u0000\"",
    "\"../..\"",
    "\"proofState\":",
    "\"setOptions\":",
    "\"Elab\", \"async\"",
    "import «",
    "18446744073709551615",
];

fuzz::target!(
    wants,
    || SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    WORDS,
    6000,
    |bytes: &[u8]| {
        let Ok(request) = serde_json::from_slice::<Value>(bytes) else { return "no JSON".to_owned() };
        let names_file = ["path", "pickleTo", "unpickleEnvFrom", "unpickleProofStateFrom"]
            .iter()
            .any(|key| request.get(key).is_some());
        assert_eq!(wants::file_key(&request).is_some(), names_file, "a file is named and not seen");
        let refused = wants::refused(&request);
        let found = fuzz::within(bytes.len(), 60, 4000, || wants::Wants::of(&request, Path::new("/nowhere")));
        if let Some(header) = &found.header {
            assert!(matches!(header, Header::Words(_)) && found.needs == Needs::Nothing);
        }
        format!("{:?} {} {}", std::mem::discriminant(&found.needs), found.header.is_some(), refused.is_some())
    }
);

fuzz::target!(
    numbers,
    || vec![
        br#"{"record":"repl","text":"{\"env\": 0}","next":[1,0]}
{"record":"repl","text":"{\"env\": 1, \"sorries\": [{\"proofState\": 0}]}","next":[2,1]}"#
            .to_vec(),
        br#"{"record":"repl","header":"import A","next":[0,0]}"#.to_vec(),
    ],
    &[
        "{\"record\":\"repl\",\"text\":\"{\\\"env\\\": 2}\",\"next\":[3,1]}",
        "\"next\":[",
        "\\\"proofState\\\": ",
        "\\\"tactics\\\": [",
        "18446744073709551615"
    ],
    6000,
    |bytes: &[u8]| {
        // Two children take turns, as their lines come.
        let mut routes = Routes::new();
        let children = [routes.forked(Header::of("import A")), routes.forked(Header::of("import B"))];
        let mut said = String::new();
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let Ok(ChildLine::Repl(answered)) = child_line(line) else { continue };
            let before = routes.next();
            let believed = believe(&mut routes, children[at % 2], &answered);
            let now = routes.next();
            match believed {
                Ok(()) => {
                    assert!(now[0] - before[0] <= 1 && now[1] - before[1] <= line.len() as u64);
                    assert!(
                        now[0] == before[0]
                            || routes.may_speak_of(children[at % 2], Needs::Env(before[0]), now)
                    );
                    assert!(
                        now[0] == before[0]
                            || !routes.may_speak_of(children[(at + 1) % 2], Needs::Env(before[0]), now)
                    );
                }
                Err(_) => assert_eq!(now, before, "a lie changes nothing"),
            }
            said += if believed.is_ok() { "y" } else { "n" };
        }
        said.truncate(6);
        said
    }
);
