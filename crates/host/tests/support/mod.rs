//! The command over the scripted worker, on a machine with a Lean that only knows its version.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes, also where everything is ten times slower: a hang is a failure.
const LIMIT: Duration = Duration::from_secs(240);

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A program of another crate of the workspace, built where this test was.
fn scripted_worker() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_leanpool")).parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "lean-worker",
            "--bin",
            "scripted-worker",
            "--target-dir",
        ]);
        cargo.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.file_name().is_some_and(|name| name == "release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the scripted worker can't be built");
        folder.join("scripted-worker")
    })
}

/// A folder with files to check, a Lean, and a worker under a name of its own, by which the processes are found that run it.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        Self::of_bytes(&files)
    }

    pub(crate) fn of_bytes(files: &[(&str, &[u8])]) -> Self {
        let all = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            all.write(name, bytes);
        }
        if fs::hard_link(scripted_worker(), all.worker()).is_err() {
            fs::copy(scripted_worker(), all.worker()).unwrap();
        }
        all.program("lean/bin/lean", "echo 'Lean (version 4.99.0, x86_64, commit 1, Release)'");
        all
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn program(&self, name: &str, script: &str) {
        self.write(name, format!("#!/bin/sh\n{script}\n").as_bytes());
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn worker(&self) -> PathBuf {
        self.path().join("worker")
    }

    /// The command, in the folder, with its Lean and no cache but its own.
    pub(crate) fn leanpool(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
        command.current_dir(self.path()).env_remove("LEAN_PATH").env_remove("ELAN_HOME");
        command
            .env("LEAN_SYSROOT", self.path().join("lean"))
            .env("XDG_CACHE_HOME", self.path().join("cache"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.leanpool().arg("check").arg("--worker").arg(self.worker()).args(args).spawn().unwrap()
    }

    pub(crate) fn check(&self, args: &[&str]) -> Output {
        ended(self.start(args), String::new())
    }

    /// The processes that run the worker and have not ended.
    pub(crate) fn processes(&self) -> Vec<String> {
        let program = self.worker().canonicalize().unwrap();
        let pids =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
            .filter(|pid| {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
                stat.is_ok_and(|stat| {
                    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
                })
            })
            .collect()
    }

    /// Waits until so many processes run the worker.
    pub(crate) fn until_processes(&self, are: impl Fn(usize) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !are(self.processes().len()) {
            assert!(Instant::now() < deadline, "{:?}", self.processes());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What `child` says until it ends, after what was read of it already.
pub(crate) fn ended(mut child: Child, read: String) -> Output {
    let deadline = Instant::now() + LIMIT;
    let read_all = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).map(|_| bytes)
        })
    };
    let stdout = read_all(Box::new(child.stdout.take().unwrap()));
    let stderr = read_all(Box::new(child.stderr.take().unwrap()));
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it did not end within {LIMIT:?}");
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let stdout = [read.into_bytes(), stdout.join().unwrap().unwrap()].concat();
    Output { status, stdout, stderr: stderr.join().unwrap().unwrap() }
}

/// The first line that `child` prints.
pub(crate) fn first_line(child: &mut Child) -> String {
    let mut line = Vec::new();
    // One byte at a time: what comes after it is for somebody else.
    let mut out = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
    out.read_until(b'\n', &mut line).unwrap();
    text(&line)
}

pub(crate) fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}
