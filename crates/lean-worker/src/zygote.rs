//! A zygote: a process that has imported, and forks children. How it is started, what it says, how it ends.
//!
//! Each has a thread of its own here, which starts the process, reads what it says until it ends, and takes leave of it. So what a
//! zygote says is always read (it blocks if not), and nobody else waits for it. The thread lives as long as the process: the kernel ends
//! the process when the thread that started it does.

mod life;
mod look;

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::{Errno, IoSlice};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    send, sendmsg, shutdown, socketpair,
};

use crate::cancel::CancelToken;
use crate::child::Child;
use crate::launch::Launcher;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::protocol::{Exit, Message};
use crate::stale::RestsOn;

pub(crate) use look::Weak;

/// How long a zygote may take to read a packet, or to say how a child ended, before it is taken for broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a zygote is started with.
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) launcher: Option<Launcher>,
    /// The line that it reads first.
    pub(crate) config: Vec<u8>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) rests_on: RestsOn,
}

/// Why a zygote did not come to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the worker can't be started: {0}")]
    NotStarted(String),
    /// What the header asks for can't be had: Lean's messages say why.
    #[error("the header can't be imported")]
    BadHeader(Vec<Message>),
    #[error("the worker refuses: {0}")]
    Refused(String),
    /// It is not to be imported at all.
    #[error("{0}")]
    NotAllowed(String),
    /// Here it makes sense to try again.
    #[error("the worker ended while it was starting: {words}")]
    Died {
        words: String,
        /// By SIGKILL, which is not ours: somebody else did it, or the system that had no memory left. It says nothing of the header.
        from_outside: bool,
    },
    #[error(
        "the worker has not imported within {} s: give it more time, or look what the imports run",
        .0.as_secs()
    )]
    Late(Duration),
    #[error("the worker does not keep to the protocol while it is starting: {0}")]
    Protocol(String),
    #[error("cancelled")]
    Cancelled,
}

