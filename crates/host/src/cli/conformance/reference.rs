//! What the command `lean` says of a file.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use leanpool::lean_worker::{CancelToken, Surroundings, ToCheck};

/// What `lean` says of a file, without and with `--json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) text: String,
    pub(super) json: String,
    pub(super) text_status: ExitStatus,
    pub(super) json_status: ExitStatus,
    /// Whether texts have the places where messages end.
    pub(super) with_end: bool,
}

/// Of all files, `jobs` at a time; `None` for those that took too long.
pub(super) fn of_all(
    files: &[ToCheck],
    jobs: NonZero<usize>,
    limit: Duration,
    root: Option<&Path>,
    token: &CancelToken,
    bar: &ProgressBar,
) -> Vec<Option<Reference>> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![None; files.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if token.is_cancelled() {
                        break;
                    }
                    let reference = of(file, limit, root);
                    bar.inc(1);
                    let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let place = files.iter().position(|other| std::ptr::eq(other, file)).unwrap_or(0);
                    found[place] = reference;
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Of one file.
pub(super) fn of(file: &ToCheck, limit: Duration, root: Option<&Path>) -> Option<Reference> {
    let (text, text_status) = run(file, &[], limit, root)?;
    let (json, json_status) = run(file, &["--json"], limit, root)?;
    let mut ends = file.around.options.iter().filter(|option| option.starts_with("printMessageEndPos="));
    let with_end = ends.next_back().is_some_and(|option| option.ends_with("=true"));
    Some(Reference { text, json, text_status, json_status, with_end })
}

/// The Lean's own words for its version.
pub(super) fn version(around: &Surroundings) -> String {
    let output = Command::new(around.sysroot.join("bin/lean")).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn run(file: &ToCheck, args: &[&str], limit: Duration, root: Option<&Path>) -> Option<(String, ExitStatus)> {
    let ToCheck { file, around } = file;
    let mut command = Command::new(around.sysroot.join("bin/lean"));
    command.args(args);
    command.args(around.options.iter().map(|option| format!("-D{option}")));
    command.args(file.asked.error_kinds.iter().map(|kind| format!("-E{kind}")));
    if let Some(root) = root {
        command.arg(format!("--root={}", root.display()));
    }
    // Lean names the module as the set-up does.
    let setup = around.setup.as_ref().map(|setup| written(&file.own_setup(setup)?)).transpose().ok()?;
    if let Some(setup) = &setup {
        command.arg(format!("--setup={}", setup.path().display()));
    }
    command.arg(if file.name.starts_with('-') { format!("./{}", file.name) } else { file.name.clone() });
    command.env_remove("LEAN_SYSROOT");
    match std::env::join_paths(&around.search_path) {
        Ok(path) => command.env("LEAN_PATH", path),
        Err(_) => command.env_remove("LEAN_PATH"),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().ok()?;
    let mut out = process.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).map(|_| bytes)
    });
    let until = Instant::now() + limit;
    let status = loop {
        match process.try_wait().ok()? {
            Some(status) => break status,
            None if Instant::now() >= until => {
                let _ = process.kill();
                let _ = process.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let bytes = reader.join().ok()?.ok()?;
    Some((String::from_utf8_lossy(&bytes).into_owned(), status))
}

fn written(text: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}
