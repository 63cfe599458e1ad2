//! Risk: the command misleads: wrong exit codes, unclear errors, JSON that lacks a field, work lost on Ctrl-C.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn leanpool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_leanpool"))
}

fn run(args: &[&str]) -> Output {
    leanpool().args(args).output().unwrap()
}

fn trace(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/traces");
    folder.join(name).to_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A file that goes when this does.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.tsv");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn replay_of(content: &[u8]) -> Output {
    let (_folder, path) = file(content);
    run(&["replay", path.to_str().unwrap()])
}

#[test]
fn json_is_one_object_with_every_promised_field() {
    let output = run(&["replay", &trace("batteries.tsv"), "--capacity", "8", "--eviction", "Lru", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "", "a pipe gets no progress bar");
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 1);
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["trace"], trace("batteries.tsv"));
    assert_eq!((&json["capacity"], &json["eviction"]), (&Value::from(8), &Value::from("Lru")));
    assert_eq!((&json["requests"], &json["misses"]), (&Value::from(3662), &Value::from(3024)));
    assert_eq!(json["hits"], Value::from(638));
    assert_eq!(json["misses_by_reason"]["cold"], Value::from(1124));
    assert_eq!(json["misses_by_reason"]["evicted"], Value::from(1900));
    assert_eq!(json["evictions_by_reason"]["evicted"], Value::from(3016));
    assert_eq!(json["interrupted"], Value::from(false));
    // Computed independently, from the straight lines and the closures.
    assert_eq!(json["peak_idle_weight_bytes"], Value::from(1_964_392_858_u64));
    assert!((json["open_seconds"].as_f64().unwrap() - 1415.419).abs() < 0.01, "{json}");
    assert!(json["saved_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_table_has_the_counts_the_reasons_and_what_rests_on_an_assumption() {
    let output = run(&["replay", &trace("pfr.tsv"), "--capacity", "32", "--eviction", "lru"]);
    let stdout = text(&output.stdout);
    for part in ["requests", "2,957", "hits", "1,592", "misses", "1,365", "46.2 %", "cold", "661", "evicted"]
    {
        assert!(stdout.contains(part), "no {part} in\n{stdout}");
    }
    assert!(
        text(&output.stderr).starts_with("note: 1,360 of 1,365 opens name modules that were not measured")
    );
    let quiet = run(&["replay", &trace("pfr.tsv"), "--capacity", "32", "--eviction", "Lru", "--quiet"]);
    assert_eq!((text(&quiet.stdout), text(&quiet.stderr)), (stdout, String::new()));
}

#[test]
fn policies_are_named_as_published_or_with_dashes() {
    for name in ["RejectIncoming", "reject-incoming", "rejectincoming", "REJECT_INCOMING"] {
        let output = run(&["replay", &trace("formal-conjectures.tsv"), "--eviction", name, "--json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&json["eviction"], &json["misses"]),
            (&Value::from("RejectIncoming"), &Value::from(6767))
        );
    }
}

#[test]
fn isolated_regions_cost_more_and_leave_memory_behind() {
    let json = |regions| -> Value {
        let output =
            run(&["replay", &trace("batteries.tsv"), "--eviction", "lru", "--regions", regions, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (shared, isolated) = (json("shared"), json("isolated"));
    assert_eq!(shared["misses"], isolated["misses"]);
    assert_eq!(shared["residue_bytes"], 0);
    assert!(isolated["residue_bytes"].as_f64().unwrap() > 1e12, "gigabytes for each of 3024 opens");
    assert!(isolated["open_seconds"].as_f64().unwrap() > 3.0 * shared["open_seconds"].as_f64().unwrap());
}

#[test]
fn each_bad_input_fails_with_its_own_message_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.tsv");
    for (output, says) in [
        (run(&["replay", missing.to_str().unwrap()]), "there is no such file"),
        (run(&["replay", folder.path().to_str().unwrap()]), "this is a directory"),
        (replay_of(b""), "the trace is empty"),
        (replay_of(b"0\tInit\n5 Init\n"), "trace.tsv:2: there is no tab; expected lines of the form"),
        (replay_of(b"0\tInit\n\n5\t\n"), "trace.tsv:3: there is no name after the tab"),
        (replay_of(b"0\tInit\n1\tInit\n2\tIn\xffit\n"), "trace.tsv:3: this is not UTF-8 text"),
    ] {
        let stderr = text(&output.stderr);
        assert!(stderr.contains(says), "no '{says}' in {stderr}");
        assert!(stderr.starts_with("leanpool: "), "{stderr}");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{says}");
    }
}

#[test]
fn wrong_usage_ends_with_exit_code_2_and_says_what_there_is() {
    for (args, says) in [
        (vec![], "Usage: leanpool <COMMAND>"),
        (vec!["replay"], "<TRACE>"),
        (vec!["replay", "t", "--capacity", "-1"], "--capacity"),
        (vec!["replay", "t", "--capacity", "many"], "invalid value 'many'"),
        (vec!["replay", "t", "--repeat", "0"], "0 is not in 1.."),
        (vec!["replay", "t", "--regions", "other"], "shared, isolated"),
        (
            vec!["replay", "t", "--eviction", "best"],
            "choose one of default, Recall, Worth, RejectIncoming, Fifo, Lru",
        ),
        (vec!["no-such-command"], "no-such-command"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(says), "no '{says}' in {}", text(&output.stderr));
    }
}

#[test]
fn help_teaches_with_examples_and_exit_codes() {
    let help = text(&run(&["replay", "--help"]).stdout);
    for part in ["Examples:", "leanpool replay benches/traces/batteries.tsv", "--hold", "Exit codes: 0 done"]
    {
        assert!(help.contains(part), "no {part} in\n{help}");
    }
}

#[test]
fn a_trace_is_read_from_standard_input() {
    let mut child =
        leanpool().args(["replay", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"0\tInit\n1\tInit\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).starts_with("- through Recall"), "{output:?}");
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let mut child = leanpool()
        .args(["replay", &trace("pfr.tsv"), "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

/// Without a clock: the thread that waits for the signal is the child's second, and starts when the handler is in
/// place. The child would run for hours.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_prints_what_was_done_so_far() {
    let mut child = leanpool()
        .args(["replay", "-", "--json", "--repeat", "4000000000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"0\tInit Lean\n").unwrap();
    let threads = || std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
    while threads() < 2 {
        std::thread::yield_now();
    }
    kill("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["interrupted"], Value::from(true));
    let requests = json["requests"].as_u64().unwrap();
    assert!(requests > 0);
    assert_eq!(json["hits"].as_u64().unwrap(), requests - 1, "one key: all but the first are hits");
}

#[cfg(unix)]
#[test]
fn a_signal_while_the_trace_is_awaited_ends_the_process() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut child = leanpool().args(["replay", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds: when it is written, the child is reading.
    stdin.write_all(&b"0\tInit Lean\n".repeat(100_000)).unwrap();
    // Not the one of Ctrl-C, which a shell's background jobs are born to ignore.
    kill("-TERM", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[cfg(unix)]
fn kill(signal: &str, child: &std::process::Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_a_failure_and_a_note_that_cannot_is_none() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let pfr = trace("pfr.tsv");
    let output = leanpool().args(["replay", &pfr]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("leanpool: the report can't be written: "), "{output:?}");
    let status = leanpool().args(["replay", &pfr]).stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let status = leanpool().args(["replay", "none"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn time_that_would_run_out_is_wrong_usage_and_does_not_run_without_a_limit_on_it() {
    let (_folder, path) = file(b"0\tInit\n4000000000\tInit Lean\n");
    let path = path.to_str().unwrap();
    let timed = run(&["replay", path, "--idle-timeout", "60", "--repeat", "10"]);
    assert_eq!(timed.status.code(), Some(2));
    assert!(text(&timed.stderr).contains("repeat it at most 2 times"), "{timed:?}");
    let seconds = |repeat: &str| -> f64 {
        let output = run(&["replay", path, "--capacity", "0", "--repeat", repeat, "--json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["open_seconds"].as_f64().unwrap()
    };
    assert!((seconds("10") - 10.0 * seconds("1")).abs() < 1e-6);
}

#[test]
fn the_report_says_how_it_was_run() {
    let (_folder, path) = file(b"0\tInit\n9\tInit\n");
    let path = path.to_str().unwrap();
    let args = [
        "replay",
        path,
        "--idle-timeout",
        "60",
        "--max-age",
        "600",
        "--share",
        "--hold",
        "3",
        "--repeat",
        "2",
    ];
    let line = format!(
        "{path} through Recall, 8 idle at most, shared regions, idle for 60 s at most, 600 s old at most, shared by \
         leases, held for 3, 2 times"
    );
    assert_eq!(text(&run(&args).stdout).lines().next().unwrap(), line);
    let json: Value = serde_json::from_slice(&run(&[&args[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!(
        (&json["idle_timeout_seconds"], &json["max_age_seconds"]),
        (&Value::from(60), &Value::from(600))
    );
    assert_eq!((&json["share"], &json["hold"], &json["repeat"]), (&true.into(), &3.into(), &2.into()));
}
