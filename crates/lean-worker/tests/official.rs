//! Risk: on Lean's official runtime workers say something else than `lean`, grow, or serve what is stale. With the worker in C of `tests/official-lean`; run by
//! `.ci/official-lean`, which sets LEAN_SYSROOT, LEANPOOL_KIT and LEANPOOL_WORKER and runs what is ignored elsewhere.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lean_worker::{
    Cache, CancelToken, CheckTimes, Ending, Engine, File, Kept, Limits, Places, Plain, Snapshots,
    Surroundings, Verdict, Workers, launch::Launcher,
};
use support::{check_all, until, watchdog};

fn set(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: `.ci/official-lean` sets it"))
}

fn texts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/official-lean/texts").canonicalize().unwrap()
}

fn lib() -> String {
    set("LEANPOOL_KIT") + "/lib"
}

fn around(search_path: &[String]) -> Arc<Surroundings> {
    let toolchain = Places::from_env().toolchain(None).unwrap();
    Arc::new(Surroundings {
        stack_size: toolchain.stack_size(),
        saves_headers: true,
        sysroot: toolchain.sysroot,
        worker: set("LEANPOOL_WORKER").into(),
        search_path: search_path.to_vec(),
        setup: None,
        options: Vec::new(),
        project: None,
    })
}

fn workers(limits: Limits, zygotes: u64) -> Workers {
    Workers::new(Kept { zygotes, memory: 4 << 30 }, limits, Some(Launcher::new(support::scripted())))
}

fn file(folder: &Path, name: &str) -> File {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    File { module: vec![name.trim_end_matches(".lean").to_owned()], ..File::new(name, text) }
}

fn all_texts() -> Vec<File> {
    let entries =
        std::fs::read_dir(texts()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".lean")).collect();
    names.sort();
    assert!(names.len() >= 27);
    names.iter().map(|name| file(&texts(), name)).collect()
}

