//! Risk: a death, a time-out or another session's end takes more from a session of the REPL than it must, or is not told.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lean_worker::{CancelToken, CheckTimes, Kept, Limits, Session, Surroundings, Workers};
use serde_json::{Value, json};
use support::repl::{Repl, in_time, repl, said, shared};
use support::{Own, kill, session, until, watchdog, workers};

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
