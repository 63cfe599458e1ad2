//! The engine `lean`: the command `lean` for each file. Slower than a worker, and able to do all that Lean can.
//!
//! Where it can (Lean 4.32 and later), it is given a header that was saved, so that it need not import. It has no soft cancel: at the end of its time it is killed, and
//! what it had not written yet is lost (`lean` writes to a pipe in large pieces).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use crate::cancel::CancelToken;
use crate::header;
use crate::launch::{Allowed, Launcher};
use crate::limits::Limits;
use crate::protocol::{Exit, Message};
use crate::request::{CheckTimes, File, Heard};
use crate::running::Running;
use crate::snapshots::Snapshots;
use crate::surroundings::Surroundings;
use crate::verdict::{Cause, Death, Ending, Verdict};

/// The name that `lean` gives to what it reads from standard input.
const STDIN: &str = "<stdin>";

/// The command `lean` as an engine. Used by many threads at once.
pub struct Plain {
    limits: Limits,
    launcher: Option<Launcher>,
    snapshots: Option<Snapshots>,
    root: Option<PathBuf>,
}

impl Plain {
    /// Without `snapshots` each file's imports are done anew. Without a launcher there are no limits, and what runs outlives this process.
    #[must_use]
    pub fn new(limits: Limits, launcher: Option<Launcher>, snapshots: Option<Snapshots>) -> Self {
        Self { limits, launcher, snapshots, root: None }
    }

    /// The same, where a file's module has its name from its path below `root`, and not below the working folder.
    #[must_use]
    pub fn with_root(self, root: Option<PathBuf>) -> Self {
        Self { root, ..self }
    }

    /// Headers that were saved and used; nothing if none are kept.
    #[must_use]
    pub fn snapshots(&self) -> Option<&Snapshots> {
        self.snapshots.as_ref()
    }

    /// Checks a file, which is read anew by `lean` if it lies on the disk under its name. `has_more`: another file with its header comes soon, so it is worth saving.
    pub fn check(
        &self,
        around: &Surroundings,
        file: &File,
        has_more: bool,
        times: CheckTimes,
        cancel: &CancelToken,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Verdict {
        let found = header::read(&file.name, &file.text);
        let snapshots = self.snapshots.as_ref().filter(|_| around.saves_headers);
        let snapshot = snapshots.and_then(|snapshots| {
            snapshots.lend(around, &found.header, has_more, cancel, |to| {
                self.save(around, &found.header.text(), to, cancel)
            })
        });
        let load = snapshot.as_ref().map(crate::pool::SnapshotLoan::path);
        self.run(around, file, load, times, cancel, heard)
    }

    /// Has what a header imports saved in a file, and a list of what it rests on beside it.
    fn save(&self, around: &Surroundings, header: &str, to: &Path, cancel: &CancelToken) -> bool {
        let mut command = self.command(around);
        command.arg(argument("--incr-header-save=", to)).arg("--stdin");
        let run = Running::start(command, Some(header), self.limits.said, cancel);
        let Ok(run) = run else { return false };
        while run.lines.recv().is_ok() {}
        run.wait(None).is_some_and(|status| status.success())
    }

    fn command(&self, around: &Surroundings) -> Command {
        let program = around.sysroot.join("bin").join(format!("lean{}", std::env::consts::EXE_SUFFIX));
        let allowed =
            Allowed { memory: self.limits.memory, cpu: self.limits.cpu, file_size: self.limits.file_size };
        let mut command = match &self.launcher {
            Some(launcher) => launcher.command(&program, allowed),
            None => Command::new(&program),
        };
        command.arg("--json");
        if let (Some(bytes), Some(_)) = (around.stack_size, self.limits.memory) {
            command.arg(format!("--tstack={}", bytes >> 10));
        }
        command.args(around.options.iter().map(|option| format!("-D{option}")));
        command.env_remove("LEAN_SYSROOT").env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        match std::env::join_paths(&around.search_path) {
            Ok(path) => command.env("LEAN_PATH", path),
            Err(_) => command.env_remove("LEAN_PATH"),
        };
        command
    }

    fn run(
        &self,
        around: &Surroundings,
        file: &File,
        load: Option<&Path>,
        times: CheckTimes,
        cancel: &CancelToken,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Verdict {
        let mut command = self.command(around);
        if let Some(load) = load {
            command.arg(argument("--incr-load=", load));
        }
        command.args(file.asked.error_kinds.iter().map(|kind| format!("-E{kind}")));
        if let Some(root) = &self.root {
            command.arg(argument("--root=", root));
        }
        let written = |setup| Written::new(&file.own_setup(setup)?);
        let setup = match around.setup.as_deref().map(written).transpose() {
            Ok(setup) => setup,
            Err(error) => {
                let words = format!("the set-up for `lean` can't be written to a file: {error}");
                return Verdict::without_messages(Ending::Failed(words));
            }
        };
        if let Some(setup) = &setup {
            command.arg(argument("--setup=", &setup.path()));
        }
        // A file of that name may lie there, and is another one.
        let is_on_disk = file.name != STDIN && Path::new(&file.name).is_file();
        let source = if is_on_disk { None } else { Some(file.text.as_str()) };
        if is_on_disk {
            // A name that begins with a dash is not an option.
            let is_like_an_option = file.name.starts_with('-');
            command.arg(if is_like_an_option { format!("./{}", file.name) } else { file.name.clone() });
        } else {
            command.arg("--stdin");
        }
        let until = times.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let run = match Running::start(command, source, self.limits.said, cancel) {
            Ok(run) => run,
            Err(error) => {
                let words = format!("`lean` can't be started: {error}");
                return Verdict::without_messages(Ending::Failed(words));
            }
        };
        let mut verdict = Verdict::without_messages(Ending::Done);
        let mut kept = 0;
        let cut = loop {
            let line = match until {
                None => run.lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => run.lines.recv_timeout(until.saturating_duration_since(Instant::now())),
            };
            let line = match line {
                Ok(line) => {
                    kept += line.len() as u64;
                    String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned()
                }
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) => break Some(Ending::TimedOut { killed: true }),
            };
            if kept > self.limits.said {
                break Some(Ending::Died(Death::without_words(Cause::Flood)));
            }
            match Message::parse(&line) {
                Ok(message) => {
                    let message = if is_on_disk { message } else { message.moved(&file.name, |at| at) };
                    heard(Heard::Message(&message));
                    verdict.messages.push(message);
                }
                // What a program prints that the file starts.
                Err(_) => {
                    verdict.output.push_str(&line);
                    verdict.output.push('\n');
                }
            }
        };
        if cut.is_some() {
            run.kill();
        }
        let status = run.wait(until);
        let last = run.last_words();
        verdict.ending = match (cut, status) {
            _ if cancel.is_cancelled() => Ending::Cancelled,
            (Some(cut), _) => cut,
            (None, None) => Ending::TimedOut { killed: true },
            (None, Some(status)) => self.ending(status, file, &verdict.messages, &last),
        };
        if verdict.ending == Ending::Done {
            verdict.output.push_str(&last);
            verdict.has_errors = status.and_then(|status| status.code()) != Some(0);
        }
        verdict
    }

    /// `lean` ends with 1 where there are errors and with 0 where there are none. Whatever else it does, something in the file has done.
    fn ending(&self, status: ExitStatus, file: &File, messages: &[Message], last: &str) -> Ending {
        let mut errors =
            messages.iter().filter(|message| message.severity == crate::Severity::Error).peekable();
        let has_errors = errors.peek().is_some();
        match status.code() {
            // Before Lean 4.31 it did not count those that are errors by `-E` alone.
            Some(0) if errors.all(|error| file.asked.error_kinds.contains(&error.kind)) => Ending::Done,
            Some(1) if has_errors => Ending::Done,
            Some(1) if last.starts_with("error: ") => {
                Ending::Failed(last.trim_start_matches("error: ").trim_end().to_owned())
            }
            code => {
                #[cfg(unix)]
                let signal = std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0);
                #[cfg(not(unix))]
                let signal = 0;
                let exit = Exit { code: code.unwrap_or(-1), signal, maxrss: 0, output: last.to_owned() };
                Ending::Died(Death::of(&exit, self.limits.memory, self.limits.cpu))
            }
        }
    }
}

