//! Risk: what was finished is lost when a job is broken off, or the job does not end.
//!
//! Nothing here waits for a clock: a file or a pipe says how far the job is. What is broken off would run for hours.
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn start(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Waits until `is_so`, as long as the child runs.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() {
        assert_eq!(child.try_wait().unwrap(), None, "the job ended by itself");
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_in_the_middle_of_an_optimum_gives_the_rows_that_were_finished_and_its_own_exit_code() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("grid.csv");
        let mut child = start(&[
            "compare",
            "--synthetic",
            "zipf:0.6:keys=9000:n=90000",
            "--policy",
            "lru",
            "--capacity",
            "1,4000",
            "--optimum",
            "exact",
            "--json",
            "--csv",
            csv.to_str().unwrap(),
        ]);
        wait_until(&mut child, || lines(&csv) >= 3);
        kill(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["interrupted"], true);
        let rows = json["rows"].as_array().unwrap();
        let of =
            |row: &Value| (row["capacity"].as_u64().unwrap(), row["policy"].as_str().unwrap().to_owned());
        let expected = [(1, "Lru"), (1, "optimum"), (4000, "Lru")].map(|(at, name)| (at, name.to_owned()));
        assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!(
            (&json["geometric_means"]["cells"], &json["geometric_means"]["of_cells"]),
            (&1.into(), &2.into())
        );
        assert_eq!(lines(&csv), 1 + rows.len(), "the file has what was printed");
    }
}

#[test]
fn a_second_signal_ends_a_job_that_cannot_print_and_its_csv_has_what_was_finished() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("grid.csv");
    let mut child = start(&[
        "compare",
        "--synthetic",
        "zipf:0.6:keys=300:n=300",
        "--capacity",
        "1..1000000000000",
        "--json",
        "--csv",
        csv.to_str().unwrap(),
    ]);
    // 41 capacities of 18 rows: more than a pipe holds, so nothing but a reader lets it go on, and there is none.
    wait_until(&mut child, || lines(&csv) == 1 + 41 * 18);
    kill("-INT", &child);
    kill("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "as the first said");
    assert_eq!(lines(&csv), 1 + 41 * 18);
}

#[test]
fn a_replay_that_is_killed_politely_says_what_was_done() {
    let mut child = start(&["replay", "-", "--json", "--repeat", "4000000000"]);
    child.stdin.take().unwrap().write_all(b"0\tInit Lean\n").unwrap();
    // The thread that waits for signals is the second, and starts when they are caught.
    let threads = format!("/proc/{}/task", child.id());
    wait_until(&mut child, || std::fs::read_dir(&threads).unwrap().count() >= 2);
    kill("-TERM", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["interrupted"], true);
}
