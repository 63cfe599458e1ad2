//! Workers over the scripted worker, and a watchdog.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod repl;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lean_worker::launch::Launcher;
use std::num::NonZero;

use lean_worker::{
    CancelToken, CheckTimes, Ending, Engine, Event, File, Heard, Kept, Limits, Surroundings, ToCheck,
    Verdict, Workers, check_files,
};

#[path = "../../../pool-core/tests/support/watchdog.rs"]
mod watched;
pub(crate) use watched::Watchdog;

/// Longer than anything here takes, also where everything is ten times slower: a hang is a failure.
#[track_caller]
pub(crate) fn watchdog() -> Watchdog {
    watched::watchdog_of(300, String::new)
}

pub(crate) fn scripted() -> PathBuf {
    env!("CARGO_BIN_EXE_scripted-worker").into()
}

pub(crate) fn around() -> Arc<Surroundings> {
    Arc::new(Surroundings {
        sysroot: "/".into(),
        worker: scripted(),
        search_path: Vec::new(),
        setup: None,
        options: Vec::new(),
        project: None,
        stack_size: None,
        saves_headers: true,
    })
}

pub(crate) fn workers(limits: Limits) -> Workers {
    let kept = Kept { zygotes: 4, memory: 1 << 30 };
    Workers::new(kept, limits, Some(Launcher::new(scripted())))
}

pub(crate) fn file(name: &str, text: &str) -> File {
    File::new(name, text)
}

/// Checks one file that says `text`.
pub(crate) fn check(workers: &Workers, text: &str) -> Verdict {
    check_in_time(workers, text, CheckTimes::default())
}

pub(crate) fn check_in_time(workers: &Workers, text: &str, times: CheckTimes) -> Verdict {
    check_around(workers, &around(), text, times)
}

pub(crate) fn check_around(
    workers: &Workers,
    around: &Arc<Surroundings>,
    text: &str,
    times: CheckTimes,
) -> Verdict {
    let mut heard = Vec::new();
    let verdict =
        workers.check(around, &file("a.lean", text), times, &CancelToken::new(), &mut |said| match said {
            Heard::Message(message) => heard.push(message.clone()),
            Heard::Record(_) => {}
            Heard::Again => heard.clear(),
        });
    if verdict.ending != Ending::BadHeader {
        assert_eq!(heard, verdict.messages, "what is heard is what is said in the end");
    }
    verdict
}

/// Checks files that have the same surroundings, and calls `each` with their verdicts.
pub(crate) fn check_all(
    engine: Engine<'_>,
    around: &Arc<Surroundings>,
    files: &[File],
    jobs: usize,
    mut each: impl FnMut(usize, Verdict),
) {
    let files: Vec<ToCheck> =
        files.iter().map(|file| ToCheck { file: file.clone(), around: around.clone() }).collect();
    let jobs = NonZero::new(jobs).unwrap();
    check_files(engine, &files, jobs, CheckTimes::default(), &CancelToken::new(), |place, event| {
        if let Event::Verdict(verdict) = event {
            each(place, verdict);
        }
    })
    .unwrap();
}

pub(crate) fn said(verdict: &Verdict) -> Vec<&str> {
    verdict.messages.iter().map(|message| message.text.as_str()).collect()
}

/// Whether a process is there, and has not ended.
pub(crate) fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])))
}

/// Waits until it is so; the watchdog ends what never is.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The scripted worker under a name of its own, by which the processes are found that run it, whoever their parent has become.
pub(crate) struct Own(tempfile::TempDir);

impl Own {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = Self(folder);
        if std::fs::hard_link(scripted(), own.program()).is_err() {
            std::fs::copy(scripted(), own.program()).unwrap();
        }
        own
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.0.path().join("worker")
    }

    pub(crate) fn around(&self) -> Arc<Surroundings> {
        Arc::new(Surroundings { worker: self.program(), ..Surroundings::clone(&around()) })
    }

    /// The processes that run it and have not ended, with their parents.
    pub(crate) fn processes(&self) -> Vec<(String, String)> {
        let program = self.program().canonicalize().unwrap();
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().into_string().ok());
        pids.filter(|pid| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program) && is_alive(pid)
        })
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.to_owned();
            Some((pid, parent))
        })
        .collect()
    }
}

pub(crate) fn kill(pid: &str, signal: &str) {
    let _ = Command::new("kill").args([signal, pid]).stderr(Stdio::null()).status();
}

/// A session of the REPL that works in `folder`.
pub(crate) fn session(
    workers: &Arc<Workers>,
    around: &Arc<Surroundings>,
    folder: &std::path::Path,
    times: CheckTimes,
) -> lean_worker::Session {
    lean_worker::Session::new(workers.clone(), around.clone(), folder, times, CancelToken::new()).unwrap()
}
