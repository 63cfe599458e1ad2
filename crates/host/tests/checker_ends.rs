//! Risk: a check in this process that never comes back holds up whoever waits for the others. On the ABI model alone, in a program of its own: what
//! is overdue runs on until the process ends.
#![cfg(all(unix, feature = "abi-model"))]

use std::path::PathBuf;
use std::time::Duration;

use leanpool::checker::{InHand, Outcome, Settings, check_files};
use leanpool::session::lean_backend::{ImportOptions, Sysroot};
use leanpool::{LeanCancellationToken, LeanRuntime};

#[test]
fn file_that_does_not_come_back_is_overdue_and_no_further_one_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let texts = [
        ("beside.lean", "example := oops"),
        ("deaf.lean", "example := oops\n-- model: deaf"),
        ("later.lean", "import Lean"),
    ];
    let files: Vec<PathBuf> = texts
        .iter()
        .map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let (timeout, grace) = (Some(Duration::from_millis(100)), Duration::from_millis(100));
    let settings = Settings { timeout, grace, ..Settings::default() };
    let mut outcomes = vec![None; 3];
    let summary = check_files(
        LeanRuntime::init().unwrap(),
        &ImportOptions::new(Sysroot::at("/model")).into(),
        &files,
        &settings,
        &LeanCancellationToken::new(),
        &InHand::default(),
        |report| outcomes[report.place] = Some(report.outcome),
    )
    .unwrap();
    assert!(summary.is_stuck);
    assert!(
        matches!(
            &outcomes[..],
            [Some(Outcome::Checked(_)), Some(Outcome::Overdue), Some(Outcome::Cancelled)]
        ),
        "{outcomes:?}"
    );
}
