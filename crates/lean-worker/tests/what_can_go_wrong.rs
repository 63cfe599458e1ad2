//! Risk: something that a worker does wrong hurts another file than its own, is not told, or is not seen to end. One test for each line of
//! "What can go wrong" in the crate's documentation.
#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use lean_worker::{CancelToken, Cause, CheckTimes, Ending, Engine, Limits, Surroundings, Verdict, Workers};
use support::{
    Own, around, check, check_all, check_around, check_in_time, file, is_alive, said, until, watchdog,
    workers,
};

const GOOD: &str = "import A\n-- say one\n-- error two\n";

fn limits() -> Limits {
    Limits::default()
}

fn soon() -> CheckTimes {
    CheckTimes { timeout: Some(Duration::from_millis(20)), grace: Duration::from_millis(20) }
}

/// That the next file, behind the same imports, is as if nothing had been.
fn next_is_good(workers: &Workers) {
    let verdict = check(workers, GOOD);
    assert_eq!((&verdict.ending, said(&verdict)), (&Ending::Done, vec!["one", "error two"]));
}

/// What came of a file behind `import A`, after which the next must be good.
fn dies(text: &str) -> (Verdict, Cause) {
    let workers = workers(limits());
    next_is_good(&workers);
    let verdict = check(&workers, &format!("import A\n-- say before\n{text}\n-- say after\n"));
    next_is_good(&workers);
    let Ending::Died(death) = &verdict.ending else { panic!("{verdict:?}") };
    let cause = death.cause.clone();
    assert_eq!(workers.stats().deaths, 1);
    assert_eq!(workers.stats().zygotes, 1, "the zygote is the same");
    (verdict, cause)
}

fn protocol(text: &str, words: &str) -> Verdict {
    let (verdict, cause) = dies(text);
    let Cause::Protocol(what) = cause else { panic!("{cause:?}") };
    assert!(what.contains(words), "{what}");
    verdict
}

#[test]
fn file_ends_its_process() {
    let _watchdog = watchdog();
    for code in [0, 1, 7] {
        let (verdict, cause) = dies(&format!("-- exit {code}"));
        assert_eq!((cause, said(&verdict)), (Cause::Exited(code), vec!["before"]));
    }
}

#[test]
fn process_crashes_and_its_last_words_are_kept() {
    let _watchdog = watchdog();
    let (verdict, cause) = dies("-- abort assertion violated");
    assert_eq!(cause, Cause::Signal(6));
    let Ending::Died(death) = &verdict.ending else { panic!() };
    assert!(death.output.contains("assertion violated") && death.to_string().contains("assertion violated"));
    assert_eq!(dies("-- abort Stack overflow detected. Aborting.").1, Cause::StackOverflow);
    assert_eq!(dies("-- kill-me").1, Cause::Signal(9));
}

#[test]
fn process_dies_in_the_middle_of_a_line() {
    let _watchdog = watchdog();
    let (verdict, cause) = dies("-- half");
    assert_eq!((cause, said(&verdict)), (Cause::Exited(1), vec!["before"]));
}

