//! Lean in processes of its own: one bad file hurts only itself, and any toolchain will do. No unsafe code, no Lean is linked.
//!
//! A *zygote* is a process of the worker program that has done the imports of a header and elaborates nothing. It forks *children*, which check files
//! and end. Zygotes are kept in a pool, by toolchain, set-up, search path, options and header; children serve some files of their header one after
//! the other. `lean/worker/PROTOCOL.md` says what is spoken.
//!
//! # What can go wrong
//!
//! The process that checks a file ...
//! - ends, with whatever exit code (0 as well), crashes, or is killed: the file's verdict is [`Ending::Died`], with what ended it, what
//!   it wrote last, and all messages that came before. The next file begins in another process.
//! - says half a line and dies: the half is dropped, and it died.
//! - says what is not in the protocol (bad UTF-8, no JSON, unknown or incomplete records), or speaks of another file: it is killed, and the
//!   verdict says what it said.
//! - says more than it was asked: it gets no other file, and no file is blamed.
//! - says things without end, or a line without an end: it is killed once [`Limits::said`] bytes were kept.
//! - does not come back when its time is over: it is asked to ([`Ending::TimedOut`]), and killed after the grace. So is one that reads nothing.
//! - wants more memory than it may have: [`Cause::Memory`].
//! - leaves another process behind: that is killed when the child ends.
//! - grows, or has had its number of files: it gets no other.
//!
//! The zygote ...
//! - can't import what the header asks for: the verdict is [`Ending::BadHeader`], with Lean's messages at their places in each file. A header
//!   is tried once for all files of a run that have it.
//! - reads another header in a file than we do: the file gets a zygote of its own.
//! - never says that it is ready ([`Limits::start`]), or says what is not in the protocol: [`Ending::Failed`].
//! - dies while it is starting: it is started again, three times in all; then [`Ending::Failed`] with its last words.
//! - dies while it is used: its children die with it, and their files begin again. The third try is made in a zygote that is not shared, so that the last
//!   word is about this file alone.
//! - forks nothing, or can't fork: [`Cause::NoFork`], or it is taken for broken after [`Limits::patience`].
//! - does not end when it is told to: it is killed after 0.6 s.
//! - is not to be had, as its program is not there, or memory does not suffice: [`Ending::Failed`] says what to do.
//!
//! We ...
//! - cancel a check or an import: [`Ending::Cancelled`].
//! - end, in whatever way: zygotes see their control socket closed, kill their children and what those have started, and end. While they import
//!   the kernel does it ([`launch`]).
//!
//! `tests/what_can_go_wrong.rs` has a test for each, with a worker that does as it is told.
//!
//! # Sessions
//!
//! A [`Session`] answers requests of the Lean REPL, one after the other. It has a child of its own for each header that comes up in it, so a hundred sessions with
//! one header have one import. Whatever happens, a request has an answer: the REPL's, or `{"message": …}`.
//!
//! - A child ends in a request, in whatever of the above ways, or between two: the states that it held are gone. The answer says why and which; who asks for one of
//!   them later is told so again. All other states stay, and no number is given out twice.
//! - A request is late or interrupted, and comes back: nothing is lost. It does not: its child is killed, as above.
//! - A child claims numbers that are another's, or that no request leads to, or answers something that is no JSON in one piece: as above.
//! - A zygote dies: so do its children. A request that needs no state of theirs begins again, the third time in a zygote of its own.
//! - An import fails: Lean's words. It is broken off, as the session that began it has ended: another one that waits for it begins anew.
//! - All zygotes that may be kept are in use by other sessions: a further header is refused after a second, as sessions last.
//! - What was imported has changed: requests that begin with imports get a new zygote, states that are there stay.
//!
//! [`lending`] lends sessions to other processes of the same user. `tests/sessions.rs`, `tests/sessions_end.rs` and `tests/lending.rs` have a test for each.
//!
//! # What is looked at, and what is believed
//!
//! A worker runs the code of whoever wrote the files. What it says of its file is that file's matter: a check can say that it is done without errors, as it
//! can with `lean` (by printing what Lean would print). It can't say so of another file.
#![forbid(unsafe_code)]

pub mod building;
mod cache;
mod cancel;
#[cfg(target_os = "linux")]
mod child;
mod header;
#[cfg(target_os = "linux")]
mod held;
#[cfg(target_os = "linux")]
mod interrupt;
pub mod launch;
#[cfg(target_os = "linux")]
pub mod lending;
mod limits;
#[cfg(target_os = "linux")]
mod listing;
mod meter;
mod plain;
mod pool;
mod protocol;
mod request;
mod run;
mod running;
mod schedule;
#[cfg(target_os = "linux")]
mod session;
mod snapshots;
mod stale;
mod surroundings;
mod toolchain;
mod verdict;
#[cfg(target_os = "linux")]
mod workers;
#[cfg(target_os = "linux")]
mod zygote;

pub use cache::{Cache, CacheError};
pub use cancel::CancelToken;
pub use header::{Header, name_parts};
#[cfg(target_os = "linux")]
pub use interrupt::Interrupt;
pub use limits::Limits;
#[cfg(target_os = "linux")]
pub use listing::ZygoteInfo;
pub use plain::Plain;
pub use protocol::{Message, Position, Record, Sandbox, Severity};
#[cfg(target_os = "linux")]
pub use request::KnownHeader;
pub use request::{Asked, CheckTimes, File, Heard, ToCheck};
pub use run::{Engine, Event, check_files};
pub use schedule::InOrder;
#[cfg(target_os = "linux")]
pub use session::{Requests, Session, message as repl_message};
pub use snapshots::Snapshots;
pub use surroundings::Surroundings;
pub use toolchain::{Places, Toolchain, ToolchainError};
pub use verdict::{Cause, Death, Ending, Spent, Verdict};
#[cfg(target_os = "linux")]
pub use workers::{Kept, Stats, Workers};
