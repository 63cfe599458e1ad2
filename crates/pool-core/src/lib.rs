//! A keyed pool for resources that are expensive to open.
//!
//! Opening costs seconds and gigabytes; a hit costs nanoseconds. What opens a resource is lent to each acquire as a
//! closure, the pool keeps what comes back, and policies say how much may be kept and what goes first.
//!
//! ```
//! use pool_core::{Names, Resource, local::{Lease, Pool}};
//!
//! struct Environment(usize);
//! impl Resource for Environment {
//!     type Error = std::io::Error;
//! }
//!
//! let pool = Pool::with_max_idle(8);
//! let imports = Names::new(["Init", "Lean"]);
//! let open = |imports: &Names| Ok(Environment(imports.len())); // seconds, really
//! drop(pool.acquire(&imports, open)?); // a miss: opened, then back to the pool
//! let lease = pool.acquire(&["Init", "Lean"], open)?; // a hit: looked up without allocating
//! assert!(Lease::was_hit(&lease) && lease.0 == 2);
//! # Ok::<(), pool_core::AcquireError<std::io::Error>>(())
//! ```
//!
//! # The words
//! *Open* makes a resource; *acquire* gives a *lease*; dropping it *releases*, `into_inner` *detaches*. *Idle*: in the
//! pool with no lease. *Warm*: to be had without opening. *Live*: idle, leased, opening or being dropped. *Weight*: bytes that dropping
//! gives back. *Residue*: bytes that opening leaves for good. *Cost*: nanoseconds that opening took.
//!
//! # Where things are
//! - [`Resource`], [`Query`], [`Names`]: what you bring, or bring it as.
//! - [`local`]: the pool for one thread; [`sync`]: the pool for many, with waiting.
//! - [`pool`]: what both are and can do.
//! - [`capacity`]: may it exist, may it stay? One policy a file.
//! - [`eviction`]: which idle one goes first? One policy a file; [`Order`] is what a new one is easily made of.
//! - `testing` (feature `testing`): the contract of eviction policies, as a test for yours.
//! - [`AcquireError`], [`Stats`], [`Event`]: what happened.
//! - `core`: the sequential core, where every decision is made; `pool` is the shell around it.
//!
//! No unsafe code; no clock read on a hit unless a policy asks for time; no allocation on a hit, but what cloning the
//! key takes where the resource is shared.
#![forbid(unsafe_code)]

pub mod capacity;
mod contain;
mod core;
mod create_or_wait;
mod error;
pub mod eviction;
#[doc(hidden)]
pub mod guard;
mod id;
mod key;
pub mod local;
mod manage;
#[cfg(feature = "metrics")]
pub mod metrics;
mod names;
mod observer;
mod options;
mod order;
pub mod pool;
mod process_memory;
mod reason;
mod resource;
mod stats;
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod usage;

pub use capacity::{Bounds, Capacity, Verdict};
pub use error::{AcquireError, Situation, Step};
pub use eviction::{Eviction, Removal, Victim};
pub use id::{EntryId, Id, KeyId};
pub use key::{KeyHasher, Query, ToKey};
pub use manage::{Hooks, Manage, Own};
pub use names::Names;
pub use observer::{Event, Observer};
pub use options::AcquireOptions;
pub use order::Order;
pub use process_memory::ProcessMemoryError;
pub use reason::{Counts, DropReason, MissReason, Reason};
pub use resource::{Health, Resource};
pub use stats::{Peaks, Stats, Waits};
pub use time::{Clock, Now, SystemClock};
pub use usage::{Opened, Returned, Usage};

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
