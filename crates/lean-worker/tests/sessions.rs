//! Risk: a session of the REPL asks the wrong child, counts otherwise than one REPL does, or answers what is no answer.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::sync::{Arc, Barrier};

use lean_worker::{CancelToken, CheckTimes, Session, Surroundings};
use serde_json::{Value, json};
use support::repl::{Repl, repl, said, shared};
use support::{around, session, until, watchdog};

#[test]
fn requests_go_to_the_child_that_made_their_number() {
    let _watchdog = watchdog();
    let workers = shared();
    let mut repl = Repl::new(&workers, CheckTimes::default());
    assert_eq!(
        repl.cmd("import A\n-- sorry p"),
        json!({"env": 0, "sorries": [{"goal": "p", "proofState": 0,
        "pos": {"line": 1, "column": 0}, "endPos": {"line": 1, "column": 5}}]})
    );
    assert_eq!(repl.cmd("import B\n-- say b")["env"], 1);
    assert_eq!(repl.cmd("def f := 1")["env"], 2);
    let headers = [(0, "import A\n"), (1, "import B\n"), (2, "")];
    for round in 0..2 {
        for (env, header) in headers {
            let answer = repl.on(env, "-- tell header\n-- tell texts");
            assert_eq!(answer["env"], 3 + round * 3 + env);
            assert_eq!(said(&answer)[0], json!(header).to_string());
            assert!(
                said(&answer)[1].contains(["import A", "import B", "def f"][usize::try_from(env).unwrap()])
            );
        }
    }
    let answer = repl.ask(json!({"tactic": "rfl", "proofState": 0}));
    assert_eq!((&answer["proofState"], &answer["traces"]), (&json!(1), &json!(["\"p\""])));
    // The session's child for a header is one, however often the header comes.
    assert_eq!(said(&repl.cmd("import B\n-- tell checks"))[0], "4");
    assert_eq!((workers.stats().zygotes, workers.stats().children), (3, 3));
}

#[test]
fn numbers_are_those_that_one_repl_would_give() {
    let _watchdog = watchdog();
    let mut random = fastrand::Rng::with_seed(19);
    let mut repl = repl();
    let (mut envs, mut proofs) = (0, 0);
    for _ in 0..300 {
        let sorries = random.u64(0..3);
        let text = "-- sorry p\n".repeat(usize::try_from(sorries).unwrap());
        let answer = match random.u32(0..5) {
            0 => repl.cmd(&format!("import 3\n{text}")),
            1 => repl.cmd(&format!("import H{}\n{text}", random.u32(0..3))),
            2 if envs > 0 => repl.on(random.u64(0..envs), &text),
            3 if proofs > 0 => {
                let answer = repl.ask(json!({"tactic": "rfl", "proofState": random.u64(0..proofs)}));
                assert_eq!(answer["proofState"], proofs);
                proofs += 1;
                continue;
            }
            _ => {
                // What fails takes no number.
                repl.refused(json!({"cmd": "x", "env": envs + random.u64(0..9)}));
                continue;
            }
        };
        assert_eq!(answer["env"], envs, "{answer}");
        let states = answer["sorries"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|sorry| sorry["proofState"].as_u64().unwrap());
        assert!(states.eq(proofs..proofs + sorries), "{answer}");
        (envs, proofs) = (envs + 1, proofs + sorries);
    }
}

#[test]
fn hundred_sessions_import_once() {
    let _watchdog = watchdog();
    let workers = shared();
    let together = Barrier::new(100);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (workers, together) = (&workers, &together);
            scope.spawn(move || {
                let mut repl = Repl::new(workers, CheckTimes::default());
                together.wait();
                let answer = repl.cmd(&format!("import A\n-- say {number}"));
                assert_eq!((&answer["env"], said(&answer)), (&json!(0), vec![&*number.to_string()]));
                // All are there at the same time, each with its own states.
                together.wait();
                let answer = repl.on(0, "-- tell texts");
                assert!(said(&answer)[0].contains(&format!("say {number}\"")), "{answer}");
            });
        }
    });
    assert_eq!((workers.stats().zygotes, workers.stats().children), (1, 100));
}

