//! The other end: a session that runs in another process.

use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Uid, geteuid};

use super::wire::{Ask, First, Hello, Say, VERSION, read_line, write_line};

/// How long a lender may take to say that it is ready. It need not import for that.
const TO_GET_READY: Duration = Duration::from_secs(20);

/// A session that is lent.
#[derive(Debug)]
pub struct Borrowed {
    lines: BufReader<UnixStream>,
    writer: Interruption,
}

/// What asks a lent session's request to come back, for other threads.
#[derive(Clone, Debug)]
pub struct Interruption(Arc<Mutex<UnixStream>>);

/// Why no session is lent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BorrowError {
    /// Nobody listens there.
    #[error("nobody lends sessions at {}: {error}", path.display())]
    Nobody {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Somebody does, and does not lend one.
    #[error("{} lends no session: {why}", path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// In words.
        why: String,
    },
}

impl Borrowed {
    /// Borrows a session from the one who listens at `path`.
    ///
    /// # Errors
    /// See [`BorrowError`].
    pub fn new(path: &Path, hello: &Hello) -> Result<Self, BorrowError> {
        Self::of_user(geteuid(), path, hello)
    }

    pub(super) fn of_user(user: Uid, path: &Path, hello: &Hello) -> Result<Self, BorrowError> {
        let refused = |why: String| BorrowError::Refused { path: path.to_owned(), why };
        let stream = UnixStream::connect(path)
            .map_err(|error| BorrowError::Nobody { path: path.to_owned(), error })?;
        // What it answers would be taken for Lean's.
        match socket_peercred(&stream) {
            Ok(peer) if peer.uid == user => {}
            Ok(_) => return Err(refused("another user listens there".to_owned())),
            Err(error) => return Err(refused(error.to_string())),
        }
        match introduce(&stream, hello) {
            Ok((Some(Say::Ready), lines)) => {
                Ok(Self { lines, writer: Interruption(Arc::new(Mutex::new(stream))) })
            }
            Ok((Some(Say::Refused(why)), _)) => Err(refused(why)),
            Ok(_) => Err(refused("it ended the connection".to_owned())),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// As [`Session::answer`](crate::Session::answer).
    ///
    /// # Errors
    /// The lender has ended, and the session with it.
    pub fn answer(&mut self, request: &str) -> std::io::Result<String> {
        self.writer.say(&Ask::Request(request.to_owned()))?;
        match read_line(&mut self.lines)? {
            Some(Say::Answer(answer)) => Ok(answer),
            Some(_) => Err(std::io::Error::other("it does not answer what it was asked")),
            None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What asks the request that runs to come back.
    #[must_use]
    pub fn interruption(&self) -> Interruption {
        self.writer.clone()
    }
}

/// Says who asks, and reads the answer.
fn introduce(stream: &UnixStream, hello: &Hello) -> std::io::Result<(Option<Say>, BufReader<UnixStream>)> {
    let first = First { version: VERSION.to_owned(), hello: serde_json::to_value(hello)? };
    stream.set_read_timeout(Some(TO_GET_READY))?;
    let written = write_line(stream, &first);
    let mut lines = BufReader::new(stream.try_clone()?);
    // Who refuses at once reads nothing, so writing may fail: what it has said is there all the same.
    let said = match read_line(&mut lines) {
        Ok(Some(said)) => Some(said),
        Ok(None) => written.map(|()| None)?,
        Err(error) => return Err(written.err().unwrap_or(error)),
    };
    stream.set_read_timeout(None)?;
    Ok((said, lines))
}

impl Interruption {
    /// Asks the request that runs to come back; does nothing where none runs.
    ///
    /// # Errors
    /// The lender has ended.
    pub fn ask(&self) -> std::io::Result<()> {
        self.say(&Ask::Interrupt)
    }

    fn say(&self, ask: &Ask) -> std::io::Result<()> {
        write_line(&self.0.lock().unwrap_or_else(PoisonError::into_inner), ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_of_one_who_has_closed_the_connection_is_heard() {
        let hello = Hello::of_nobody();
        let (ours, theirs) = UnixStream::pair().unwrap();
        write_line(&theirs, &Say::Refused("not for you".to_owned())).unwrap();
        drop(theirs);
        let said = introduce(&ours, &hello).unwrap().0;
        assert!(matches!(said, Some(Say::Refused(why)) if why == "not for you"));
        // One who says nothing has ended the connection.
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(introduce(&ours, &hello).is_err());
    }
}
