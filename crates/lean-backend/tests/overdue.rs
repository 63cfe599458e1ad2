//! Risk: nobody hears of a check that does not come back after its time was over. In a process of its own, which that check outlives.
#![cfg(feature = "abi-model")]

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use lean_backend::{
    CheckOptions, Ended, ImportOptions, LeanRuntime, SharedEnvironment, Sysroot, UNFINISHED, Unfinished,
    Watch,
};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_millis(20);

#[test]
fn on_the_abi_model_who_asked_is_told_once_that_a_check_does_not_come_back_and_of_no_other() {
    let runtime = LeanRuntime::init().unwrap();
    let options = ImportOptions::new(Sysroot::at("/model"));
    let environment = SharedEnvironment::import(runtime, &options, &["Init"], &Watch::default()).unwrap();
    let (sender, told) = channel();
    let tell = move || sender.send(()).unwrap();

    let checking = CheckOptions::new().timeout(Duration::from_millis(1)).overdue(LIMIT, &tell);
    assert_eq!(environment.check("-- until cancelled", &checking).unwrap().ended, Ended::TimedOut);
    let checking = CheckOptions::new().timeout(LIMIT).overdue(Duration::ZERO, &tell);
    assert_eq!(environment.check("#check Nat", &checking).unwrap().ended, Ended::Complete);
    assert!(told.try_recv().is_err(), "these came back");

    thread::spawn(move || {
        // Long enough for the check to come to that line before it is interrupted.
        let checking = CheckOptions::new().timeout(Duration::from_millis(200)).overdue(GRACE, &tell);
        environment.check("-- model: deaf", &checking)
    });
    told.recv_timeout(LIMIT).unwrap();
    assert!(told.recv_timeout(GRACE * 5).is_err(), "once");
}

#[test]
fn on_the_abi_model_an_end_from_inside_is_another_code_and_one_after_the_run_is_its_own() {
    use std::process::Command;

    let name = "on_the_abi_model_an_end_from_inside_is_another_code_and_one_after_the_run_is_its_own";
    match std::env::var("LEANPOOL_TEST_ENDS").as_deref() {
        Ok("inside") => {
            let _unfinished = Unfinished::new(|| 71);
            thread::spawn(|| std::process::exit(0)).join().unwrap();
        }
        Ok("panics") => {
            let _unfinished = Unfinished::new(|| panic!("no last words"));
            std::process::exit(0);
        }
        Ok("after") => {
            drop(Unfinished::new(|| 71));
            std::process::exit(3);
        }
        _ => {
            for (when, code) in [("inside", 71), ("panics", UNFINISHED), ("after", 3)] {
                let mut child = Command::new(std::env::current_exe().unwrap());
                let child = child.args(["--exact", name]).env("LEANPOOL_TEST_ENDS", when);
                assert_eq!(child.output().unwrap().status.code(), Some(code), "{when}");
            }
        }
    }
}