#[test]
fn what_is_no_request_is_answered_in_words() {
    let _watchdog = watchdog();
    let workers = shared();
    let mut repl = Repl::new(&workers, CheckTimes::default());
    for text in ["", "{", "hello", "{\"cmd\": \"x\"} {}", "[]", "3", "null", "{\"cmd\": \"a\u{1}\"}"] {
        let answer: Value = serde_json::from_str(&repl.0.answer(text)).unwrap();
        assert!(
            answer["message"].as_str().unwrap().starts_with("Could not parse the request: "),
            "{text}: {answer}"
        );
    }
    assert_eq!(repl.refused(json!({"cmd": "", "env": 0})), "Unknown environment.");
    assert_eq!(repl.refused(json!({"tactic": "", "proofState": 7})), "Unknown proof state.");
    assert_eq!(repl.refused(json!({"pickleTo": "x", "env": 7})), "Unknown environment.");
    assert_eq!(workers.stats().children, 0, "nobody was needed for that");
    repl.refused(json!({"x": 1}));
    repl.refused(json!({"cmd": "", "env": -1}));
    assert_eq!(repl.0.answer(r#"{"cmd": "x", "env": 99}"#), r#"{"message": "Unknown environment."}"#);
}

#[test]
fn header_that_can_t_be_had_is_answered_in_lean_s_words() {
    let _watchdog = watchdog();
    let workers = shared();
    let mut repl = Repl::new(&workers, CheckTimes::default());
    assert_eq!(repl.cmd("-- say one")["env"], 0);
    for _ in 0..2 {
        assert_eq!(
            repl.refused(json!({"cmd": "import Script.Missing"})),
            "unknown module prefix 'Script.Missing'"
        );
    }
    assert!(repl.refused(json!({"cmd": "import Script.Dies"})).contains("an initialiser has failed"));
    assert!(
        repl.refused(json!({"cmd": "import Script.NoFork"})).contains("could be forked for this request")
    );
    // A wrong header any child can tell of.
    assert_eq!(said(&repl.cmd("import 3\n-- say more")), ["bad import", "more"]);
    // Here a child reads what we do not.
    let message = repl.refused(json!({"cmd": "import A\n-- other-header"}));
    assert!(message.contains("another header than its own zygote"), "{message}");
    assert_eq!(said(&repl.on(0, "-- tell texts")), [r#"["-- say one","-- tell texts"]"#]);
}

#[test]
fn paths_begin_in_the_client_s_folder() {
    let _watchdog = watchdog();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("a.lean"), "import A\n-- tell header\n-- tell folder").unwrap();
    let workers = shared();
    let new = |folder: &Path| Repl(session(&workers, &around(), folder, CheckTimes::default()));
    let (mut repl, mut elsewhere) = (new(folder.path()), new(other.path()));
    let answer = repl.ask(json!({"path": "a.lean"}));
    let here = json!(folder.path()).to_string();
    assert_eq!(said(&answer), [r#""import A\n""#, &here]);
    assert!(elsewhere.refused(json!({"path": "a.lean"})).contains("No such file"));
    repl.cmd("import B\n-- say b");
    assert_eq!(repl.ask(json!({"pickleTo": "b.olean", "env": 1})), json!({"env": 1}));
    drop(repl);
    // Another session, in another process behind other imports: the pickle says which it needs.
    let mut repl = new(folder.path());
    repl.cmd("import A");
    assert_eq!(repl.ask(json!({"unpickleEnvFrom": "b.olean"})), json!({"env": 1}));
    let answer = repl.on(1, "-- tell header\n-- tell texts");
    assert_eq!(said(&answer)[0], r#""import B\n""#);
    assert!(said(&answer)[1].contains("say b"), "{answer}");
    assert!(repl.refused(json!({"unpickleEnvFrom": "a.lean"})).contains("no such state"));
    assert!(
        elsewhere.refused(json!({"pickleTo": "no/such/folder/x", "env": 0})).contains("Unknown environment")
    );

    drop(other);
    let message = new(Path::new("/nowhere/at/all")).refused(json!({"cmd": ""}));
    assert!(message.contains("No such file"), "{message}");
}

#[test]
fn imports_that_have_changed_are_done_again_and_old_states_stay() {
    let _watchdog = watchdog();
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("A.olean");
    std::fs::write(&module, "one").unwrap();
    let around = Arc::new(Surroundings {
        search_path: vec![folder.path().to_str().unwrap().to_owned()],
        ..Surroundings::clone(&around())
    });
    let workers = shared();
    let mut repl = Repl(session(&workers, &around, Path::new("/"), CheckTimes::default()));
    repl.cmd("import A");
    repl.cmd("import A");
    assert_eq!(workers.stats().zygotes, 1);
    std::fs::write(&module, "another").unwrap();
    // Files are not looked at with each request.
    let mut envs = 1;
    until(|| {
        envs += 1;
        assert_eq!(repl.cmd("import A")["env"], envs);
        workers.stats().zygotes == 2
    });
    assert_eq!(repl.on(0, "")["env"], envs + 1, "what was made before is there");
    assert_eq!(repl.on(envs, "")["env"], envs + 2);
}

/// A server keeps each session in a thread of its own, and interrupts it from another.
#[test]
fn session_can_be_given_to_a_thread_and_its_interrupt_to_all() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    is_send::<Session>();
    is_shared::<lean_worker::Interrupt>();
    is_shared::<CancelToken>();
}

/// Whatever is asked, the answer is one JSON object without a blank line, which would end it for a client; and what is there stays.
#[test]
fn no_request_makes_it_panic_or_answer_in_two_pieces() {
    let _watchdog = watchdog();
    let mut random = fastrand::Rng::with_seed(4);
    // What is pickled lies there.
    let folder = tempfile::tempdir().unwrap();
    let mut repl = Repl(session(&shared(), &around(), folder.path(), CheckTimes::default()));
    repl.cmd("import A\n-- sorry p");
    let keys = [
        "cmd",
        "path",
        "env",
        "tactic",
        "proofState",
        "pickleTo",
        "unpickleEnvFrom",
        "unpickleProofStateFrom",
        "infotree",
        "allTactics",
        "setOptions",
        "declarations",
        "x",
    ];
    let values = [
        json!(null),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(true),
        json!(""),
        json!("import"),
        json!("import A\n\n-- say x\n\n"),
        json!("-- sorry q"),
        json!("/nowhere/x"),
        json!([[["a"], 1]]),
        json!([]),
        json!({"a": {}}),
    ];
    for _ in 0..3000 {
        let fields = (0..random.usize(0..4)).map(|_| {
            (keys[random.usize(0..keys.len())].to_owned(), values[random.usize(0..values.len())].clone())
        });
        let mut text = Value::Object(fields.collect()).to_string();
        if random.u32(0..4) == 0 {
            let end =
                (0..=random.usize(0..=text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap();
            text.truncate(end);
        }
        let answer = repl.0.answer(&text);
        assert!(answer.lines().all(|line| !line.trim().is_empty()), "{text}: {answer}");
        let value: Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{text}: {answer}: {error}"));
        assert!(value.is_object(), "{text}: {answer}");
    }
    assert!(said(&repl.on(0, "-- tell texts"))[0].contains("sorry p"), "all of it is still there");
}
