//! Risk: what is asked of a check beside messages is lost, is another's, or is not asked at all; what is heard is not what is said in the end.
#![cfg(target_os = "linux")]

mod support;

use std::num::NonZero;
use std::sync::Arc;

use lean_worker::{
    Asked, CancelToken, CheckTimes, Ending, Engine, Event, File, Limits, Position, Record, Severity,
    Surroundings, ToCheck, check_files,
};
use support::{around, check, check_around, said, watchdog, workers};

#[test]
fn what_is_asked_is_told_and_given_back() {
    let _watchdog = watchdog();
    let workers = workers(Limits::default());
    let text =
        "-- kinds\n-- extras\n-- sorry |- False\n-- tactic intro h\n-- axioms two_plus propext Quot.sound\n";
    let asked =
        Asked { error_kinds: ["hasSorry".to_owned()].into(), sorries: true, tactics: true, axioms: true };
    let file = File { asked, ..File::new("a.lean", text) };
    let mut records = Vec::new();
    let heard = &mut |heard: lean_worker::Heard<'_>| {
        if let lean_worker::Heard::Record(record) = heard {
            records.push(record.clone());
        }
    };
    let verdict = workers.check(&around(), &file, CheckTimes::default(), &CancelToken::new(), heard);
    assert_eq!(said(&verdict), [r#"["hasSorry"]"#, r#"["sorries","tactics","axioms"]"#]);
    let at = |line, column| Position { line, column };
    let expected = [
        Record::Sorry { position: at(3, 3), end: Some(at(3, 8)), goals: vec!["|- False".to_owned()] },
        Record::Tactic {
            position: at(4, 3),
            end: None,
            tactic: "intro h".to_owned(),
            goals: vec!["before".to_owned()],
            goals_after: Vec::new(),
        },
        Record::Axioms {
            position: at(5, 0),
            name: "two_plus".to_owned(),
            axioms: vec!["propext".to_owned(), "Quot.sound".to_owned()],
        },
    ];
    assert_eq!((verdict.records.as_slice(), records.as_slice()), (&expected[..], &expected[..]));
    // Nothing is asked of who asks nothing.
    assert_eq!(said(&check(&workers, "-- kinds\n-- extras\n")), ["null", "null"]);
}

#[test]
fn error_that_lean_does_not_print_is_counted() {
    let _watchdog = watchdog();
    let workers = workers(Limits::default());
    let silent = check(&workers, "-- silent-error\n");
    assert!(silent.ending == Ending::Done && silent.messages.is_empty() && !silent.is_ok());
    assert!(check(&workers, "-- say all is well\n").is_ok());
}

#[test]
fn option_that_is_unknown_is_said_as_lean_says_it() {
    let _watchdog = watchdog();
    let workers = workers(Limits::default());
    let with = |option: &str| {
        let around = Surroundings { options: vec![option.into()], ..Surroundings::clone(&around()) };
        check_around(&workers, &Arc::new(around), "import Script.Options\nab", CheckTimes::default())
    };
    let unknown = with("nothing=1");
    assert_eq!(unknown.ending, Ending::BadHeader);
    // What `lean -Dnothing=1 --json` prints of a file whose last line has two characters.
    let expected = r#"{"caption":"","data":"invalid -D parameter, unknown configuration option 'nothing'","endPos":{"column":2,"line":2},"fileName":"<input>","isSilent":false,"keepFullRange":false,"kind":"[anonymous]","pos":{"column":0,"line":1},"severity":"error"}"#;
    assert_eq!(unknown.messages[0].json, expected);
    let bad = with("bad=x");
    assert_eq!(
        bad.ending,
        Ending::Failed("invalid -D parameter, invalid configuration option 'x' value".into())
    );
}

#[test]
fn messages_come_before_the_check_ends_and_begin_again_with_it() {
    let _watchdog = watchdog();
    let workers = workers(Limits::default());
    let cancel = CancelToken::new();
    let file = |text: &str| ToCheck { file: File::new("a.lean", text), around: around() };
    let mut heard = Vec::new();
    let engine = Engine::Worker { workers: &workers, lean: None };
    let one = NonZero::<usize>::MIN;
    check_files(
        engine,
        &[file("-- say early\n-- ignore-cancel\n")],
        one,
        CheckTimes::default(),
        &cancel,
        |_, event| {
            // It would never end by itself.
            if let Event::Message(message) = &event {
                assert_eq!(message.severity, Severity::Information);
                cancel.cancel();
            }
            heard.push(event);
        },
    )
    .unwrap();
    assert!(
        matches!(&heard[..], [Event::Message(_), Event::Verdict(verdict)] if verdict.ending == Ending::Cancelled)
    );

    let mut heard = Vec::new();
    let cancel = CancelToken::new();
    let file = file("-- say one\n-- kill-zygote\n");
    check_files(engine, &[file], one, CheckTimes::default(), &cancel, |_, event| heard.push(event)).unwrap();
    let agains = heard.iter().filter(|event| matches!(event, Event::Again)).count();
    assert_eq!(agains, 3, "{heard:?}");
}

#[test]
fn files_of_several_surroundings_are_checked_in_one_run() {
    let _watchdog = watchdog();
    let workers = workers(Limits::default());
    let other =
        Arc::new(Surroundings { search_path: vec!["/other".into()], ..Surroundings::clone(&around()) });
    let files: Vec<ToCheck> = (0..6)
        .map(|number| ToCheck {
            file: File::new(number.to_string(), "import Script.Configured\n"),
            around: if number % 2 == 0 { around() } else { other.clone() },
        })
        .collect();
    let engine = Engine::Worker { workers: &workers, lean: None };
    let mut seen = 0;
    check_files(
        engine,
        &files,
        NonZero::<usize>::MIN,
        CheckTimes::default(),
        &CancelToken::new(),
        |place, event| {
            if let Event::Verdict(verdict) = event {
                let has_other = verdict.messages[0].text.contains("/other");
                assert_eq!(has_other, place % 2 == 1, "{place} was checked in another's");
                seen += 1;
            }
        },
    )
    .unwrap();
    assert_eq!((seen, workers.stats().pool.opens_failed), (6, 2), "each of the two is tried once");
}
