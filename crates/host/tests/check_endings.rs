//! Risk: what a file runs ends another's check, or never comes back; or the command can't be stopped, or leaves processes behind.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;

use support::{Files, ended, first_line, signal, text};

#[test]
fn file_that_ends_badly_takes_no_other_file_with_it() {
    let ends = [
        "-- exit 0",
        "-- exit 1",
        "-- abort oops",
        "-- kill-me",
        "-- half",
        "-- bytes",
        "-- kill-zygote",
        "-- ignore-cancel",
    ];
    let bad: Vec<(String, String)> =
        (0..).zip(ends).map(|(n, end)| (format!("bad{n}.lean"), format!("-- say before\n{end}"))).collect();
    let mut all: Vec<(&str, &str)> = bad.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let good: Vec<String> = (0..20).map(|n| format!("good{n}.lean")).collect();
    all.extend(good.iter().map(|name| (name.as_str(), "-- say fine")));
    let files = Files::new(&all);
    // Bad ones between good ones.
    let mut names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    names.sort_by_key(|name| name.trim_start_matches(|c: char| c.is_alphabetic()).to_owned());
    for jobs in ["1", "4"] {
        let output = files.check(&[&names[..], &["-j", jobs, "--timeout", "2", "--grace", "0.1"]].concat());
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}{errors}");
        assert_eq!(said.lines().filter(|line| *line == "fine").count(), good.len(), "{said}");
        for (name, _) in &bad {
            let own: Vec<&str> = said.lines().filter(|line| line.starts_with(&format!("{name}:"))).collect();
            assert_eq!(own.iter().filter(|line| line.contains(": error: ")).count(), 1, "{name}: {own:?}");
        }
        assert!(errors.contains("28 files, 20 without errors, 8 errors"), "{errors}");
        files.until_processes(|count| count == 0);
    }
}

#[test]
fn timeout_of_a_file_is_an_error_and_the_next_one_is_checked() {
    let files = Files::new(&[
        ("late.lean", "-- say found\n-- until-cancelled"),
        ("deaf.lean", "-- say found\n-- ignore-cancel"),
        ("next.lean", "-- say next"),
    ]);
    let output = files.check(&["late.lean", "deaf.lean", "next.lean", "--timeout", "1", "--grace", "1"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for name in ["late.lean", "deaf.lean"] {
        assert!(said.contains(&format!("{name}:1:0: error: the time for this file is over")), "{said}");
    }
    assert!(said.contains("did not come back within 1 s more: its process was ended"), "{said}");
    assert!(said.contains("\nnext\n"), "{said}");
}

/// What a signal leaves, which comes while the second of three files is checked and never ends.
fn broken_off(second: &str, signals: &[&str]) -> (String, String) {
    let files = Files::new(&[
        ("first.lean", "-- say first"),
        ("second.lean", second),
        ("third.lean", "-- say third"),
    ]);
    let mut child = files.start(&["first.lean", "second.lean", "third.lean", "-j", "1"]);
    let line = first_line(&mut child);
    assert_eq!(line, "first\n");
    for name in signals {
        signal(&child, name);
    }
    let output = ended(child, line);
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let code = if signals[0] == "-TERM" { 143 } else { 130 };
    assert_eq!(output.status.code(), Some(code), "{said}{errors}");
    files.until_processes(|count| count == 0);
    (said, errors)
}

#[test]
fn ctrl_c_prints_what_is_finished_and_leaves_nothing() {
    for name in ["-INT", "-TERM"] {
        let (said, errors) = broken_off("-- say found\n-- ignore-cancel", &[name]);
        assert!(!said.contains("third"), "{said}");
        assert!(errors.contains("not begun"), "{errors}");
    }
}

/// On a terminal Ctrl-C is for all processes of a group.
#[test]
fn ctrl_c_for_the_whole_group_leaves_no_orphan() {
    use std::os::unix::process::CommandExt as _;

    let files = Files::new(&[("first.lean", "-- say first"), ("second.lean", "-- orphan\n-- ignore-cancel")]);
    let mut command = files.leanpool();
    command
        .args(["check", "-j", "1", "first.lean", "second.lean", "--worker"])
        .arg(files.worker())
        .process_group(0);
    let mut child = command.spawn().unwrap();
    let line = first_line(&mut child);
    files.until_processes(|count| count >= 3);
    assert!(
        Command::new("kill").args(["-INT", "--", &format!("-{}", child.id())]).status().unwrap().success()
    );
    assert_eq!(ended(child, line).status.code(), Some(130));
    files.until_processes(|count| count == 0);
}

#[test]
fn ctrl_c_while_an_import_never_ends() {
    broken_off("import Script.Stubborn", &["-INT"]);
    broken_off("import Script.Silent", &["-INT"]);
    // Its zygote answers nothing.
    broken_off("import Script.Deaf", &["-INT"]);
}

#[test]
fn second_signal_ends_it_at_once() {
    let files = Files::new(&[("first.lean", "-- say first"), ("second.lean", "-- ignore-cancel")]);
    let mut child = files.start(&["first.lean", "second.lean", "-j", "1"]);
    let line = first_line(&mut child);
    for _ in 0..20 {
        // Two that come at the same time are one. It may have ended by now.
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).output();
    }
    assert_eq!(ended(child, line).status.code(), Some(130));
    files.until_processes(|count| count == 0);
}

#[test]
fn signals_end_it_also_where_nobody_reads_what_it_prints() {
    let files = Files::new(&[("a.lean", &format!("-- say {}", "x".repeat(1 << 20)))]);
    let mut child = files.start(&["a.lean", "--quiet"]);
    // Once the pipe is full, it waits for a reader, and there is none.
    while rustix::io::ioctl_fionread(child.stdout.as_ref().unwrap()).unwrap() < 1 << 16 {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    signal(&child, "-TERM");
    let unread = child.stdout.take();
    let status = ended_unread(&mut child);
    assert!(matches!(status.code(), Some(130 | 143)), "{status}");
    drop(unread);
    files.until_processes(|count| count == 0);
}

/// Waits for the end of what nobody reads.
fn ended_unread(child: &mut std::process::Child) -> std::process::ExitStatus {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if std::time::Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it does not end");
            }
            None => std::thread::yield_now(),
        }
    }
}

