//! What the command `lean` says of a file.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use leanpool::lean_worker::launch::{Launcher, output};
use leanpool::lean_worker::{CancelToken, Surroundings, ToCheck};

use super::super::worker::launcher;

/// What `lean` says of a file, without and with `--json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) text: String,
    pub(super) json: String,
    /// What came past Lean's messages, beside `json`.
    pub(super) errors: String,
    pub(super) text_status: ExitStatus,
    pub(super) json_status: ExitStatus,
    /// Whether texts have the places where messages end.
    pub(super) with_end: bool,
}

/// How `lean` is asked.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    /// How long it may take for a file.
    pub(super) limit: Duration,
    pub(super) root: Option<&'a Path>,
    pub(super) token: &'a CancelToken,
}

/// Of all files, `jobs` at a time; `None` for those that took too long.
pub(super) fn of_all(
    files: &[ToCheck],
    jobs: NonZero<usize>,
    asking: &Asking<'_>,
    bar: &ProgressBar,
) -> Vec<Option<Reference>> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![None; files.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs.get().min(files.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(place).filter(|_| !asking.token.is_cancelled()) else { break };
                    let reference = of(file, asking);
                    bar.inc(1);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[place] = reference;
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Of one file.
pub(super) fn of(file: &ToCheck, asking: &Asking<'_>) -> Option<Reference> {
    let text = run(file, &[], asking)?;
    let json = run(file, &["--json"], asking)?;
    let mut ends = file.around.options.iter().filter(|option| option.starts_with("printMessageEndPos="));
    let with_end = ends.next_back().is_some_and(|option| option.ends_with("=true"));
    let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some(Reference {
        text: said(text.stdout),
        json: said(json.stdout),
        errors: said(json.stderr),
        text_status: text.status,
        json_status: json.status,
        with_end,
    })
}

/// The Lean's own words for its version.
pub(super) fn version(around: &Surroundings) -> String {
    let output = Command::new(around.sysroot.join("bin/lean")).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// `None` if it was too slow, or was broken off: then it and all that it has started was ended.
fn run(file: &ToCheck, args: &[&str], asking: &Asking<'_>) -> Option<Output> {
    let ToCheck { file, around } = file;
    let mut command = Launcher::ending_with_us(launcher().as_ref(), &around.sysroot.join("bin/lean"));
    command.args(args);
    command.args(around.options.iter().map(|option| format!("-D{option}")));
    command.args(file.asked.error_kinds.iter().map(|kind| format!("-E{kind}")));
    if let Some(root) = asking.root {
        command.arg(format!("--root={}", root.display()));
    }
    // Lean names the module as the set-up does. The file has no name: nothing is left of it, however this process ends.
    let setup = around.setup.as_ref().map(|setup| written(&file.own_setup(setup)?)).transpose().ok()?;
    if let Some(setup) = &setup {
        command.arg(format!("--setup=/proc/{}/fd/{}", std::process::id(), setup.as_raw_fd()));
    }
    command.arg(if file.name.starts_with('-') { format!("./{}", file.name) } else { file.name.clone() });
    command.env_remove("LEAN_SYSROOT");
    match std::env::join_paths(&around.search_path) {
        Ok(path) => command.env("LEAN_PATH", path),
        Err(_) => command.env_remove("LEAN_PATH"),
    };
    output(command, asking.limit, asking.token).ok()?
}

fn written(text: &str) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}
