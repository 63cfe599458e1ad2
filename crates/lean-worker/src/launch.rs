//! Starting programs that end when this one does, however this one ends.
//!
//! A program asks the kernel for that itself (`PR_SET_PDEATHSIG`), and may limit itself, before it becomes another one. So between us and
//! what we start there is a moment of a program of ours: the *launcher*, by default the running program, if it passes on its
//! arguments to [`run`] when they begin with [`WORD`]. Nothing of this needs unsafe code.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use crate::running::output;

/// What the arguments of a launcher begin with.
pub const WORD: &str = "__launch";

/// The program that becomes another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher(PathBuf);

/// What the program that is started may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// Bytes of memory of its own.
    pub(crate) memory: Option<u64>,
    /// Seconds of processor time.
    pub(crate) cpu: Option<u64>,
    /// Bytes of the largest file.
    pub(crate) file_size: Option<u64>,
}

impl Launcher {
    /// A program whose `main` calls [`run`] with its arguments if the first is [`WORD`].
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    /// A command that becomes `program` by `launcher`, if there is one: then it ends when the *thread* that spawns it does.
    #[must_use]
    pub fn ending_with_us(launcher: Option<&Self>, program: &Path) -> Command {
        launcher.map_or_else(|| Command::new(program), |it| it.command(program, Allowed::default()))
    }

    /// A command that becomes `program`. It ends when the *thread* that spawns it does.
    pub(crate) fn command(&self, program: &Path, allowed: Allowed) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(WORD).arg(std::process::id().to_string());
        for limit in [allowed.memory, allowed.cpu, allowed.file_size] {
            command.arg(limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string()));
        }
        command.arg(program);
        command
    }
}

/// What a launcher does: with the arguments behind [`WORD`] it becomes the program that they name. Returns only if it can't.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> String {
    let mut args = args.into_iter();
    let mut number = || args.next().and_then(|arg| arg.into_string().ok());
    let (parent, limits) = (number(), [number(), number(), number()]);
    let Some(program) = args.next() else { return "nothing to launch".to_owned() };
    let mut command = Command::new(&program);
    command.args(args);
    become_it(parent.and_then(|parent| parent.parse().ok()), limits, &mut command).map_or_else(
        |error| format!("{} can't be started: {error}", program.to_string_lossy()),
        |never| match never {},
    )
}

#[cfg(target_os = "linux")]
fn become_it(
    parent: Option<i32>,
    limits: [Option<String>; 3],
    command: &mut Command,
) -> std::io::Result<std::convert::Infallible> {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};

    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != parent {
        return Err(std::io::Error::other("whoever started it has ended"));
    }
    for (resource, limit) in [Resource::Data, Resource::Cpu, Resource::Fsize].into_iter().zip(limits) {
        if let Some(limit) = limit.and_then(|limit| limit.parse().ok()) {
            setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
        }
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Err(command.exec())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn become_it(
    _: Option<i32>,
    _: [Option<String>; 3],
    command: &mut Command,
) -> std::io::Result<std::convert::Infallible> {
    use std::os::unix::process::CommandExt as _;

    Err(command.exec())
}

#[cfg(not(unix))]
fn become_it(
    _: Option<i32>,
    _: [Option<String>; 3],
    command: &mut Command,
) -> std::io::Result<std::convert::Infallible> {
    std::process::exit(command.status()?.code().unwrap_or(1))
}
