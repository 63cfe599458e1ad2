//! Risk: a file that is checked in this process ends it in silence, or never comes back and holds up whoever waits for the others. On the ABI model alone, in
//! processes of their own: what is overdue runs on until the process ends.
#![cfg(all(unix, feature = "abi-model"))]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use leanpool::checker::{FileReport, InHand, Outcome, Settings, Summary, check_files};
use leanpool::session::lean_backend::{ImportOptions, Sysroot, UNFINISHED, Unfinished};
use leanpool::{LeanCancellationToken, LeanRuntime};

/// Writes files with these names and texts.
fn write(folder: &tempfile::TempDir, texts: &[(&str, &str)]) -> Vec<PathBuf> {
    let write = |(name, text): &(&str, &str)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    texts.iter().map(write).collect()
}

fn check(files: &[PathBuf], settings: &Settings, in_hand: &InHand, each: impl FnMut(FileReport)) -> Summary {
    let options = ImportOptions::new(Sysroot::at("/model")).into();
    let token = LeanCancellationToken::new();
    check_files(LeanRuntime::init().unwrap(), &options, files, settings, &token, in_hand, each).unwrap()
}

#[test]
fn file_that_does_not_come_back_is_overdue_and_no_further_one_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(
        &folder,
        &[
            ("beside.lean", "example := oops"),
            ("deaf.lean", "example := oops\n-- model: deaf"),
            ("later.lean", "import Lean"),
        ],
    );
    let (timeout, grace) = (Some(Duration::from_millis(100)), Duration::from_millis(100));
    let settings = Settings { timeout, grace, ..Settings::default() };
    let mut outcomes = vec![None; 3];
    let summary = check(&files, &settings, &InHand::default(), |report| {
        outcomes[report.place] = Some(report.outcome);
    });
    assert!(summary.is_stuck);
    assert!(
        matches!(
            &outcomes[..],
            [Some(Outcome::Checked(_)), Some(Outcome::Overdue), Some(Outcome::Cancelled)]
        ),
        "{outcomes:?}"
    );
}

#[test]
fn exit_that_a_file_runs_is_no_good_end_and_the_file_is_named() {
    const CHILD: &str = "LEANPOOL_TEST_EXITS";
    if std::env::var_os(CHILD).is_none() {
        let name = "exit_that_a_file_runs_is_no_good_end_and_the_file_is_named";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(UNFINISHED), "{said}");
        assert!(said.contains("first.lean: 1 errors\n"), "what was found before is kept: {said}");
        assert!(said.contains("ended while exits.lean was checked\n"), "{said}");
        assert!(!said.contains("later.lean"), "{said}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let names = ["first.lean", "exits.lean", "later.lean"];
    let texts = ["example := oops", "-- model: exit", "example := oops"];
    let files = write(&folder, &[0, 1, 2].map(|place| (names[place], texts[place])));
    let in_hand = InHand::default();
    let checked_now = in_hand.clone();
    let _unfinished = Unfinished::new(move || {
        for place in checked_now.places() {
            println!("ended while {} was checked", names[place]);
        }
        UNFINISHED
    });
    check(&files, &Settings::default(), &in_hand, |FileReport { place, outcome }| {
        let Outcome::Checked(checked) = outcome else { panic!("{outcome:?}") };
        println!("{}: {} errors", names[place], checked.errors());
    });
    println!("later.lean and all others came back");
}