#[test]
fn nothing_is_left_when_the_command_is_killed() {
    let orphan = "-- orphan\n-- ignore-cancel";
    // The first file's zygote and child, and what the second one brings.
    for (second, at_least) in
        [("-- ignore-cancel", 2), (orphan, 3), ("import Script.Silent", 3), ("import Script.Stubborn", 3)]
    {
        let files = Files::new(&[("first.lean", "-- say first"), ("second.lean", second)]);
        let temporary = files.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        let mut command = files.leanpool();
        command.args(["check", "-j", "1", "first.lean", "second.lean", "--worker"]).arg(files.worker());
        let mut child = command.env("TMPDIR", &temporary).spawn().unwrap();
        first_line(&mut child);
        files.until_processes(|count| count >= at_least);
        signal(&child, "-KILL");
        ended(child, String::new());
        files.until_processes(|count| count == 0);
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "no file is left");
        assert!(!files.path().join("cache").exists());
    }
}

/// The engine `lean`, whose `lean` never ends.
#[test]
fn no_lean_is_left_when_the_command_is_killed_or_a_file_is_late() {
    let files = Files::new(&[("a.lean", "")]);
    let lean = format!(
        "case $1 in --version) echo 'Lean (version 4.31.0, x86_64, commit 1, Release)';; *) exec '{}' orphan;; esac",
        files.worker().display()
    );
    files.program("lean/bin/lean", &lean);
    let args = ["check", "--engine", "lean", "a.lean"];
    let output = files.leanpool().args(args).args(["--timeout", "0.2"]).output().unwrap();
    assert!(text(&output.stdout).contains("the time for this file is over"), "{}", text(&output.stdout));
    assert_eq!(files.processes(), [""; 0]);
    for name in ["-KILL", "-INT"] {
        let child = files.leanpool().args(args).spawn().unwrap();
        files.until_processes(|count| count == 1);
        signal(&child, name);
        ended(child, String::new());
        files.until_processes(|count| count == 0);
    }
}

#[test]
fn first_check_builds_the_worker_and_the_second_uses_it() {
    let files = Files::new(&[("a.lean", "-- say one")]);
    let worker = files.worker();
    let lake = format!(
        "echo built >>'{0}/builds'; mkdir -p .lake/build/bin && cp '{1}' .lake/build/bin/leanpool-worker",
        files.path().display(),
        worker.display()
    );
    files.program("lean/bin/lake", &lake);
    let run = |args: &[&str]| {
        let output = files.leanpool().args(args).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, errors) = run(&["check", "a.lean"]);
    assert_eq!((code, said.as_str()), (Some(0), "one\n"), "{errors}");
    assert!(errors.contains("built the worker for Lean 4.99.0"), "{errors}");
    let (code, _, errors) = run(&["check", "a.lean"]);
    assert!(code == Some(0) && !errors.contains("built"), "{errors}");
    let (_, program, _) = run(&["worker", "build"]);
    assert!(std::path::Path::new(program.trim()).is_file(), "{program}");
    assert_eq!(std::fs::read_to_string(files.path().join("builds")).unwrap(), "built\n");
    let (_, list, _) = run(&["worker", "list"]);
    assert!(list.starts_with("4.99.0 ") && list.lines().count() == 1, "{list}");
    let (_, doctor, _) = run(&["doctor"]);
    assert!(doctor.contains("4.99.0") && doctor.contains("has a worker"), "{doctor}");
    let (code, cleaned, _) = run(&["worker", "clean"]);
    assert!(code == Some(0) && cleaned.starts_with("1 removed"), "{cleaned}");
    assert_eq!(run(&["worker", "list"]).1, "");
    let (_, doctor, _) = run(&["doctor"]);
    assert!(doctor.contains("no worker yet"), "{doctor}");

    // Neither a home folder nor a cache that can be written to.
    let mut command = files.leanpool();
    command.args(["check", "a.lean"]).env("XDG_CACHE_HOME", "/proc/nowhere").env("HOME", "/proc/nowhere");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("--cache"), "{}", text(&output.stderr));
    let mut command = files.leanpool();
    command
        .args(["check", "a.lean", "--cache", "own"])
        .env("XDG_CACHE_HOME", "/proc/nowhere")
        .env("HOME", "/proc/nowhere");
    assert_eq!(command.output().unwrap().status.code(), Some(0));

    files.program("lean/bin/lake", "echo 'Main.lean:1:0: error: oops'; exit 1");
    let (code, _, errors) = run(&["check", "a.lean", "--cache", "other"]);
    assert!(code == Some(3) && errors.contains("Main.lean:1:0: error: oops"), "{errors}");
}
