//! Eviction policies: which idle resource goes first?
//!
//! One policy a child file. [`RejectIncoming`] is the do-nothing baseline; [`IdleTimeout`] and [`MaxAge`] are filters
//! around any other.
#![doc = include_str!("../docs/adding-a-policy.md")]

mod by_age;
mod by_release;
mod dense;
#[cfg(test)]
mod drive;
mod greedy_dual;
mod idle_timeout;
mod max_age;
mod names_in;
mod owner;
mod pages;
mod place;
mod random;
mod ranking;
mod room;
mod similar;
mod stamps;

pub use idle_timeout::IdleTimeout;
pub use max_age::MaxAge;
pub use names_in::{ListedNames, NamesIn, Unrelated};
pub use recall::Settings as RecallSettings;

use std::time::Duration;

use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::names::Names;
use crate::reason::MissReason;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// That entry.
    Entry(EntryId),
    /// Of that key's idle entries the one that has been idle for longest, which the pool knows: for policies that rank keys,
    /// and need not know their entries.
    OldestOf(KeyId),
}

/// Why an entry is gone, as far as a policy may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Removal {
    /// It was idle and made room: what a policy named, or the pool in its place.
    Evicted,
    /// It came back and did not stay: there was no room for it, or the policy named it.
    Rejected,
    /// [`Eviction::expired`] named it.
    Expired,
    /// It could not be used any more: stale, broken, discarded, invalidated, or something panicked.
    Unfit,
    /// Its user kept it ([`into_inner`](crate::local::Lease::into_inner)).
    Taken,
    /// The pool was drained or closed.
    Drained,
}

impl From<MissReason> for Removal {
    fn from(reason: MissReason) -> Self {
        match reason {
            MissReason::Evicted => Self::Evicted,
            MissReason::Rejected => Self::Rejected,
            MissReason::Expired => Self::Expired,
            MissReason::Drained => Self::Drained,
            MissReason::Detached => Self::Taken,
            // Of a key that was never opened, or is in use, nothing was removed.
            MissReason::Cold | MissReason::Busy => Self::Unfit,
            MissReason::Stale
            | MissReason::Broken
            | MissReason::Discarded
            | MissReason::Invalidated
            | MissReason::Panicked => Self::Unfit,
        }
    }
}

/// Ranks idle resources for eviction. Order *within* a key is the pool's (the most recently released goes out first,
/// the longest idle one is dropped first); order among all is this policy's.
///
/// # What a policy hears
/// Frequency and cost belong to the key, recency to the entry, because a key may have several entries and a hit takes
/// one out of the victim set. The life of each:
///
/// - key: `on_key` … `on_forget`. In between it may have no entry at all: history survives there, and `on_reopen` says
///   that it has one again. The pool remembers
///   a bounded number of keys without entries, so state by key is bounded by that and the live entries.
/// - entry: `on_open` (leased), then any number of `on_release` (idle, may be named as victim) and `on_acquire`
///   (leased, may not), then `on_remove`, from either. A *shared* entry hears `on_acquire` for each further lease and
///   `on_release` only for its last.
///
/// Ids are dense and used again after `on_forget` and `on_remove`.
///
/// # For implementors
/// All is called inside the pool's borrow or lock: be quick, call nothing of the pool's. Be pure: time comes as
/// [`Now`], randomness from a seed given at construction, so that a trace replays to the same victims. Be tolerant:
/// hooks may be repeated and, after a panic in a hook, missed; [`Order`](crate::Order) is built for that. A panic is
/// contained: the pool finishes the step, and then the panic goes on to the caller. A victim that is not idle is not
/// evicted; the pool takes one of its own choice instead.
pub trait Eviction<K: ?Sized> {
    /// Whether [`Now::nanos`] is wanted. Asked once, when the pool is built: a pool whose policy says `false` reads no
    /// clock on a hit.
    fn needs_clock(&self) -> bool {
        false
    }

    /// How much may be idle at most, as far as the capacity policy knows. Called once before all else, when the pool is
    /// built, and again whenever its limits change.
    fn on_capacity(&mut self, capacity: &Bounds) {
        let _ = capacity;
    }

    /// A key was asked for that the pool did not know. `name` is the key itself, for policies that look into it.
    fn on_key(&mut self, key: KeyId, name: &K) {
        let _ = (key, name);
    }

