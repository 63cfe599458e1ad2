//! May one be opened? What must go for it is evicted.
//!
//! A victim counts until it is gone. So the capacity policy is asked two things. To evict no more than must go, it is asked about
//! what there will be once all victims are gone and all those have opened who were promised room. Whether an
//! open may begin is asked about what there is now.

use super::deadlock::InHand;
use super::first_fit::Need;
use super::open::Denied;
use super::{Core, EntryId};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::Eviction;
use crate::id::KeyId;
use crate::reason::DropReason;
use crate::time::Now;
use crate::usage::{Opened, Usage};

/// What is promised to those who wait for victims to be gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Promised {
    pub(super) count: u64,
    pub(super) weight: u128,
    pub(super) residue: u128,
}

impl Promised {
    pub(super) fn add(&mut self, expected: &Opened) {
        self.count += 1;
        self.weight += u128::from(expected.weight);
        self.residue += u128::from(expected.residue);
    }

    pub(super) fn remove(&mut self, expected: &Opened) {
        self.count -= 1;
        self.weight -= u128::from(expected.weight);
        self.residue -= u128::from(expected.residue);
    }
}

/// Whether one may be opened.
pub(super) enum Admission {
    Now,
    /// As soon as the victims that were evicted are gone. What it needs, with the private bytes that the process is expected to hold
    /// then, if that was measured.
    OnceVictimsAreGone(Need),
    No(Denied),
}

impl<K, R, F, C, E> Core<K, R, F, C, E> {
    /// What there will be once victims are gone and all have opened who were promised room. Victims in the hands of threads that
    /// wait stay.
    pub(super) fn once_victims_are_gone(&self) -> Usage {
        let (usage, promised) = (&self.usage, self.queue.promised_in_all());
        let saturated = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        Usage {
            opening: usage.opening + promised.count,
            opening_weight: saturated(u128::from(usage.opening_weight) + promised.weight),
            opening_residue: saturated(u128::from(usage.opening_residue) + promised.residue),
            dropping: self.threads.stuck().drops,
            dropping_weight: self.threads.stuck().weight,
            idle_of_key: 0,
            ..*usage
        }
    }
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// What opening `key` is expected to take: what the caller says, else what its last open took, else what is typical. In the last
    /// case never more than the limit, so that an unknown key is not refused for ever.
    pub(super) fn expected(&mut self, key: Option<KeyId>, declared_weight: Option<u64>) -> Opened {
        let known = key.and_then(|key| self.keys[key].opened);
        let expected = known.unwrap_or_else(|| {
            let typical = self.estimate.typical();
            let most = self.bounds.bytes.unwrap_or(u64::MAX);
            Opened { weight: typical.weight.min(most), ..typical }
        });
        Opened { weight: declared_weight.unwrap_or(expected.weight), ..expected }
    }

    /// Evicts until the capacity policy admits an open; if it never will, evicts nothing. Whoever asks can't wait for the victims
    /// that `stay`. `incoming` has just been returned. Nothing of `key` is idle: it would have been taken.
    pub(super) fn admit(
        &mut self,
        key: Option<KeyId>,
        need: &Need,
        stays: InHand,
        mut incoming: Option<EntryId>,
        now: Now,
    ) -> Admission {
        let goes = self.usage.dropping_weight - stays.weight;
        let mut process_bytes = need.process_bytes.map(|measured| measured.saturating_sub(goes));
        let (mut could_fit, mut evicted) = (false, false);
        loop {
            let usage = Usage {
                dropping: stays.drops,
                dropping_weight: stays.weight,
                process_bytes,
                ..self.once_victims_are_gone()
            };
            let (by, of_key) = match self.ask_admit(&usage, &need.expected) {
                Verdict::Fits => break,
                Verdict::Never(by) => return Admission::No(self.refused(by, need)),
                Verdict::EvictAny(by) => (by, false),
                Verdict::EvictOfKey(by) => (by, true),
            };
            if !could_fit {
                match self.ask_admit(&usage.with_idle(0, 0), &need.expected) {
                    Verdict::Fits => could_fit = true,
                    Verdict::Never(by) => return Admission::No(self.refused(by, need)),
                    Verdict::EvictAny(by) | Verdict::EvictOfKey(by) => {
                        return Admission::No(self.exhausted(by, need));
                    }
                }
            }
            let victim = if of_key {
                key.and_then(|key| self.longest_idle_of(key))
            } else {
                self.choose(incoming, now)
            };
            let Some(victim) = victim else { return Admission::No(self.exhausted(by, need)) };
            incoming = incoming.filter(|&incoming| incoming != victim);
            let weight = self.entries[victim].weight;
            self.evict(victim, DropReason::Evicted);
            evicted = true;
            process_bytes = process_bytes.map(|bytes| bytes.saturating_sub(weight));
        }
        let need = Need { process_bytes, ..*need };
        if !evicted && (stays.drops == self.usage.dropping || self.fits_now(&need)) {
            return Admission::Now;
        }
        Admission::OnceVictimsAreGone(Need { dropping_weight: goes, ..need })
    }

    /// Whether an open may begin now, with all victims that are not gone.
    pub(super) fn fits_now(&mut self, need: &Need) -> bool {
        let Self { capacity, effects, usage, .. } = self;
        fits_now(capacity, usage, need, |ask| effects.contain(ask))
    }

    pub(super) fn ask_admit(&mut self, usage: &Usage, expected: &Opened) -> Verdict {
        let Self { capacity, effects, .. } = self;
        effects.contain(|| capacity.admit(usage, expected)).unwrap_or(Verdict::Never(PANICKED))
    }

    pub(super) fn exhausted(&self, by: &'static str, need: &Need) -> Denied {
        Denied::Exhausted { by, usage: Usage { process_bytes: need.process_bytes, ..self.usage() } }
    }

    pub(super) fn refused(&self, by: &'static str, need: &Need) -> Denied {
        Denied::Refused { by, usage: Usage { process_bytes: need.process_bytes, ..self.usage() } }
    }
}

/// The limit that a policy is taken to have named that panicked.
pub(super) const PANICKED: &str = "a panic in the capacity policy";

/// Whether an open that needs `need` may begin with `usage`, victims that are not gone included.
pub(super) fn fits_now<C: Capacity>(
    capacity: &C,
    usage: &Usage,
    need: &Need,
    mut contain: impl FnMut(&mut dyn FnMut() -> Verdict) -> Option<Verdict>,
) -> bool {
    let dropping_weight = usage.dropping_weight.max(need.dropping_weight);
    let process_bytes = need.process_bytes.map(|bytes| bytes.saturating_add(dropping_weight));
    let usage = Usage { idle_of_key: 0, process_bytes, ..*usage };
    contain(&mut || capacity.admit(&usage, &need.expected)) == Some(Verdict::Fits)
}
