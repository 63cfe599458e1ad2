//! A program that runs: what it says, and that it and what it has started end with those who asked for it.

use std::io::{BufRead as _, BufReader, Error, ErrorKind, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;

/// How much of what is written to standard error is kept, in bytes.
const LAST_WORDS: u64 = 16 << 10;
/// How much a program may answer by [`output`], in bytes.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Runs a program to its end. Of what it writes to standard error the first 16 KiB are kept. `None` if it was not done within `limit`, or was cancelled: then it was
/// killed, with its process group.
///
/// # Errors
/// It can't be started, or writes more than 64 MiB to standard output (`FileTooLarge`), of which it was ended.
pub fn output(command: Command, limit: Duration, cancel: &CancelToken) -> std::io::Result<Option<Output>> {
    let until = Instant::now().checked_add(limit);
    let run = Running::start(command, None, LONGEST_ANSWER, cancel)?;
    let mut stdout = Vec::new();
    loop {
        let line = match until {
            None => run.lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => run.lines.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match line {
            Ok(line) => {
                stdout.extend(line);
                if stdout.len() as u64 > LONGEST_ANSWER {
                    let words = format!("it says more than {} MiB", LONGEST_ANSWER >> 20);
                    return Err(Error::new(ErrorKind::FileTooLarge, words));
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
        }
    }
    let Some(status) = run.wait(until).filter(|_| !cancel.is_cancelled()) else { return Ok(None) };
    Ok(Some(Output { status, stdout, stderr: run.last_words().into_bytes() }))
}

/// A process that runs. Dropped, it is killed.
pub(crate) struct Running {
    process: Arc<Mutex<Child>>,
    /// What it writes to standard output: lines with their ends, which the last may lack. One byte more than the most that was wanted, and no more.
    pub(crate) lines: Receiver<Vec<u8>>,
    last: Receiver<Vec<u8>>,
    _call: crate::cancel::Call,
}

impl Running {
    pub(crate) fn start(
        mut command: Command,
        stdin: Option<&str>,
        most: u64,
        cancel: &CancelToken,
    ) -> std::io::Result<Self> {
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // What it starts ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let (say, lines) = channel();
        let (say_last, last) = channel();
        let (input, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let process = Arc::new(Mutex::new(process));
        let call = cancel.call({
            let process = process.clone();
            move || kill(&process)
        });
        let running = Self { process, lines, last, _call: call };
        if let (Some(mut input), Some(text)) = (input, stdin) {
            let text = text.to_owned();
            thread(move || drop(input.write_all(text.as_bytes())))?;
        }
        if let Some(stdout) = stdout {
            thread(move || {
                let mut stdout = BufReader::new(stdout.take(most.saturating_add(1)));
                loop {
                    let mut line = Vec::new();
                    let read = stdout.read_until(b'\n', &mut line);
                    if read.is_err() || line.is_empty() || say.send(line).is_err() {
                        break;
                    }
                }
                drop(say);
                // It must not wait because nobody reads.
                let _ = std::io::copy(&mut stdout.into_inner().into_inner(), &mut std::io::sink());
            })?;
        }
        if let Some(mut stderr) = stderr {
            thread(move || {
                let mut bytes = Vec::new();
                let _ = (&mut stderr).take(LAST_WORDS).read_to_end(&mut bytes);
                let _ = say_last.send(bytes);
                // It must not wait because nobody reads.
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            })?;
        }
        Ok(running)
    }

    pub(crate) fn kill(&self) {
        kill(&self.process);
    }

    /// Waits for its end, which is near. `None` if it was not by then, and was killed.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<ExitStatus> {
        loop {
            // Not under the lock for long: somebody may cancel.
            if let Ok(Some(status)) = lock(&self.process).try_wait() {
                return Some(status);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                self.kill();
                let _ = lock(&self.process).wait();
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The beginning of what it wrote to standard error.
    pub(crate) fn last_words(&self) -> String {
        // Something that it has started may hold the other end for ever.
        let last = self.last.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        String::from_utf8_lossy(&last).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = lock(&self.process).wait();
    }
}

fn lock(process: &Mutex<Child>) -> MutexGuard<'_, Child> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kill(process: &Mutex<Child>) {
    let mut process = lock(process);
    // Once it is waited for, its number may be another's.
    if matches!(process.try_wait(), Ok(None)) {
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&process),
            rustix::process::Signal::KILL,
        );
        let _ = process.kill();
    }
}

fn thread(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().spawn(work).map(drop)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn program_that_says_too_much_in_one_line_is_ended_and_told_so() {
        let mut command = Command::new("cat");
        command.arg("/dev/zero");
        let error = output(command, Duration::from_secs(240), &CancelToken::new()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::FileTooLarge, "it says more than 64 MiB")
        );
    }

    #[test]
    fn of_one_that_says_more_than_is_wanted_one_byte_more_is_kept_and_it_runs_to_its_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 300000 /dev/zero; echo; echo done >&2"]);
        let run = Running::start(command, None, 1000, &CancelToken::new()).unwrap();
        assert_eq!(run.lines.iter().map(|line| line.len()).sum::<usize>(), 1001);
        assert!(run.wait(None).is_some_and(|status| status.success()));
        assert_eq!(run.last_words(), "done\n");
    }
}
