//! The thread of a zygote: starts it, reads what it says, and takes leave of it.

use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child as Process, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::{Ended, Shared, StartError};
use crate::launch::{Allowed, Launcher};
use crate::meter::anonymous_bytes;
use crate::protocol::{Event, LONGEST_PACKET, Lines, Malformed, Ready, StartLine, event, start_line};

/// The control socket's number in the zygote.
const CONTROL: i32 = 3;
/// How long a zygote may take to end its children and itself once nobody wants it any more.
const TO_END: Duration = Duration::from_millis(600);
/// How much of what it writes to its standard error is kept: the last of it, in bytes.
const LAST_WORDS: usize = 4096;
/// More messages about a header than Lean has.
const MOST_MESSAGES: usize = 10_000;

/// What the thread needs for itself.
pub(super) struct Begin {
    pub(super) program: PathBuf,
    pub(super) launcher: Option<Launcher>,
    pub(super) config: Vec<u8>,
    pub(super) far: OwnedFd,
}

pub(super) fn live(begin: Begin, shared: &Shared, report: &Sender<Result<(), StartError>>) {
    let mut process = match spawn(begin) {
        Ok(process) => process,
        Err(error) => {
            shared.lock().gone = Some(error.to_string());
            let _ = report.send(Err(error));
            return;
        }
    };
    let mut stderr = LastWords { pipe: process.stderr.take(), last: Vec::new() };
    let until = Instant::now() + shared.limits.start;
    let own = match wait_until_ready(shared, &mut process, &mut stderr, until) {
        Ok(ready) => {
            let own = ready.private_dirty.saturating_mul(1024);
            shared.at_fork.store(
                anonymous_bytes(Pid::from_child(&process).as_raw_nonzero().get()).unwrap_or(0),
                std::sync::atomic::Ordering::Relaxed,
            );
            shared.grown(0, own);
            let _ = report.send(Ok(()));
            let why = serve(shared, &mut stderr);
            let (status, _) = end(shared, &mut process, &mut stderr);
            say_goodbye(shared, why, status, &stderr);
            own
        }
        Err(mut error) => {
            let (status, by_us) = end(shared, &mut process, &mut stderr);
            if let StartError::Died { words, from_outside } = &mut error {
                *words = in_words(status, &stderr);
                *from_outside =
                    !by_us && status.and_then(|status| status.signal()) == Some(Signal::KILL.as_raw());
            }
            shared.lock().gone = Some(error.to_string());
            let _ = report.send(Err(error));
            0
        }
    };
    shared.grown(own, 0);
    shared.changed.notify_all();
}

fn spawn(begin: Begin) -> Result<Process, StartError> {
    let Begin { program, launcher, config, far } = begin;
    let failed = |error: &dyn std::fmt::Display| {
        StartError::NotStarted(format!(
            "{}: {error}; build it again with `leanpool worker build`",
            program.display()
        ))
    };
    let mut command = match &launcher {
        Some(launcher) => launcher.command(&program, Allowed::default()),
        None => Command::new(&program),
    };
    // A file in memory: whoever does not read it holds nobody up.
    let stdin = memory_file(&config).map_err(|error| failed(&error))?;
    command.arg(CONTROL.to_string());
    // Ctrl-C on a terminal is for us: a zygote is to end its children before itself.
    command.process_group(0);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("LEAN_PATH").env_remove("LEAN_SYSROOT").env_remove("LEAN_ABORT_ON_PANIC");
    // Else memory limits are 1 GiB off; and a ring of libuv's would be shared with all children.
    command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0").env("UV_USE_IO_URING", "0");
    command
        .fd_mappings(vec![FdMapping { parent_fd: far, child_fd: CONTROL }])
        .map_err(|error| failed(&error))?;
    command.spawn().map_err(|error| failed(&error))
}