/// A zygote that is ready. Clones are the same one; it is ended, with all its children, when the last is dropped.
#[derive(Clone)]
pub(crate) struct Zygote(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the zygote's thread and those who use it have in common.
pub(crate) struct Shared {
    control: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
    pub(crate) limits: Arc<Limits>,
    meter: Arc<Meter>,
    rests_on: RestsOn,
    /// Bytes of its own and of its children's own.
    bytes: AtomicU64,
    /// Bytes of anonymous memory that a child has from the beginning.
    at_fork: AtomicU64,
    /// Checks that were given to it.
    uses: AtomicU64,
    began: Instant,
}

#[derive(Default)]
struct State {
    next: u64,
    forked: BTreeMap<u64, Forked>,
    idle: Vec<Child>,
    /// Somebody has no use for it any more.
    is_closed: bool,
    /// It has ended: in words.
    gone: Option<String>,
}

/// What is known of a child.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forked {
    pub(crate) pid: Option<i32>,
    pub(crate) ended: Option<Ended>,
    /// Nobody asks for it any more.
    is_forgotten: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Ended {
    NoFork,
    Exit(Exit),
}

/// The zygote has ended: why, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone(pub(crate) String);

impl Zygote {
    /// Starts one, and waits until it has imported.
    pub(crate) fn start(start: Start, cancel: &CancelToken) -> Result<Self, StartError> {
        let none = |error: &dyn std::fmt::Display| StartError::NotStarted(error.to_string());
        let (control, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|e| none(&e))?;
        set_socket_timeout(&control, Timeout::Send, Some(PATIENCE)).map_err(|e| none(&e))?;
        let Start { program, launcher, config, limits, meter, rests_on } = start;
        let shared = Arc::new(Shared {
            control,
            state: Mutex::default(),
            changed: Condvar::new(),
            limits,
            meter,
            rests_on,
            bytes: AtomicU64::new(0),
            at_fork: AtomicU64::new(0),
            uses: AtomicU64::new(0),
            began: Instant::now(),
        });
        let (report, result) = channel();
        let thread = {
            let shared = shared.clone();
            let begin = life::Begin { program, launcher, config, far };
            std::thread::Builder::new()
                .name("zygote".to_owned())
                .spawn(move || life::live(begin, &shared, &report))
                .map_err(|e| none(&e))?
        };
        // From here on its end is seen to.
        let zygote = Self(Arc::new(Handle { shared: shared.clone(), thread: Some(thread) }));
        let _call = cancel.call({
            let shared = shared.clone();
            move || shared.hang_up()
        });
        match result.recv() {
            Ok(Ok(())) => Ok(zygote),
            Ok(Err(_)) | Err(_) if cancel.is_cancelled() => Err(StartError::Cancelled),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Protocol("its thread has ended".to_owned())),
        }
    }

    /// A child that can be given a file: one that is kept, else a new one.
    pub(crate) fn child(&self) -> Result<Child, Gone> {
        loop {
            let Some(kept) = self.0.shared.lock().idle.pop() else { return self.fork() };
            if kept.is_quiet() {
                return Ok(kept);
            }
        }
    }

    /// A new child.
    pub(crate) fn fork(&self) -> Result<Child, Gone> {
        let shared = &self.0.shared;
        let broken =
            |error: std::io::Error| shared.broken(&format!("it can't be asked for a child ({error})"));
        let (ours, theirs) = UnixStream::pair().map_err(broken)?;
        ours.set_nonblocking(true).map_err(broken)?;
        let id = {
            let mut state = shared.lock();
            if let Some(words) = &state.gone {
                return Err(Gone(words.clone()));
            }
            state.next += 1;
            let id = state.next;
            state.forked.insert(id, Forked::default());
            id
        };
        // Whatever comes of it, the child is forgotten when this is dropped.
        let child = Child::new(id, ours, shared.clone());
        let packet = format!("fork {id}");
        let descriptors = [theirs.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        loop {
            match sendmsg(
                &shared.control,
                &[IoSlice::new(packet.as_bytes())],
                &mut ancillary,
                SendFlags::NOSIGNAL,
            ) {
                Ok(_) => {
                    shared.meter.counts.children.fetch_add(1, Ordering::Relaxed);
                    return Ok(child);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(broken(error.into())),
            }
        }
    }

    /// Keeps a child for the next file.
    pub(crate) fn keep(&self, child: Child) {
        let mut state = self.0.shared.lock();
        if state.gone.is_none() && !state.is_closed {
            state.idle.push(child);
        } else {
            // A child that is dropped uses the lock.
            drop(state);
            drop(child);
        }
    }

    /// Has a child forked ahead, if none is kept. Returns whether it was.
    pub(crate) fn fork_ahead(&self) -> bool {
        if !self.0.shared.lock().idle.is_empty() {
            return false;
        }
        self.fork().map(|child| self.keep(child)).is_ok()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.shared.lock().gone.is_some()
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.0.shared.rests_on.is_stale()
    }

    /// Private bytes, its children's own included.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it to end, its children first.
    fn hang_up(&self) {
        let _ = shutdown(&self.control, Shutdown::Both);
    }

    /// Takes it for broken, and has it ended.
    pub(crate) fn broken(&self, why: &str) -> Gone {
        let words = {
            let mut state = self.lock();
            state.gone.get_or_insert_with(|| why.to_owned()).clone()
        };
        self.hang_up();
        self.changed.notify_all();
        Gone(words)
    }

    /// Has a child killed, with all of its process group.
    pub(crate) fn kill(&self, id: u64) {
        // Where even that can't be said, the zygote is ended, and its children with it.
        if send(&self.control, format!("kill {id}").as_bytes(), SendFlags::NOSIGNAL).is_err() {
            self.hang_up();
        }
    }

    /// As [`kill`](Self::kill), of a child whose stream has been closed, which ends it as well; without waiting.
    pub(crate) fn kill_at_once(&self, id: u64) {
        let _ =
            send(&self.control, format!("kill {id}").as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }

    /// The process of a child, if the zygote has said so.
    pub(crate) fn pid(&self, id: u64) -> Option<i32> {
        self.lock().forked.get(&id)?.pid
    }

    /// How a child ended, whose stream has.
    pub(crate) fn end_of(&self, id: u64) -> Result<Option<Ended>, Gone> {
        let until = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            if let Some(ended) = state.forked.get(&id).and_then(|forked| forked.ended.clone()) {
                return Ok(Some(ended));
            }
            if let Some(words) = &state.gone {
                return Err(Gone(words.clone()));
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return Ok(None);
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A child is of no use any more.
    pub(crate) fn forget(&self, id: u64, own_bytes: u64) {
        let is_running = {
            let mut state = self.lock();
            let is_running = state.forked.get_mut(&id).is_some_and(|forked| {
                forked.is_forgotten = true;
                forked.ended.is_none()
            });
            if !is_running {
                state.forked.remove(&id);
            }
            is_running && state.gone.is_none()
        };
        if is_running {
            self.kill(id);
        }
        self.grown(own_bytes, 0);
    }

    /// A child's own memory was `before`, and is `after`.
    pub(crate) fn grown(&self, before: u64, after: u64) {
        self.bytes.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        self.meter.change(before, after);
    }

    pub(crate) fn at_fork(&self) -> u64 {
        self.at_fork.load(Ordering::Relaxed)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let idle = {
            let mut state = self.shared.lock();
            state.is_closed = true;
            std::mem::take(&mut state.idle)
        };
        self.shared.hang_up();
        drop(idle);
        if let Some(thread) = self.thread.take() {
            // A panic there has been said; the process has ended with the thread.
            let _ = thread.join();
        }
    }
}