    /// A key without entries was forgotten, to bound the history.
    fn on_forget(&mut self, key: KeyId) {
        let _ = key;
    }

    /// A known key that had no entry is opened again; `on_open` follows. `name` is the key itself: so a policy that looks
    /// into keys need not keep what it found in those without entries.
    fn on_reopen(&mut self, key: KeyId, name: &K) {
        let _ = (key, name);
    }

    /// A miss opened an entry, which is now leased. `opened` is what was measured.
    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        let _ = (entry, key, opened, now);
    }

    /// A hit leased an entry.
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now);

    /// An entry became idle, with its weight as measured now, and how many of its key are idle with it: the second is
    /// worth less than the first.
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now);

    /// An entry is gone, idle or leased before; `why` tells an eviction from the rest.
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal);

    /// What goes, to make room: an idle entry, or the longest idle one of a key that has some. `incoming` is the one that was just released and caused this, if any (it
    /// has been announced by `on_release`, and may be named itself); with `None` an open needs room. Asked again until
    /// there is room. `None` means that none may go: the incoming one is dropped, or the acquire fails.
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim>;

    /// An idle entry that may not be used any more, if there is one. Asked at each acquire (before the look-up) and
    /// release until it says `None`, if the policy needs a clock.
    fn expired(&mut self, now: Now) -> Option<EntryId> {
        let _ = now;
        None
    }

    /// Memory kept for ids that are not in use may be given back. Called after a drain.
    fn shrink_to_fit(&mut self) {}
}

impl<K: ?Sized, T: Eviction<K> + ?Sized> Eviction<K> for Box<T> {
    fn needs_clock(&self) -> bool {
        (**self).needs_clock()
    }

    fn on_capacity(&mut self, capacity: &Bounds) {
        (**self).on_capacity(capacity);
    }

    fn on_key(&mut self, key: KeyId, name: &K) {
        (**self).on_key(key, name);
    }

    fn on_forget(&mut self, key: KeyId) {
        (**self).on_forget(key);
    }

    fn on_reopen(&mut self, key: KeyId, name: &K) {
        (**self).on_reopen(key, name);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        (**self).on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        (**self).on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        (**self).on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        (**self).on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        (**self).victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        (**self).expired(now)
    }

    fn shrink_to_fit(&mut self) {
        (**self).shrink_to_fit();
    }
}

/// Each policy's file and name: one line each. All of them can be chosen by name, at run time, and are compared and
/// tested under it.
macro_rules! policies {
    ($($file:ident::$name:ident,)*) => {
        $(mod $file; pub use $file::$name;)*

        /// The names that [`named`] knows: those of the types.
        pub const NAMES: &[&str] = &[$(stringify!($name),)*];

        fn make<K: ?Sized>(name: &str) -> Option<Box<dyn Eviction<K> + Send>> {
            $(if name == stringify!($name) {
                return Some(Box::new(<$name>::default()));
            })*
            None
        }
    };
}

policies! {
    recall::Recall,
    worth::Worth,
    reject_incoming::RejectIncoming,
    fifo::Fifo,
    lru::Lru,
    lfu::Lfu,
    sieve::Sieve,
    s3_fifo::S3Fifo,
    gdsf::Gdsf,
    camp::Camp,
    arc::Arc,
    lirs::Lirs,
    two_q::TwoQ,
    lecar::LeCaR,
    hyperbolic::Hyperbolic,
    lhd::Lhd,
    tiny_lfu::TinyLfu,
}

/// The published name of a policy in [`NAMES`] that `name` means: case, `-` and `_` don't matter.
#[must_use]
pub fn published_name(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    NAMES.iter().find(|published| plain(published) == plain(name)).copied()
}

/// The policy of that name (see [`published_name`]), new.
#[must_use]
pub fn named<K: ?Sized>(name: &str) -> Option<Box<dyn Eviction<K> + Send>> {
    make(published_name(name)?)
}

/// As [`named`], for pools of import lists: [`Worth`] then sees which lists are alike.
#[must_use]
pub fn named_for_imports(name: &str) -> Option<Box<dyn Eviction<Names> + Send>> {
    match published_name(name)? {
        "Recall" => Some(Box::new(Recall::of_names())),
        "Worth" => Some(Box::new(Worth::of_names())),
        name => make(name),
    }
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