fn memory_file(bytes: &[u8]) -> std::io::Result<std::fs::File> {
    let mut file = std::fs::File::from(memfd_create("leanpool-config", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn wait_until_ready(
    shared: &Shared,
    process: &mut Process,
    stderr: &mut LastWords,
    until: Instant,
) -> Result<Ready, StartError> {
    let mut stdout =
        process.stdout.take().ok_or_else(|| StartError::Protocol("no standard output".to_owned()))?;
    let wrong = |error: Malformed| StartError::Protocol(error.to_string());
    let died = |words| StartError::Died { words, from_outside: false };
    let (mut lines, mut messages, mut buffer) = (Lines::default(), Vec::new(), vec![0; 64 << 10]);
    loop {
        while let Some(line) = lines.next(shared.limits.said).map_err(wrong)? {
            match start_line(line).map_err(wrong)? {
                StartLine::Message(message) if messages.len() < MOST_MESSAGES => messages.push(message),
                StartLine::Message(_) => {
                    return Err(StartError::Protocol("it says messages without end".to_owned()));
                }
                StartLine::Ready(ready) => return Ok(ready),
                StartLine::Failed { .. } if !messages.is_empty() => {
                    return Err(StartError::BadHeader(messages));
                }
                StartLine::Failed { error } => return Err(StartError::Refused(error)),
            }
        }
        let Some(left) = until.checked_duration_since(Instant::now()) else {
            return Err(StartError::Late(shared.limits.start));
        };
        let [can_read, hung_up, can_hear] =
            wait([Some(stdout.as_fd()), Some(shared.control.as_fd()), stderr.fd()], left);
        if can_hear {
            stderr.hear();
        }
        if can_read {
            match stdout.read(&mut buffer) {
                // It has ended, or was ended; or it lives, and says nothing more, which comes to the same.
                Ok(0) => return Err(died(String::new())),
                Ok(bytes) => lines.push(&buffer[..bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(died(error.to_string())),
            }
        }
        // While it imports it says nothing on its control socket: what can be read there is that one end is closed.
        if hung_up && !can_read {
            return Err(died(String::new()));
        }
    }
}

/// Reads events until there are no more. What was wrong, if something was.
fn serve(shared: &Shared, stderr: &mut LastWords) -> Option<String> {
    let mut packet = vec![0; LONGEST_PACKET];
    loop {
        let [_, can_read, can_hear] = wait([None, Some(shared.control.as_fd()), stderr.fd()], Duration::MAX);
        if can_hear {
            stderr.hear();
        }
        if !can_read {
            continue;
        }
        let bytes = match rustix::io::read(&shared.control, &mut packet) {
            Ok(0) => return None,
            Ok(bytes) => bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Some(error.to_string()),
        };
        if let Err(error) = event(&packet[..bytes]).and_then(|event| note(shared, event, &packet[..bytes])) {
            return Some(format!("it does not keep to the protocol: {error}"));
        }
        shared.changed.notify_all();
    }
}

fn note(shared: &Shared, event: Event, packet: &[u8]) -> Result<(), Malformed> {
    let mut state = shared.lock();
    let (Event::Forked { id, .. } | Event::Exited { id, .. }) = event;
    let Some(child) = state.forked.get_mut(&id).filter(|child| child.ended.is_none()) else {
        return Err(Malformed::new("an event of a child that was not asked for", packet));
    };
    match event {
        Event::Forked { pid: Some(pid), .. } => child.pid = Some(pid),
        Event::Forked { pid: None, .. } => child.ended = Some(Ended::NoFork),
        Event::Exited { exit, .. } => child.ended = Some(Ended::Exit(exit)),
    }
    if child.is_forgotten && child.ended.is_some() {
        state.forked.remove(&id);
    }
    Ok(())
}

/// Tells the process to end, waits for it, and sees to it. How it ended, and whether it had to be killed.
fn end(shared: &Shared, process: &mut Process, stderr: &mut LastWords) -> (Option<ExitStatus>, bool) {
    shared.hang_up();
    let until = Instant::now() + TO_END;
    let mut by_us = false;
    if let Ok(pidfd) = pidfd_open(Pid::from_child(process), PidfdFlags::empty()) {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let [has_ended, _, can_hear] = wait([Some(pidfd.as_fd()), None, stderr.fd()], left);
            if can_hear {
                stderr.hear();
            }
            if has_ended {
                break;
            }
            if left.is_zero() {
                by_us = pidfd_send_signal(&pidfd, Signal::KILL).is_ok();
                break;
            }
        }
    } else {
        by_us = process.kill().is_ok();
    }
    let status = process.wait().ok();
    stderr.hear_what_is_left();
    (status, by_us)
}

/// All that was to be known of its children is known.
fn say_goodbye(shared: &Shared, why: Option<String>, status: Option<ExitStatus>, stderr: &LastWords) {
    let words = match why {
        Some(why) => format!("the zygote was ended: {why}"),
        None => format!("the zygote has ended: {}", in_words(status, stderr)),
    };
    let (idle, left) = {
        let mut state = shared.lock();
        state.gone.get_or_insert(words);
        let left: Vec<i32> = state
            .forked
            .values()
            .filter(|child| child.ended.is_none())
            .filter_map(|child| child.pid)
            .collect();
        (std::mem::take(&mut state.idle), left)
    };
    shared.changed.notify_all();
    // Its children end when it does. What they have started does not, if the zygote was killed and could not see to it.
    if status.is_none_or(|status| !status.success()) {
        for pid in left {
            let _ = Pid::from_raw(pid).map(|pid| kill_process_group(pid, Signal::KILL));
        }
    }
    drop(idle);
}

fn in_words(status: Option<ExitStatus>, stderr: &LastWords) -> String {
    let status = status.map_or_else(|| "nothing is known of its end".to_owned(), |status| status.to_string());
    let last = String::from_utf8_lossy(&stderr.last);
    let last = last.trim();
    if last.is_empty() {
        format!("{status}; it wrote nothing")
    } else {
        format!("{status}; its last words: {last}")
    }
}

/// What a process writes to its standard error, the last of it.
struct LastWords {
    pipe: Option<ChildStderr>,
    last: Vec<u8>,
}

impl LastWords {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there. To be called when something is.
    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        let Some(pipe) = &mut self.pipe else { return };
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(bytes) => {
                self.last.extend_from_slice(&buffer[..bytes]);
                let too_many = self.last.len().saturating_sub(LAST_WORDS);
                self.last.drain(..too_many);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.pipe = None,
        }
    }

    fn hear_what_is_left(&mut self) {
        // Something that it has started may hold the other end, and write on.
        for _ in 0..64 {
            let [can_hear, ..] = wait([self.fd(), None, None], Duration::ZERO);
            if !can_hear {
                break;
            }
            self.hear();
        }
    }
}

/// Waits until one of them can be read or has ended; which.
fn wait(fds: [Option<BorrowedFd<'_>>; 3], at_most: Duration) -> [bool; 3] {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    let timeout = (at_most != Duration::MAX).then_some(&timeout);
    if poll(&mut polled, timeout).is_err() {
        return [false; 3];
    }
    let mut polled = polled.into_iter();
    fds.map(|fd| fd.and_then(|_| polled.next()).is_some_and(|fd| !fd.revents().is_empty()))
}
