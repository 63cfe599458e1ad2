//! Requests of the REPL, from a stream to an answer, where no worker can be started: each has one answer of JSON, without a blank line, and memory in proportion.
#![cfg(target_os = "linux")]

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use leanpool::lean_worker::{
    CancelToken, CheckTimes, Kept, Limits, Requests, Session, Surroundings, Workers, repl_message,
};
use serde_json::Value;

const SEEDS: &[&str] = &[
    "{\"cmd\": \"#eval 1\"}\n\n{\"cmd\":\n \"import A\", \"env\": 0}\n\n",
    "{\"tactic\": \"rfl\", \"proofState\": 3}\n\n",
    "{\"path\": \"a.lean\", \"allTactics\": true}\r\n\r\n{\"pickleTo\": \"x\", \"env\": 3}",
    "{\"unpickleEnvFrom\": \"x\"}\n\n{\"unpickleProofStateFrom\": \"x\", \"env\": 18446744073709551615}\n\n",
    "{\"cmd\": \"x\", \"setOptions\": [[[\"pp\", \"all\"], true]], \"declarations\": true}\n\n",
];
const WORDS: &[&str] = &[
    "\n\n",
    "\r\n",
    "\"env\": ",
    "\"cmd\": ",
    "\"path\": \"/dev/zero\"",
    "\"path\": \"/\"",
    "\"proofState\": ",
    "\"setOptions\": [",
    "import «",
    "\"tactic\": ",
    "\"path\": \"\\u0000\"",
];

fuzz::target!(
    requests,
    || SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    WORDS,
    600,
    |bytes: &[u8]| {
        thread_local! {
            static SESSIONS: RefCell<Option<(Session, Session)>> = const { RefCell::new(None) };
        }
        let mut all = fuzz::within(bytes.len(), 40, 4000, || {
            let mut requests = Requests::new();
            let mut all: Vec<Vec<u8>> =
                bytes.split_inclusive(|&byte| byte == b'\n').filter_map(|line| requests.line(line)).collect();
            all.extend(requests.end());
            all
        });
        let length: usize = all.iter().map(Vec::len).sum();
        assert!(
            length <= bytes.len()
                && all.iter().all(|request| !request.is_empty() && !request.contains(&b'\n'))
        );
        all.truncate(4);
        let mut said = String::new();
        SESSIONS.with_borrow_mut(|sessions| {
            let (own, without) = sessions.get_or_insert_with(|| (session(), session().without_files()));
            for request in &all {
                let request = String::from_utf8_lossy(request);
                for session in [&mut *own, &mut *without] {
                    let answer = session.answer(&request);
                    let value: Value = serde_json::from_str(&answer).expect("an answer is JSON");
                    let words = value["message"].as_str().expect("nothing can be answered but words");
                    assert!(!answer.lines().any(|line| line.trim().is_empty()), "{answer:?}");
                    assert_eq!(repl_message(words), answer);
                    said.extend(words.chars().filter(char::is_ascii_alphabetic).take(40));
                }
            }
        });
        said
    }
);

fn session() -> Session {
    let around = Surroundings {
        sysroot: "/nowhere".into(),
        worker: "/nowhere/worker".into(),
        search_path: Vec::new(),
        setup: None,
        options: Vec::new(),
        project: None,
        stack_size: None,
        saves_headers: false,
    };
    let workers = Arc::new(Workers::new(Kept { zygotes: 1, memory: 0 }, Limits::default(), None));
    Session::new(workers, Arc::new(around), Path::new("/nowhere"), CheckTimes::default(), CancelToken::new())
        .unwrap()
}