/// A file that holds a text, as long as this lives.
struct Written {
    #[cfg(target_os = "linux")]
    file: std::fs::File,
    #[cfg(not(target_os = "linux"))]
    file: tempfile::NamedTempFile,
}

impl Written {
    /// Where there is one, a file in memory: nothing is left of it, however this process ends.
    fn new(text: &str) -> std::io::Result<Self> {
        #[cfg(target_os = "linux")]
        let mut file =
            std::fs::File::from(rustix::fs::memfd_create("setup", rustix::fs::MemfdFlags::CLOEXEC)?);
        #[cfg(not(target_os = "linux"))]
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Ok(Self { file })
    }

    fn path(&self) -> PathBuf {
        #[cfg(target_os = "linux")]
        return format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&self.file))
            .into();
        #[cfg(not(target_os = "linux"))]
        return self.file.path().to_owned();
    }
}

fn argument(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(name);
    argument.push(path);
    argument
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::protocol::Position;
    use crate::request::Asked;

    #[test]
    fn errors_by_their_kind_alone_which_old_leans_do_not_count_are_no_early_end() {
        let ending = |code: i32, kinds: &[&str]| {
            let error_kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let file = File { asked: Asked { error_kinds, ..Asked::default() }, ..File::new("a.lean", "") };
            let messages = ["one", "two"]
                .map(|kind| Message::of_ours("a.lean", Position { line: 1, column: 0 }, None, kind, ""));
            Plain::new(Limits::default(), None, None).ending(
                ExitStatus::from_raw(code << 8),
                &file,
                &messages,
                "",
            )
        };
        assert_eq!(ending(0, &["one", "two"]), Ending::Done);
        assert_eq!(ending(1, &["one", "two"]), Ending::Done);
        assert!(matches!(ending(0, &["one"]), Ending::Died(_)), "something has ended it");
        assert!(matches!(ending(0, &[]), Ending::Died(_)));
    }
}
