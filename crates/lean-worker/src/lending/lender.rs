//! Lends sessions: accepts those who connect, and answers each in a thread of its own.

use std::collections::BTreeMap;
use std::io::{BufReader, Error, ErrorKind, Result};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Uid, geteuid};

use super::wire::{Ask, First, Hello, Say, VERSION, read_line, write_line};
use crate::cancel::CancelToken;
use crate::request::CheckTimes;
use crate::session::Session;
use crate::workers::Workers;

/// Of one session's requests, so many may wait for the one that runs. Who sends more waits for no answer, and is not served.
const MOST_WAITING: usize = 1000;
/// How long one who connects may take to say who it is.
const TO_SAY_HELLO: Duration = Duration::from_secs(10);

/// Lends sessions over a Unix socket until it is dropped; then all of them are ended, and the socket's file is removed.
#[derive(Debug)]
pub struct Lender {
    path: PathBuf,
    lending: Arc<Lending>,
    thread: Option<JoinHandle<()>>,
    /// Held as long as somebody lends here.
    _lock: OwnedFd,
}

#[derive(Debug)]
struct Lending {
    /// Whom sessions are lent to.
    user: Uid,
    listener: UnixListener,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    next: u64,
    /// What ends each session that there is.
    sessions: BTreeMap<u64, (UnixStream, CancelToken)>,
}

impl Lender {
    /// Listens on `path`; from now on sessions are lent. A folder that is not there is made, for the user alone.
    ///
    /// # Errors
    /// Another one listens there, or nobody can.
    pub fn new(path: &Path, workers: Arc<Workers>) -> Result<Self> {
        Self::for_user(geteuid(), path, workers)
    }

    fn for_user(user: Uid, path: &Path, workers: Arc<Workers>) -> Result<Self> {
        let said = |error: &dyn std::fmt::Display| Error::other(format!("{}: {error}", path.display()));
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|error| said(&error))?;
        }
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let mut options = std::fs::OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = OwnedFd::from(lock.map_err(|error| said(&error))?);
        // The kernel takes it from whoever is killed, so a socket that is there with nobody holding it is a dead one's.
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| said(&"another process lends sessions there: end it, or name another place"))?;
        match std::fs::symlink_metadata(path) {
            Ok(data) if data.file_type().is_socket() => {
                std::fs::remove_file(path).map_err(|error| said(&error))?;
            }
            Ok(_) => return Err(said(&"there is a file that is no socket: name another place")),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(said(&error)),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(|error| said(&error))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| said(&error))?;
        let lending = Arc::new(Lending { user, listener, state: Mutex::default() });
        let thread = {
            let lending = lending.clone();
            Builder::new().name("lender".to_owned()).spawn(move || lending.accept(&workers))?
        };
        Ok(Self { path: path.to_owned(), lending, thread: Some(thread), _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many sessions there are now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.lending.lock().sessions.len()
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        {
            let mut state = self.lending.lock();
            state.is_over = true;
            state.sessions.values().for_each(end);
        }
        // Whoever waits for the next one hears of it.
        let _ = rustix::net::shutdown(&self.lending.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A panic there has been said.
            let _ = thread.join();
        }
    }
}

fn end((stream, token): &(UnixStream, CancelToken)) {
    token.cancel();
    let _ = stream.shutdown(Shutdown::Both);
}

