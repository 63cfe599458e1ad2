//! Risk: a check says that all is well where it is not, can't be stopped, or harms what comes after it.
#![cfg(any(lean_library, feature = "abi-model"))]

mod support;

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use lean_backend::{
    CheckOptions, Checked, Ended, Environment, ImportOptions, LeanCancellationToken, LeanError,
    LeanProgressEvent, LeanSeverity, SharedEnvironment, Watch,
};
use support::{options, runtime, shared};

/// A check that takes much longer than a test waits: thousands of commands, and the model's own mark.
fn endless() -> String {
    "example : 1 + 1 = 2 := rfl\n".repeat(20_000) + "-- until cancelled\n"
}

fn said(checked: &Checked) -> Vec<(u64, u64, LeanSeverity, &str)> {
    let said = checked.diagnostics.iter();
    said.map(|said| (said.position().line(), said.position().column(), said.severity(), said.message()))
        .collect()
}

on_lean! {
    fn diagnostics_are_what_lean_says() {
        use LeanSeverity::{Error, Info, Warning};
        let environment = shared(&["Init"]);
        for (source, expected) in [
            ("", None),
            ("example : 1 + 1 = 2 := rfl", None),
            ("#check Nat", Some((1, 0, Info, "Nat : Type"))),
            ("import Lean\n#check Nat", Some((2, 0, Info, "Nat : Type"))),
            ("example := oops", Some((1, 11, Error, "Unknown identifier `oops`"))),
            ("def x := \"é😀\" #check oops", Some((1, 21, Error, "Unknown identifier `oops`"))),
            ("theorem t : 1 = 1 := sorry", Some((1, 8, Warning, "declaration uses 'sorry'"))),
            ("λ", Some((1, 0, Error, "unexpected token 'λ'; expected command"))),
            (
                "example : 1 = 2 := by decide",
                Some((1, 22, Error, "Tactic `decide` proved that the proposition\n  1 = 2\nis false")),
            ),
        ] {
            let checked = environment.check(source, &CheckOptions::new()).unwrap();
            assert_eq!(checked.ended, Ended::Complete, "{source:?}");
            assert_eq!(said(&checked), Vec::from_iter(expected), "{source:?}");
            assert_eq!(checked.is_ok(), expected.is_none_or(|expected| expected.2 != Error), "{source:?}");
        }
    }

    fn check_changes_nothing_for_the_next_one() {
        let environment = shared(&["Init"]);
        for _ in 0..3 {
            let checked = environment.check("def here := 1\nexample : here = 1 := rfl", &CheckOptions::new()).unwrap();
            assert_eq!(said(&checked), []);
        }
        assert_eq!(environment.ask(|environment| Ok(environment.contains("here"))), Ok(false));
    }

    fn check_on_a_thread_of_leans_and_on_an_attached_one_say_the_same() {
        let source = "example := oops";
        let there = shared(&["Init"]).check(source, &CheckOptions::new()).unwrap();
        let here = runtime()
            .run(|thread| {
                let environment = Environment::import(thread, &options(), &["Init"]).unwrap();
                environment.check(source, &CheckOptions::new()).unwrap()
            })
            .unwrap();
        let thread = runtime().attach();
        let environment = Environment::import(&thread, &options(), &["Init"]).unwrap();
        let attached = environment.check(source, &CheckOptions::new()).unwrap();
        assert_eq!((&here, &attached), (&there, &there));
    }

    fn environment_without_extensions_is_refused_and_not_checked_wrongly() {
        let without = ImportOptions { extensions: false, ..options() };
        let environment =
            SharedEnvironment::import(runtime(), &without, &["Init"], &Watch::default()).unwrap();
        assert_eq!(environment.ask(|environment| Ok(environment.contains("Nat"))), Ok(true), "this needs none");
        assert_eq!(environment.check("#check Nat", &CheckOptions::new()), Err(LeanError::NoExtensions));
        let printed = environment.ask(|environment| environment.declaration_type("Nat.add_comm"));
        assert_eq!(printed, Err(LeanError::NoExtensions));
    }

    fn cancelled_before_it_begins_it_is_an_error() {
        let environment = shared(&["Init"]);
        let token = LeanCancellationToken::new();
        token.cancel();
        let error = environment.check("#check Nat", &CheckOptions::new().cancellation(&token)).unwrap_err();
        assert_eq!(error, LeanError::Cancelled);
    }

    fn cancelled_while_it_runs_it_ends_and_says_so() {
        let environment = shared(&["Init"]);
        let token = LeanCancellationToken::new();
        let source = "example := oops\n".to_owned() + &endless();
        let checked = thread::scope(|scope| {
            let check = scope.spawn(|| environment.check(&source, &CheckOptions::new().cancellation(&token)));
            wait_until_a_check_runs();
            // From a thread that is not attached.
            token.cancel();
            check.join().unwrap().unwrap()
        });
        assert_eq!(checked.ended, Ended::Cancelled);
        assert_eq!(checked.errors(), 1, "what was found before is kept, and nothing else is said");
        // What ends with one check is over for the next.
        let checked = environment.check("#check Nat", &CheckOptions::new()).unwrap();
        assert_eq!(checked.ended, Ended::Complete);
    }

    fn one_token_ends_all_checks_that_run_with_it() {
        let environment = shared(&["Init"]);
        let token = LeanCancellationToken::new();
        let source = endless();
        let ends: Vec<_> = thread::scope(|scope| {
            let check = || environment.check(&source, &CheckOptions::new().cancellation(&token));
            let checks = [scope.spawn(check), scope.spawn(check)];
            wait_until_a_check_runs();
            token.clone().cancel();
            checks.into_iter().map(|check| check.join().unwrap()).collect()
        });
        for end in ends {
            // One that had not begun when the token was cancelled says so in its own way.
            assert!(matches!(end, Err(LeanError::Cancelled) | Ok(Checked { ended: Ended::Cancelled, .. })), "{end:?}");
        }
    }

    fn deadline_that_passes_ends_the_check_and_keeps_what_was_found() {
        let environment = shared(&["Init"]);
        let source = endless();
        for deadline in [Instant::now(), Instant::now() + Duration::from_millis(1)] {
            let checked = environment.check(&source, &CheckOptions::new().deadline(deadline)).unwrap();
            assert_eq!((checked.ended, checked.is_ok()), (Ended::TimedOut, false));
        }
    }

    fn deadline_watches_also_where_the_check_runs_on_this_thread() {
        let environment = shared(&["Init"]);
        let source = endless();
        let options = CheckOptions::new().deadline(Instant::now());
        let checked = runtime().run(|thread| environment.on(thread).check(&source, &options)).unwrap().unwrap();
        assert_eq!(checked.ended, Ended::TimedOut);
    }

    fn timeout_begins_with_the_check_and_ends_it() {
        let environment = shared(&["Init"]);
        let source = endless();
        for timeout in [Duration::ZERO, Duration::from_millis(1)] {
            let checked = environment.check(&source, &CheckOptions::new().timeout(timeout)).unwrap();
            assert_eq!(checked.ended, Ended::TimedOut);
        }
        let far = Duration::from_secs(3600);
        let checked = environment.check("example := oops", &CheckOptions::new().timeout(far)).unwrap();
        assert_eq!((checked.ended, checked.errors()), (Ended::Complete, 1));
        // With both, the earlier one.
        let now = Instant::now();
        let options = CheckOptions::new().timeout(far).deadline(now);
        assert_eq!(environment.check(&source, &options).unwrap().ended, Ended::TimedOut);
        let options = CheckOptions::new().timeout(Duration::ZERO).deadline(now + far);
        assert_eq!(environment.check(&source, &options).unwrap().ended, Ended::TimedOut);
    }

    fn check_that_never_begins_ends_whatever_its_time() {
        let environment = shared(&["Init"]);
        let token = LeanCancellationToken::new();
        token.cancel();
        let options = CheckOptions::new().timeout(Duration::from_secs(3600)).cancellation(&token);
        assert_eq!(environment.check("", &options).unwrap_err(), LeanError::Cancelled);
    }

    fn deadline_that_does_not_pass_changes_nothing() {
        let environment = shared(&["Init"]);
        let deadline = Instant::now() + Duration::from_secs(3600);
        let checked = environment.check("example := oops", &CheckOptions::new().deadline(deadline)).unwrap();
        assert_eq!((checked.ended, checked.errors()), (Ended::Complete, 1));
    }

    fn heartbeats_are_limited() {
        let environment = shared(&["Init"]);
        let source = "example (a b c : Nat) : a + b + c = c + b + a := by simp [Nat.add_comm, Nat.add_left_comm]";
        let checked = environment.check(source, &CheckOptions::new().max_heartbeats(1)).unwrap();
        assert!(checked.errors() > 0 && checked.diagnostics[0].message().contains("timeout"), "{checked:?}");
    }

    fn progress_is_start_and_end() {
        let environment = shared(&["Init"]);
        let heard = Mutex::new(Vec::new());
        let sink = |event: LeanProgressEvent| heard.lock().unwrap().push((event.phase, event.current, event.total));
        environment.check("", &CheckOptions::new().progress(&sink)).unwrap();
        assert_eq!(*heard.lock().unwrap(), [("check", 0, Some(1)), ("check", 1, Some(1))]);
    }

    fn source_may_hold_anything_that_is_text() {
        let environment = shared(&["Init"]);
        for source in ["-- nul \0 inside\n#check Nat", "\u{feff}", "-- \u{202e}"] {
            environment.check(source, &CheckOptions::new()).unwrap();
        }
    }
}

