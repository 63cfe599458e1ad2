//! Risk: under random deaths of zygotes and children a file is lost, judged twice or by another's words, or something is left over.
#![cfg(target_os = "linux")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lean_worker::{Ending, Engine, File, Limits};
use support::{Own, check_all, kill, watchdog, workers};

const FILES: usize = 2_000;
const JOBS: usize = 8;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn each_file_has_one_verdict_and_it_is_its_own() {
    let _watchdog = watchdog();
    let own = Own::new();
    let workers = workers(Limits::default());
    // Four headers; some files end badly by themselves, each in its own way.
    let text = |number: usize| {
        let end = match number % 40 {
            7 => "-- exit 0",
            17 => "-- half",
            27 => "-- bytes",
            37 => "-- kill-me",
            _ => "",
        };
        format!(
            "import H{}\n-- say one {number}\n-- say two {number}\n{end}\n-- error three {number}\n",
            number % 4
        )
    };
    let files: Vec<File> =
        (0..FILES).map(|number| File::new(format!("{number}.lean"), text(number))).collect();
    let run = |files: &[File], each: &mut dyn FnMut(usize, lean_worker::Verdict)| {
        let engine = Engine::Worker { workers: &workers, lean: None };
        check_all(engine, &own.around(), files, JOBS, each);
    };
    // All that is there from the second run on.
    run(&files[..64], &mut |_, _| ());
    let (descriptors_before, threads_before) = (open_descriptors(), threads());

    let is_over = AtomicBool::new(false);
    let (zygotes, children) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut verdicts = vec![None; FILES];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let me = std::process::id().to_string();
            let mut random = fastrand::Rng::with_seed(16);
            while !is_over.load(Ordering::Relaxed) {
                let processes = own.processes();
                let of_kind = |is_zygote: bool| -> Vec<&String> {
                    processes
                        .iter()
                        .filter(|(_, parent)| (*parent == me) == is_zygote)
                        .map(|(pid, _)| pid)
                        .collect()
                };
                let is_zygote = random.u32(0..8) == 0;
                if let Some(pid) = random.choice(of_kind(is_zygote)) {
                    kill(pid, "-KILL");
                    if is_zygote { &zygotes } else { &children }.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_micros(random.u64(0..3000)));
            }
        });
        run(&files, &mut |place, verdict| {
            assert!(verdicts[place].replace(verdict).is_none(), "{place} has two verdicts");
        });
        is_over.store(true, Ordering::Relaxed);
    });

    let (mut done, mut died, mut failed) = (0, 0, 0);
    for (number, verdict) in verdicts.into_iter().enumerate() {
        let verdict = verdict.unwrap_or_else(|| panic!("{number} has no verdict"));
        let said: Vec<&str> = verdict.messages.iter().map(|message| message.text.as_str()).collect();
        let all = [format!("one {number}"), format!("two {number}"), format!("error three {number}")];
        assert!(all.iter().take(said.len()).eq(said.iter()), "{number} has another's words: {said:?}");
        for message in &verdict.messages {
            assert!(message.json.contains(&format!("\"fileName\":\"{number}.lean\"")), "{}", message.json);
        }
        match verdict.ending {
            Ending::Done => {
                assert!(said.len() == 3 && number % 10 != 7, "{number}: done, and said {said:?}");
                done += 1;
            }
            Ending::Died(_) => died += 1,
            Ending::Failed(words) => {
                assert!(
                    words.contains("ended 3 times") || words.contains("while it was starting"),
                    "{words}"
                );
                failed += 1;
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    let (zygotes, children) = (zygotes.into_inner(), children.into_inner());
    println!(
        "{done} done, {died} died, {failed} failed; {zygotes} zygotes and {children} children were killed"
    );
    assert!(zygotes > 0 && children > 0, "else nothing was tried");
    // Those that end badly by themselves, and at most one for each child that was killed.
    assert!(died <= FILES / 10 + children, "{died}");
    assert!(failed * 3 <= zygotes * JOBS, "three zygotes each, and each had at most so many files: {failed}");

    // The pool has at most as much as before: four zygotes, with a descriptor or two and some kept children each.
    support::until(|| threads() <= threads_before + 4);
    assert!(
        open_descriptors() <= descriptors_before + 4 * 16,
        "{} and {}",
        open_descriptors(),
        descriptors_before
    );
    drop(workers);
    support::until(|| own.processes().is_empty());
    let names: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        .filter(|name| name.starts_with("socket:"))
        .collect();
    assert_eq!(names, [""; 0], "no socket is left");
}