impl Lending {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, workers: &Arc<Workers>) {
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        loop {
            let accepted = self.listener.accept();
            if self.lock().is_over {
                break;
            }
            match accepted {
                Ok((stream, _)) => {
                    threads.retain(|thread| !thread.is_finished());
                    let (lending, workers) = (self.clone(), workers.clone());
                    let begun = Builder::new().name("session".to_owned()).spawn(move || {
                        // Whoever has gone away is told nothing.
                        let _ = lending.serve(stream, workers);
                    });
                    // Without a thread the connection is closed, which its other end sees.
                    threads.extend(begun);
                }
                // No descriptor is free: one of those that are there may end.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }

    fn serve(&self, stream: UnixStream, workers: Arc<Workers>) -> Result<()> {
        if socket_peercred(&stream)?.uid != self.user {
            return write_line(
                &stream,
                &Say::Refused("sessions are for the user alone who started it".to_owned()),
            );
        }
        let token = CancelToken::new();
        let number = {
            let mut state = self.lock();
            if state.is_over {
                return Ok(());
            }
            state.next += 1;
            let number = state.next;
            state.sessions.insert(number, (stream.try_clone()?, token.clone()));
            number
        };
        let served = answer_all(stream, workers, &token);
        token.cancel();
        self.lock().sessions.remove(&number);
        served
    }
}

/// Answers what comes on `stream`, until it ends.
fn answer_all(stream: UnixStream, workers: Arc<Workers>, token: &CancelToken) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.set_read_timeout(Some(TO_SAY_HELLO))?;
    let mut session = match first(&mut lines, workers, token) {
        Ok(session) => session,
        Err(error) => return write_line(&stream, &Say::Refused(error.to_string())),
    };
    stream.set_read_timeout(None)?;
    write_line(&stream, &Say::Ready)?;
    // Read on a thread of its own: what ends the session, or its request, comes while a request runs.
    let (hand_over, requests) = sync_channel(MOST_WAITING);
    let reader = {
        let (interrupt, token) = (session.interrupt(), token.clone());
        Builder::new().name("session's reader".to_owned()).spawn(move || {
            while let Ok(Some(ask)) = read_line(&mut lines) {
                match ask {
                    Ask::Request(request) => {
                        interrupt.expect();
                        if hand_over.try_send(request).is_err() {
                            break;
                        }
                    }
                    // If nothing runs any more, what was to come back has been answered.
                    Ask::Interrupt => drop(interrupt.ask()),
                }
            }
            // Nobody is there to hear an answer.
            token.cancel();
        })?
    };
    let mut answered = Ok(());
    while let Ok(request) = requests.recv() {
        let answer = session.answer(&request);
        if token.is_cancelled() {
            break;
        }
        answered = write_line(&stream, &Say::Answer(answer));
        if answered.is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    let _ = reader.join();
    answered
}

fn first(lines: &mut BufReader<UnixStream>, workers: Arc<Workers>, token: &CancelToken) -> Result<Session> {
    let Some(First { version, hello }) = read_line(lines)? else {
        return Err(Error::other("it says nothing"));
    };
    if version != VERSION {
        return Err(Error::other(format!(
            "sessions are lent by leanpool {VERSION}, not {version}: start it again"
        )));
    }
    let Hello { around, folder, timeout, grace } = serde_json::from_value(hello)?;
    Session::new(workers, Arc::new(around), &folder, CheckTimes { timeout, grace }, token.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lending::{BorrowError, Borrowed};
    use crate::limits::Limits;
    use crate::workers::Kept;

    #[test]
    fn another_user_is_lent_nothing_and_nothing_is_borrowed_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("repl.sock");
        let workers = Arc::new(Workers::new(Kept { zygotes: 1, memory: 0 }, Limits::default(), None));
        let hello = Hello::of_nobody();
        {
            let _lender = Lender::new(&path, workers.clone()).unwrap();
            let other = Uid::from_raw(geteuid().as_raw() + 1);
            let Err(BorrowError::Refused { why, .. }) = Borrowed::of_user(other, &path, &hello) else {
                panic!("a session is borrowed from another user");
            };
            assert!(why.contains("another user listens"), "{why}");
        }
        for (user, is_lent) in [(geteuid(), true), (Uid::from_raw(geteuid().as_raw() + 1), false)] {
            let _lender = Lender::for_user(user, &path, workers.clone()).unwrap();
            match Borrowed::new(&path, &hello) {
                Ok(_) => assert!(is_lent),
                Err(BorrowError::Refused { why, .. }) => {
                    assert!(!is_lent && why.contains("for the user alone"), "{why}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}
