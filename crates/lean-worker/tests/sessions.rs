//! Risk: a session of the REPL asks the wrong child, counts otherwise than one REPL does, or loses more than what a death must take.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use lean_worker::{CancelToken, CheckTimes, Kept, Limits, Session, Surroundings, Workers};
use serde_json::{Value, json};
use support::{Own, around, kill, session, until, watchdog, workers};

/// A session, asked with values.
struct Repl(Session);

impl Repl {
    fn new(workers: &Arc<Workers>, times: CheckTimes) -> Self {
        Self(session(workers, &around(), Path::new("/"), times))
    }

    fn ask(&mut self, request: Value) -> Value {
        serde_json::from_str(&self.0.answer(&request.to_string())).unwrap()
    }

    fn cmd(&mut self, text: &str) -> Value {
        self.ask(json!({"cmd": text}))
    }

    fn on(&mut self, env: u64, text: &str) -> Value {
        self.ask(json!({"cmd": text, "env": env}))
    }

    /// The words of an answer that has nothing else.
    fn refused(&mut self, request: Value) -> String {
        let answer = self.ask(request);
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["message"].as_str().unwrap().to_owned()
    }
}

fn shared() -> Arc<Workers> {
    Arc::new(workers(Limits::default()))
}

fn repl() -> Repl {
    Repl::new(&shared(), CheckTimes::default())
}