fn wait_until_a_check_runs() {
    #[cfg(feature = "abi-model")]
    while lean_backend::abi_model::waiting() == 0 {
        thread::yield_now();
    }
    // Real Lean does not say. The check takes seconds, and some milliseconds to begin.
    #[cfg(not(feature = "abi-model"))]
    thread::sleep(Duration::from_millis(500));
}

#[cfg(feature = "abi-model")]
mod on_the_abi_model_alone {
    use super::*;

    #[test]
    fn environment_that_an_import_made_stale_is_refused_and_not_checked_wrongly() {
        let _one_at_a_time = support::begin();
        let before = shared(&["Init"]);
        assert_eq!(before.is_current(), Ok(true));
        shared(&["Model.Extends.Checking"]);
        assert_eq!(before.is_current(), Ok(false));
        let checks = lean_backend::abi_model::checks();
        for options in [CheckOptions::new(), CheckOptions::new().timeout(Duration::from_secs(3600))] {
            let error = before.check("#check Nat", &options).unwrap_err();
            assert!(matches!(error, LeanError::Stale { imported_at, now } if now > imported_at), "{error}");
        }
        assert_eq!(lean_backend::abi_model::checks(), checks);
        let error = before.ask(|environment| environment.declaration_type("Nat.add_comm")).unwrap_err();
        assert!(matches!(error, LeanError::Stale { .. }), "{error}");
        assert!(shared(&["Init"]).check("#check Nat", &CheckOptions::new()).unwrap().is_ok());
    }

    #[test]
    fn report_that_is_not_understood_is_an_error() {
        let _one_at_a_time = support::begin();
        let error = shared(&["Init"]).check("-- model: broken json", &CheckOptions::new()).unwrap_err();
        assert!(matches!(error, LeanError::Toolchain { .. }), "{error}");
    }
}