fn by_lean(name: &str, path: &str, folder: &Path) -> Vec<String> {
    let lean = Path::new(&set("LEAN_SYSROOT")).join("bin/lean");
    let output = Command::new(lean)
        .args(["--json", name])
        .env("LEAN_PATH", path)
        .current_dir(folder)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn run(engine: Engine<'_>, around: &Arc<Surroundings>, files: &[File], jobs: usize) -> Vec<Verdict> {
    let mut verdicts = BTreeMap::new();
    check_all(engine, around, files, jobs, |place, verdict| {
        assert!(verdicts.insert(place, verdict).is_none());
    });
    verdicts.into_values().collect()
}

fn json(verdict: &Verdict) -> Vec<&str> {
    verdict.messages.iter().map(|message| message.json.as_str()).collect()
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn lines_are_those_of_lean_byte_for_byte() {
    let _watchdog = watchdog();
    let files = all_texts();
    let expected: Vec<Vec<String>> = files.iter().map(|file| by_lean(&file.name, &lib(), &texts())).collect();
    let around = around(&[lib()]);
    let mut count = 0;
    for (jobs, files_a_child, memory) in [(1, 20, None), (8, 20, Some(512 << 20)), (2, 1, None)] {
        let workers = workers(Limits { files_a_child, memory, ..Limits::default() }, 8);
        let engine = Engine::Worker { workers: &workers, lean: None };
        for ((verdict, expected), file) in
            run(engine, &around, &files, jobs).iter().zip(&expected).zip(&files)
        {
            assert_eq!(json(verdict), *expected, "{}", file.name);
            assert!(
                matches!(verdict.ending, Ending::Done | Ending::BadHeader),
                "{}: {:?}",
                file.name,
                verdict.ending
            );
            count += expected.len();
        }
    }
    println!("{count} lines are the same");
    assert!(count > 600);
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn sandboxed_files_say_the_same_and_what_it_got_is_told() {
    let _watchdog = watchdog();
    let workers = workers(Limits { sandbox: true, ..Limits::default() }, 8);
    let engine = Engine::Worker { workers: &workers, lean: None };
    let verdicts = run(engine, &around(&[lib()]), &[file(&texts(), "01-check.lean")], 1);
    assert_eq!(json(&verdicts[0]), by_lean("01-check.lean", &lib(), &texts()));
    println!("{:?}", verdicts[0].sandbox.unwrap());
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn two_thousand_checks_leave_the_zygote_s_memory_as_it_was() {
    let _watchdog = watchdog();
    let around = around(&[lib()]);
    let workers = workers(Limits::default(), 8);
    let engine = Engine::Worker { workers: &workers, lean: None };
    let kit: Vec<File> = all_texts().into_iter().filter(|file| file.text.contains("import Kit\n")).collect();
    let files: Vec<File> = kit.iter().cycle().take(1_000).cloned().collect();
    let me = std::process::id().to_string();
    // Of all zygotes. What they share with their children counts, too.
    let anonymous = || -> u64 {
        let children = std::fs::read_dir("/proc/self/task").unwrap().flatten().flat_map(|task| {
            let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        });
        let bytes = children.filter(|pid| *pid != me).filter_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        });
        bytes.sum()
    };
    let first = run(engine, &around, &files[..100], 8);
    let before = anonymous();
    for _ in 0..2 {
        for (verdict, expected) in
            run(engine, &around, &files, 8).iter().zip(first.iter().cycle().take(kit.len()).cycle())
        {
            assert_eq!(json(verdict), json(expected));
        }
    }
    let after = anonymous();
    println!("zygotes' own memory: {before} kB before, {after} kB after 2 000 checks; {:?}", workers.stats());
    assert_eq!(workers.stats().zygotes, workers.stats().pool.usage.idle);
    assert!(before > 1_000, "else it was not measured");
    assert!(after <= before + 1024, "{before} {after}");
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn loops_are_cancelled_or_killed_and_what_was_said_is_kept() {
    let _watchdog = watchdog();
    let ends = texts().join("ends");
    let around = around(&[lib()]);
    let workers = workers(Limits::default(), 8);
    let check = |name: &str, grace| {
        let times = CheckTimes { timeout: Some(Duration::from_secs(1)), grace };
        workers.check(&around, &file(&ends, name), times, &CancelToken::new(), &mut |_| ())
    };
    let long = Duration::from_secs(120);
    for name in ["spin-kernel.lean", "long.lean"] {
        let verdict = check(name, long);
        assert_eq!(verdict.ending, Ending::TimedOut { killed: false }, "{name}");
        assert!(!verdict.messages.is_empty(), "{name}");
    }
    for name in ["spin.lean", "sleep.lean"] {
        let verdict = check(name, Duration::from_millis(100));
        assert_eq!(verdict.ending, Ending::TimedOut { killed: true }, "{name}");
        assert_eq!(verdict.messages[0].text, "Nat : Type", "{name}");
    }
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn header_that_was_evicted_comes_back() {
    let _watchdog = watchdog();
    let around = around(&[lib()]);
    let workers = workers(Limits::default(), 1);
    let check = |name: &str| {
        let verdict = workers.check(
            &around,
            &file(&texts(), name),
            CheckTimes::default(),
            &CancelToken::new(),
            &mut |_| (),
        );
        assert_eq!(json(&verdict), by_lean(name, &lib(), &texts()), "{name}");
    };
    for name in ["01-check.lean", "24-data.lean", "01-check.lean", "25-gen.lean", "01-check.lean"] {
        check(name);
    }
    assert_eq!(workers.stats().zygotes, 5);
}

/// A library of one module, built with `lean`.
fn build(folder: &Path, text: &str) {
    std::fs::write(folder.join("Own.lean"), format!("prelude\nimport Kit\n{text}\n")).unwrap();
    let lean = Path::new(&set("LEAN_SYSROOT")).join("bin/lean");
    // As Lake does: a new file in the place of the old one.
    let mut command = Command::new(lean);
    command.args(["-o", "Own.new", "Own.lean"]).env("LEAN_PATH", lib()).current_dir(folder);
    assert!(command.status().unwrap().success());
    std::fs::rename(folder.join("Own.new"), folder.join("Own.olean")).unwrap();
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn rebuilt_module_gives_the_new_answer_with_either_engine() {
    let _watchdog = watchdog();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let around = around(&[path, lib()]);
    let workers = workers(Limits::default(), 8);
    let cache = Cache::new(Some(folder.path().join("cache"))).unwrap();
    let lean = Plain::new(Limits::default(), None, Some(Snapshots::new(&cache, 1 << 30)));
    let own = File::new("nowhere.lean", "prelude\nimport Own\n#check own\n");
    let by_worker = || {
        let verdict = workers.check(&around, &own, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
        verdict.messages[0].text.clone()
    };
    let by_lean = || {
        let verdict =
            lean.check(&around, &own, true, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
        assert!(verdict.messages[0].json.contains("\"fileName\":\"nowhere.lean\""));
        verdict.messages[0].text.clone()
    };
    let opened = || lean.snapshots().unwrap().used_and_opened();
    build(folder.path(), "def own := Nat.zero");
    for _ in 0..3 {
        assert_eq!((by_worker(), by_lean()), ("own : Nat".to_owned(), "own : Nat".to_owned()));
    }
    assert_eq!((workers.stats().zygotes, opened()), (1, (3, 1)));
    build(folder.path(), "def own := Bool.true");
    // Files are looked at every 100 ms.
    until(|| by_worker() == "own : Bool");
    until(|| by_lean() == "own : Bool");
    assert_eq!((workers.stats().zygotes, opened().1), (2, 2));

    // Another run finds what this one has saved; not if it has changed meanwhile.
    drop(lean);
    let again = |expected: (u64, u64)| {
        let lean = Plain::new(Limits::default(), None, Some(Snapshots::new(&cache, 1 << 30)));
        let verdict =
            lean.check(&around, &own, false, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
        assert_eq!(lean.snapshots().unwrap().used_and_opened(), expected);
        verdict.messages[0].text.clone()
    };
    assert_eq!(again((1, 1)), "own : Bool");
    build(folder.path(), "def own := Nat.zero");
    assert_eq!(again((0, 0)), "own : Nat");
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn saved_headers_are_bounded_on_the_disk() {
    let _watchdog = watchdog();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(Some(folder.path().join("cache"))).unwrap();
    let around = around(&[lib()]);
    let bytes = || -> u64 {
        let files = std::fs::read_dir(folder.path().join("cache/headers")).into_iter().flatten().flatten();
        files.map(|file| file.metadata().unwrap().len()).sum()
    };
    // One of Kit is some 3 MB.
    for _ in 0..2 {
        let lean = Plain::new(Limits::default(), None, Some(Snapshots::new(&cache, 8 << 20)));
        for header in ["Kit", "Kit.Core", "Kit.Data", "Kit.Syntax", "Kit.Io"] {
            let text = format!("prelude\nimport {header}\n#check Nat\n");
            let file = File::new("nowhere.lean", text);
            let verdict =
                lean.check(&around, &file, true, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
            assert_eq!((verdict.ending, verdict.messages.len()), (Ending::Done, 1), "known or not");
            assert!(bytes() <= 9 << 20, "{}", bytes());
        }
    }
    assert!(bytes() > 0, "what was saved is there for the next run");
}