fn said(answer: &Value) -> Vec<&str> {
    answer["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| message["data"].as_str())
        .collect()
}

fn in_time(timeout: u64, grace: u64) -> CheckTimes {
    CheckTimes { timeout: Some(Duration::from_millis(timeout)), grace: Duration::from_millis(grace) }
}

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
fn death_in_a_request_takes_that_child_s_states_and_no_other() {
    let _watchdog = watchdog();
    for (script, words) in [
        ("-- exit 0", "exit code 0"),
        ("-- exit 7", "exit code 7"),
        ("-- abort assertion violated", "assertion violated"),
        ("-- kill-me", "signal 9"),
        ("-- half", "exit code 1"),
        ("-- bytes", "not UTF-8"),
        ("-- record", "not asked for"),
        ("-- odd hello", "no JSON object"),
        (r#"-- odd {"record":"done","file":"a.lean","errors":0}"#, "another file"),
        (r#"-- odd {"record":"failed","error":"no such request"}"#, "no such request"),
        (r#"-- odd {"record":"repl","text":"{}"}"#, "without the fields"),
        (r#"-- odd {"record":"repl","next":[9,9]}"#, "neither a text nor a header"),
        (r#"-- odd {"record":"repl","text":"{}","header":"","next":[9,9]}"#, "neither a text nor a header"),
        (r#"-- odd {"record":"repl","header":"import C\n","next":[9,9]}"#, "a header, and new numbers"),
        (
            r#"-- odd {"caption":"","data":"x","endPos":null,"fileName":"a","pos":{"column":0,"line":1},"severity":"error"}"#,
            "message that was not asked for",
        ),
        ("-- output-of-a-file", "another file"),
        (r#"-- lie "{}\n\n{}""#, "in one piece"),
        (r#"-- lie "hello""#, "in one piece"),
        (r#"-- lie [1]"#, "in one piece"),
        (r#"-- lie {"env": 1}"#, "another's"),
        (r#"-- lie {"proofState": 1}"#, "another's"),
        (r#"-- lie {"env": 3, "sorries": [{"proofState": 1}]}"#, "another's"),
        (r#"-- lie {"env": 3, "tactics": [{"proofState": 700}]}"#, "another's"),
        ("-- lie-next [9, 0]", "no request leads to"),
        ("-- lie-next [0, 2]", "another's"),
        ("-- lie-next [4, 18446744073709551615]", "no request leads to"),
        ("-- print early\n-- endless-line", "without an end"),
    ] {
        let workers = Arc::new(workers(Limits { said: 1 << 20, ..Limits::default() }));
        let mut repl = Repl::new(&workers, CheckTimes::default());
        repl.cmd("import A\n-- sorry p");
        repl.cmd("import B\n-- sorry q");
        assert_eq!(repl.on(0, "")["env"], 2);
        let message = repl.refused(json!({"cmd": script, "env": 2}));
        assert!(message.contains(words), "{script}: {message}");
        assert!(
            message.contains("Gone with it: environments 0, 2 and proof state 0; all else is still there"),
            "{message}"
        );
        for request in [
            json!({"cmd": "x", "env": 0}),
            json!({"cmd": "x", "env": 2}),
            json!({"tactic": "x", "proofState": 0}),
        ] {
            let message = repl.refused(request);
            assert!(message.starts_with("Unknown ") && message.contains(words), "{message}");
        }
        assert_eq!(repl.on(1, "")["env"], 3, "another child's is there, and the numbers go on");
        assert_eq!(repl.ask(json!({"tactic": "rfl", "proofState": 1}))["proofState"], 2);
        assert_eq!(said(&repl.cmd("import A\n-- tell checks")), ["1"], "a new child of the same zygote");
        assert_eq!((workers.stats().zygotes, workers.stats().deaths), (2, 1));
    }
}

#[test]
fn request_that_says_things_without_end_is_ended() {
    let _watchdog = watchdog();
    let mut repl =
        Repl::new(&Arc::new(workers(Limits { said: 1 << 20, ..Limits::default() })), CheckTimes::default());
    repl.cmd("import A");
    let message = repl.refused(json!({"cmd": "-- flood", "env": 0}));
    assert!(message.contains("says more than is kept") && message.contains("environment 0"), "{message}");
    assert_eq!(repl.cmd("import A")["env"], 1);
}

#[test]
fn late_request_that_comes_back_takes_nothing_with_it() {
    let _watchdog = watchdog();
    let mut repl = Repl::new(&shared(), in_time(50, 3_600_000));
    repl.cmd("import A");
    assert_eq!(
        repl.refused(json!({"cmd": "-- sorry p\n-- until-cancelled", "env": 0})),
        "Timed out after 0.05 s: the request was cancelled. Nothing is lost."
    );
    assert_eq!(repl.on(0, "-- sorry p")["sorries"][0]["proofState"], 0, "no number was used");
}

#[test]
fn late_request_is_told_so_behind_its_own_end() {
    let _watchdog = watchdog();
    // More than any socket's buffer holds: its time is over while it is sent.
    let mut repl = Repl::new(&shared(), in_time(1, 3_600_000));
    let text = format!("import A\n{}\n-- until-cancelled", "x".repeat(8 << 20));
    for _ in 0..3 {
        assert!(repl.refused(json!({"cmd": text})).ends_with("Nothing is lost."));
    }
    let answer = loop {
        let answer = repl.cmd("import A\n-- tell checks");
        // This has one millisecond, too.
        if answer.get("message").is_none() {
            break answer;
        }
    };
    assert!(said(&answer)[0].parse::<u32>().unwrap() > 3, "by the same child: {answer}");
}

#[test]
fn late_request_that_does_not_come_back_is_killed() {
    let _watchdog = watchdog();
    let workers = shared();
    let mut repl = Repl::new(&workers, in_time(50, 20));
    repl.cmd("import A");
    repl.cmd("import B");
    let message = repl.refused(json!({"cmd": "-- ignore-cancel", "env": 0}));
    assert_eq!(
        message,
        "Timed out after 0.05 s: the request did not come back within 0.02 s more. Gone with it: environment 0; all else is still there."
    );
    assert!(repl.refused(json!({"cmd": "", "env": 0})).contains("gone, as Timed out"));
    assert_eq!(repl.on(1, "")["env"], 2);
    assert_eq!(workers.stats().zygotes, 2);
}

#[test]
fn interrupted_request_leaves_the_session_as_it_was() {
    let _watchdog = watchdog();
    let mut repl = Repl::new(&shared(), CheckTimes { timeout: None, grace: Duration::from_millis(400) });
    repl.cmd("import A");
    let interrupt = repl.0.interrupt();
    assert!(!interrupt.ask(), "nothing is there to be interrupted");
    // Asked before the request has come to the child, it holds for that one all the same.
    interrupt.expect();
    assert!(interrupt.ask());
    let message = repl.refused(json!({"cmd": "-- until-cancelled", "env": 0}));
    assert_eq!(message, "Interrupted: the request was cancelled. Nothing is lost.");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until(|| interrupt.ask());
        });
        let message = repl.refused(json!({"cmd": "-- ignore-cancel", "env": 0}));
        assert!(message.contains("did not come back"), "{message}");
    });
    assert_eq!(said(&repl.cmd("import A\n-- say again")), ["again"], "and is over then");
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
fn process_that_is_killed_between_two_requests_is_told_with_what_it_held() {
    let _watchdog = watchdog();
    let own = Own::new();
    let workers = shared();
    let mut repl = Repl(session(&workers, &own.around(), Path::new("/"), CheckTimes::default()));
    let pid = said(&repl.cmd("import A\n-- pid"))[0].to_owned();
    repl.cmd("import B");
    kill(&pid, "-KILL");
    until(|| !support::is_alive(&pid));
    let message = repl.refused(json!({"cmd": "", "env": 0}));
    assert!(message.contains("signal 9") && message.contains("environment 0;"), "{message}");
    assert_eq!(repl.on(1, "")["env"], 2);

    // The same of a zygote, and of a request that needs no number: a new one answers.
    let me = std::process::id().to_string();
    let zygotes = || own.processes().into_iter().filter(|(_, parent)| *parent == me).collect::<Vec<_>>();
    for (zygote, _) in zygotes() {
        kill(&zygote, "-KILL");
        until(|| !support::is_alive(&zygote));
    }
    assert_eq!(repl.cmd("import B\n-- say b")["env"], 3);
    let message = repl.refused(json!({"cmd": "", "env": 1}));
    assert!(message.contains("the zygote has ended: signal: 9"), "{message}");
    let message = repl.refused(json!({"cmd": "-- kill-zygote", "env": 3}));
    assert!(message.contains("signal: 9") && message.contains("environment 3;"), "{message}");
    // Thrice, the last time in a zygote of its own, before a request that needs nothing is given up.
    let deaths = workers.stats().zygotes;
    assert!(repl.refused(json!({"cmd": "import B\n-- kill-zygote"})).contains("signal: 9"));
    assert_eq!(workers.stats().zygotes, deaths + 3);
    assert_eq!(said(&repl.cmd("import B\n-- say b")), ["b"]);
    drop(repl);
    drop(workers);
    until(|| own.processes().is_empty());
}

#[test]
fn child_that_says_something_unasked_is_asked_nothing_more() {
    let _watchdog = watchdog();
    let mut repl = repl();
    for round in 0..5 {
        assert_eq!(repl.cmd("import A\n-- late")["env"], round);
        let message = repl.refused(json!({"cmd": "", "env": round}));
        assert!(message.contains("was not asked") && message.contains("Gone with it"), "{message}");
    }
}

#[test]
fn no_session_waits_for_ever_for_another_s_place() {
    let _watchdog = watchdog();
    let workers = Arc::new(Workers::new(Kept { zygotes: 1, memory: 1 << 30 }, Limits::default(), None));
    let mut one = Repl::new(&workers, CheckTimes::default());
    one.cmd("import A");
    let mut other = Repl::new(&workers, CheckTimes::default());
    for repl in [&mut one, &mut other] {
        let message = repl.refused(json!({"cmd": "import B"}));
        assert!(message.contains("raise --max-memory or --capacity"), "{message}");
    }
    assert_eq!(one.on(0, "")["env"], 1);
    drop(one);
    assert_eq!(other.cmd("import B")["env"], 0);
}

#[test]
fn zygote_that_has_died_keeps_nobody_from_its_place() {
    let _watchdog = watchdog();
    let own = Own::new();
    let workers = Arc::new(Workers::new(Kept { zygotes: 1, memory: 1 << 30 }, Limits::default(), None));
    let new = || Repl(session(&workers, &own.around(), Path::new("/"), CheckTimes::default()));
    let mut sleeps = new();
    sleeps.cmd("import A");
    let me = std::process::id().to_string();
    let (zygote, _) = own.processes().into_iter().find(|(_, parent)| *parent == me).unwrap();
    kill(&zygote, "-KILL");
    until(|| own.processes().is_empty());
    let mut other = new();
    // Its thread may not have seen the end yet.
    until(|| other.cmd("import B").get("env").is_some());
    assert!(sleeps.refused(json!({"cmd": "", "env": 0})).contains("signal: 9"));
}

#[test]
fn import_of_a_session_that_ends_is_another_s_all_the_same() {
    let _watchdog = watchdog();
    let folder = tempfile::tempdir().unwrap();
    let own = Own::new();
    let around = Arc::new(Surroundings {
        search_path: vec![folder.path().to_str().unwrap().to_owned()],
        ..Surroundings::clone(&own.around())
    });
    let workers = shared();
    let token = CancelToken::new();
    std::thread::scope(|scope| {
        let (workers, around, other) = (&workers, &around, token.clone());
        scope.spawn(move || {
            let ends =
                Session::new(workers.clone(), around.clone(), Path::new("/"), CheckTimes::default(), other);
            let answer = ends.unwrap().answer(&json!({"cmd": "import Script.SilentOnce"}).to_string());
            assert!(answer.contains("Cancelled."), "{answer}");
        });
        // The one that never says that it is ready.
        until(|| folder.path().join("start-0").exists());
        let waits = scope.spawn(move || {
            let mut repl = Repl(session(workers, around, Path::new("/"), CheckTimes::default()));
            assert_eq!(repl.cmd("import Script.SilentOnce")["env"], 0);
        });
        until(|| workers.stats().pool.waits.peak_waiting > 0);
        token.cancel();
        waits.join().unwrap();
    });
    assert_eq!(workers.stats().zygotes, 1);
}

#[test]
fn session_that_is_ended_from_outside_answers_and_leaves_nothing() {
    let _watchdog = watchdog();
    let own = Own::new();
    let workers = shared();
    let token = CancelToken::new();
    let mut session =
        Session::new(workers.clone(), own.around(), Path::new("/"), CheckTimes::default(), token.clone())
            .unwrap();
    let pid = session.answer(&json!({"cmd": "import A\n-- pid"}).to_string());
    let pid: Value = serde_json::from_str(&pid).unwrap();
    let pid = said(&pid)[0].to_owned();
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| session.answer(&json!({"cmd": "-- ignore-cancel", "env": 0}).to_string()));
        std::thread::sleep(Duration::from_millis(20));
        token.cancel();
        assert_eq!(asks.join().unwrap(), r#"{"message": "Cancelled."}"#);
    });
    until(|| !support::is_alive(&pid));
    assert!(session.answer(r#"{"cmd": "import B"}"#).contains("Cancelled."));
    drop((session, workers));
    until(|| own.processes().is_empty());
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