#[test]
fn process_says_what_is_not_in_the_protocol() {
    let _watchdog = watchdog();
    assert_eq!(said(&protocol("-- bytes", "not UTF-8")), ["before"]);
    protocol("-- record", "not asked for");
    protocol("-- odd hello", "no JSON object");
    protocol("-- odd {}", "Lean's messages");
    protocol(r#"-- odd {"record":"done","file":"a.lean"}"#, "without the fields");
    protocol(r#"-- odd {"record":"done","file":"a.lean","errors":-1}"#, "without the fields");
    protocol(r#"-- odd {"record":"failed","error":"no such request"}"#, "no such request");
}

#[test]
fn process_speaks_of_another_file() {
    let _watchdog = watchdog();
    protocol("-- other-file", "of another file: another.lean");
    protocol(r#"-- odd {"record":"output","file":"b.lean","text":"x"}"#, "of another file: b.lean");
}

#[test]
fn process_says_more_than_it_was_asked() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    for _ in 0..5 {
        let verdict = check(&workers, "import A\n-- say one\n-- late\n");
        assert_eq!((verdict.ending.clone(), said(&verdict)), (Ending::Done, vec!["one"]));
        next_is_good(&workers);
    }
    assert_eq!(workers.stats().deaths, 0, "no file is blamed for it");
}

#[test]
fn process_says_things_without_end() {
    let _watchdog = watchdog();
    let small = workers(Limits { said: 1 << 20, ..limits() });
    let verdict = check(&small, "import A\n-- flood\n");
    let Ending::Died(death) = &verdict.ending else { panic!("{:?}", verdict.ending) };
    assert_eq!(death.cause, Cause::Flood);
    assert!(verdict.messages.len() >= 100, "what was said is kept");
    next_is_good(&small);
    let verdict = check(&small, "import A\n-- endless-line\n");
    let Ending::Died(death) = &verdict.ending else { panic!("{:?}", verdict.ending) };
    assert!(death.to_string().contains("without an end"), "{death}");
    next_is_good(&small);
}

#[test]
fn process_does_not_come_back_when_its_time_is_over() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    next_is_good(&workers);
    let verdict = check_in_time(&workers, "import A\n-- say before\n-- until-cancelled\n", soon());
    // On a slow machine the grace may be over, too.
    assert!(matches!(verdict.ending, Ending::TimedOut { .. }), "{verdict:?}");
    let deaf = check_in_time(&workers, "import A\n-- say before\n-- ignore-cancel\n", soon());
    assert_eq!(deaf.ending, Ending::TimedOut { killed: true });
    let patient = CheckTimes { grace: Duration::from_secs(3600), ..soon() };
    let verdict = check_in_time(&workers, "import A\n-- until-cancelled\n", patient);
    assert_eq!(verdict.ending, Ending::TimedOut { killed: false });
    next_is_good(&workers);
    assert_eq!((workers.stats().zygotes, workers.stats().deaths), (1, 0));
}

#[test]
fn process_reads_nothing() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    // More than any socket's buffer holds; it is read by a thread that nobody stops, so this is done by a zygote that forks nothing.
    let text = format!("import Script.Deaf\n-- {}\n", "x".repeat(8 << 20));
    let verdict = check_in_time(
        &workers,
        &text,
        CheckTimes { timeout: Some(Duration::from_millis(50)), grace: Duration::from_millis(50) },
    );
    assert!(matches!(verdict.ending, Ending::TimedOut { killed: true }), "{:?}", verdict.ending);
    next_is_good(&workers);
}

#[test]
fn process_eats_all_memory_that_it_may_have() {
    let _watchdog = watchdog();
    let workers = workers(Limits { memory: Some(64 << 20), ..limits() });
    let verdict = check(&workers, "import A\n-- say before\n-- eat\n");
    let Ending::Died(death) = &verdict.ending else { panic!("{verdict:?}") };
    assert_eq!((&death.cause, said(&verdict)), (&Cause::Memory(Some(64 << 20)), vec!["before"]), "{death}");
    next_is_good(&workers);
}

#[test]
fn process_leaves_another_behind() {
    let _watchdog = watchdog();
    let (own, workers) = (Own::new(), workers(limits()));
    for end in ["", "-- exit 0", "-- kill-me"] {
        let text = format!("import A\n-- orphan\n{end}\n");
        let verdict = check_around(&workers, &own.around(), &text, CheckTimes::default());
        let orphan = said(&verdict)[0].to_owned();
        if end.is_empty() {
            // A child is kept for the next file, and with it what it has started.
            assert!(is_alive(&orphan), "else nothing was tried");
        } else {
            until(|| !is_alive(&orphan));
        }
    }
    drop(workers);
    until(|| own.processes().is_empty());
}

#[test]
fn process_grows_or_has_had_its_files() {
    let _watchdog = watchdog();
    let few = workers(Limits { files_a_child: 3, ..limits() });
    let served: Vec<String> =
        (0..7).map(|_| said(&check(&few, "import A\n-- checks\n"))[0].to_owned()).collect();
    assert_eq!(served, ["1", "2", "3", "1", "2", "3", "1"]);
    let workers = workers(limits());
    let grow = "import A\n-- checks\n-- grow 80000000\n";
    assert_eq!([grow, GOOD].map(|text| said(&check(&workers, text))[0].to_owned()), ["1", "one"]);
    assert_eq!(said(&check(&workers, "import A\n-- checks\n")), ["2"], "the one that has grown is gone");
    assert!(workers.stats().peak_bytes > 80_000_000, "and was counted");
}

#[test]
fn header_can_t_be_imported() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    let text = "-- a comment\n\nimport A\n  import Script.Missing\n-- say one\n";
    let verdict = check(&workers, text);
    assert_eq!(
        (&verdict.ending, said(&verdict)),
        (&Ending::BadHeader, vec!["unknown module prefix 'Script.Missing'"])
    );
    let message = &verdict.messages[0];
    assert_eq!((message.position.line, message.position.column), (4, 2), "where it is in this file");
    assert!(message.json.contains(r#""fileName":"a.lean""#), "{}", message.json);
    // One that nobody can read is Lean's to say, with a zygote for it alone.
    let verdict = check(&workers, "import");
    assert_eq!(verdict.ending, Ending::BadHeader);
}

#[test]
fn header_is_tried_once_for_all_files_that_have_it() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    let files: Vec<_> = (0..10)
        .map(|number| {
            file(&format!("{number}.lean"), &format!("{}import Script.Missing\n", "\n".repeat(number)))
        })
        .collect();
    let mut verdicts = Vec::new();
    let engine = Engine::Worker { workers: &workers, lean: None };
    check_all(engine, &around(), &files, 1, |place, verdict| {
        verdicts.push((place, verdict.messages[0].clone()));
    });
    assert_eq!(verdicts.len(), 10);
    for (place, message) in verdicts {
        assert_eq!(message.position.line, place as u64 + 1);
        assert!(message.json.contains(&format!(r#""fileName":"{place}.lean""#)));
    }
    assert_eq!(workers.stats().pool.opens_failed, 1);
}

#[test]
fn child_reads_another_header_than_we_do() {
    let _watchdog = watchdog();
    let verdict = check(&workers(limits()), "import A\n-- other-header\n");
    let Ending::Failed(words) = verdict.ending else { panic!() };
    assert!(words.contains("another header"), "{words}");
}

#[test]
fn zygote_never_says_that_it_is_ready() {
    let _watchdog = watchdog();
    let own = Own::new();
    for import in ["Script.Silent", "Script.Stubborn"] {
        let workers = workers(Limits { start: Duration::from_millis(50), ..limits() });
        let verdict =
            check_around(&workers, &own.around(), &format!("import {import}\n"), CheckTimes::default());
        let Ending::Failed(words) = verdict.ending else { panic!() };
        assert!(words.contains("has not imported within"), "{words}");
    }
    assert_eq!(own.processes(), []);
}

#[test]
fn zygote_dies_while_it_is_starting() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    let Ending::Failed(words) = check(&workers, "import Script.Dies\n").ending else { panic!() };
    assert!(words.contains("exit status: 9") && words.contains("an initialiser has failed"), "{words}");
    assert_eq!(workers.stats().zygote_deaths, 3, "it was tried three times");
    let Ending::Failed(words) = check(&workers, "import Script.HalfReady\n").ending else { panic!() };
    assert!(words.contains("ended while it was starting"), "{words}");
    next_is_good(&workers);
}

#[test]
fn zygote_that_dies_once_is_started_again() {
    let _watchdog = watchdog();
    let folder = tempfile::tempdir().unwrap();
    let around = Surroundings {
        search_path: vec![folder.path().to_str().unwrap().to_owned()],
        ..Surroundings::clone(&around())
    };
    let workers = workers(limits());
    let file = file("a.lean", "import Script.DiesOnce\n-- say one\n");
    let verdict =
        workers.check(&Arc::new(around), &file, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
    assert_eq!((&verdict.ending, said(&verdict)), (&Ending::Done, vec!["one"]));
    assert_eq!((workers.stats().zygotes, workers.stats().zygote_deaths), (1, 1));
}

#[test]
fn zygote_says_what_is_not_in_the_protocol() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    for (import, expected) in [("Script.Nonsense", "no JSON object"), ("Script.ManyMessages", "without end")]
    {
        let Ending::Failed(words) = check(&workers, &format!("import {import}\n")).ending else { panic!() };
        assert!(words.contains(expected), "{words}");
    }
    for import in ["Script.StrangeEvent", "Script.LongEvent"] {
        // It may be found out while the file is checked, or after it.
        let verdict = check(&workers, &format!("import {import}\n-- say one\n-- ignore-cancel\n"));
        let Ending::Failed(words) = verdict.ending else { panic!("{verdict:?}") };
        assert!(
            words.contains("ended 3 times") && words.contains("does not keep to the protocol"),
            "{words}"
        );
    }
    next_is_good(&workers);
}

#[test]
fn zygote_dies_under_the_files_that_it_checks() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    let verdict = check(&workers, "import A\n-- say before\n-- kill-zygote\n");
    let Ending::Failed(words) = verdict.ending else { panic!("{verdict:?}") };
    assert!(words.contains("ended 3 times while it was checked") && words.contains("signal: 9"), "{words}");
    assert_eq!(workers.stats().zygote_deaths, 3);
    next_is_good(&workers);
}

#[test]
fn zygote_forks_nothing() {
    let _watchdog = watchdog();
    let patient = workers(limits());
    let Ending::Died(death) = check(&patient, "import Script.NoFork\n").ending else { panic!() };
    assert_eq!(death.cause, Cause::NoFork);
    let workers = workers(Limits { patience: Duration::from_millis(300), ..limits() });
    let Ending::Failed(words) = check(&workers, "import Script.Deaf\n").ending else { panic!() };
    assert!(words.contains("has not begun"), "{words}");
}

#[test]
fn zygote_does_not_end() {
    let _watchdog = watchdog();
    let (own, workers) = (Own::new(), workers(limits()));
    let verdict = check_around(&workers, &own.around(), "import Script.SlowToEnd\n", CheckTimes::default());
    assert_eq!((verdict.ending, own.processes().is_empty()), (Ending::Done, false));
    drop(workers);
    until(|| own.processes().is_empty());
}

#[test]
fn check_is_cancelled() {
    let _watchdog = watchdog();
    let workers = workers(limits());
    let token = CancelToken::new();
    let verdict = workers.check(
        &around(),
        &file("a.lean", "import A\n-- say before\n-- ignore-cancel\n"),
        CheckTimes::default(),
        &token,
        &mut |_| token.cancel(),
    );
    assert_eq!((&verdict.ending, said(&verdict)), (&Ending::Cancelled, vec!["before"]));
    next_is_good(&workers);
    let verdict = workers.check(&around(), &file("a.lean", GOOD), CheckTimes::default(), &token, &mut |_| ());
    assert_eq!(verdict.ending, Ending::Cancelled, "and whatever comes later");
}

#[test]
fn import_is_cancelled() {
    let _watchdog = watchdog();
    for import in ["Script.Silent", "Script.Stubborn"] {
        let (own, workers) = (Own::new(), workers(limits()));
        let token = CancelToken::new();
        let other = token.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let text = format!("import {import}\n");
                let verdict = workers.check(
                    &own.around(),
                    &file("a.lean", &text),
                    CheckTimes::default(),
                    &other,
                    &mut |_| (),
                );
                assert_eq!(verdict.ending, Ending::Cancelled);
            });
            until(|| !own.processes().is_empty());
            token.cancel();
        });
        assert_eq!(own.processes(), []);
    }
}

#[test]
fn program_of_the_worker_is_not_there() {
    let _watchdog = watchdog();
    for launcher in [None, Some(lean_worker::launch::Launcher::new(support::scripted()))] {
        let around = Surroundings { worker: "/nowhere/worker".into(), ..Surroundings::clone(&around()) };
        let workers = Workers::new(lean_worker::Kept { zygotes: 1, memory: 1 << 30 }, limits(), launcher);
        let file = file("a.lean", "");
        let verdict =
            workers.check(&Arc::new(around), &file, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
        let Ending::Failed(words) = verdict.ending else { panic!("{verdict:?}") };
        assert!(words.contains("/nowhere/worker"), "{words}");
    }
}

#[test]
fn memory_does_not_suffice_for_a_zygote() {
    let _watchdog = watchdog();
    let workers = Workers::new(lean_worker::Kept { zygotes: 4, memory: 1 << 20 }, limits(), None);
    // Heavier than the limit: known only once it is there. It serves, and is not kept.
    for _ in 0..2 {
        let verdict = check(&workers, "import Script.Heavy\n-- say one\n");
        match &verdict.ending {
            Ending::Done => {}
            Ending::Failed(words) => assert!(words.contains("--max-memory"), "{words}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(workers.stats().zygotes, 1);
}
