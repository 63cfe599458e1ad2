//! May it be opened? A reservation, which is cancelled or becomes an entry.

use super::entries::Entry;
use super::{Place, State};
use crate::capacity::{Capacity, Verdict};
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id, KeyId};
use crate::resource::Resource;
use crate::stats::{DropReason, MissReason, add};
use crate::usage::{Opened, Usage};

/// Room for one open. The shell holds it in a type whose `Drop` gives it back.
pub(crate) struct Reserved {
    key: KeyId,
    expected: Opened,
    pub(crate) reason: MissReason,
}

impl Reserved {
    pub(crate) fn key(&self) -> KeyId {
        self.key
    }
}

/// No room for an open.
pub(crate) enum Denied {
    Exhausted { by: &'static str, usage: Usage },
    Refused { by: &'static str, usage: Usage },
}

impl Denied {
    pub(crate) fn by(&self) -> &'static str {
        match self {
            Self::Exhausted { by, .. } | Self::Refused { by, .. } => by,
        }
    }

    /// What the caller is told, with how many wait.
    pub(crate) fn into_error<E>(self, waiting: u64) -> AcquireError<E> {
        let snapshot = |usage| Box::new(Usage { waiting, ..usage });
        match self {
            Self::Exhausted { by, usage } => AcquireError::Exhausted { by, usage: snapshot(usage) },
            Self::Refused { by, usage } => AcquireError::Refused { by, usage: snapshot(usage) },
        }
    }
}

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Makes room for an open of a key, evicting what it must. `name` is kept if the key is new. `unfit` is why this
    /// acquire has dropped a resource of that key, if it has; `process_bytes` was measured just now, if the capacity
    /// policy wants it. `None` if key equality panicked.
    ///
    /// A denial is counted.
    pub(crate) fn reserve(
        &mut self,
        hash: u64,
        is: impl FnMut(&K) -> bool,
        name: K,
        (unfit, process_bytes): (Option<DropReason>, Option<u64>),
        nanos: u64,
    ) -> Option<Result<Reserved, Denied>> {
        let mut name = Some(name);
        let found = self.aftermath.contain(|| self.keys.find(hash, is));
        let outcome =
            found.map(|known| self.reserve_known(known, hash, &mut name, (unfit, process_bytes), nanos));
        self.aftermath.push_keys(name);
        if let Some(Err(_)) = outcome {
            self.count_refused();
        }
        outcome
    }

    /// As [`reserve`](State::reserve), for a key that was looked up, with its name if it is not known. The name is taken
    /// only with the reservation, and a denial is not counted: this may be tried again.
    pub(crate) fn reserve_known(
        &mut self,
        known: Option<KeyId>,
        hash: u64,
        name: &mut Option<K>,
        (unfit, process_bytes): (Option<DropReason>, Option<u64>),
        nanos: u64,
    ) -> Result<Reserved, Denied> {
        let mut reason = MissReason::Cold;
        let mut expected = None;
        if let Some(key) = known {
            // From here on the key is in use: evictions below can't make the pool forget it.
            self.keys.wake(key);
            self.keys[key].opening += 1;
            let record = &self.keys[key];
            let busy = record.leased() > 0 || record.opening > 1;
            reason = if busy { MissReason::Busy } else { record.gone };
            expected = record.opened;
        }
        let reason = unfit.map_or(reason, MissReason::from);
        let expected = expected.unwrap_or_else(|| self.mean_opened());
        self.usage.process_bytes = process_bytes;
        let admitted = self.admit(known, &expected, nanos);
        self.usage.process_bytes = None;
        if let Err(denied) = admitted {
            if let Some(key) = known {
                self.keys[key].opening -= 1;
                self.retire(key);
            }
            return Err(denied);
        }
        let key = known.unwrap_or_else(|| {
            let key =
                self.keys.insert(hash, name.take().expect("a key that is not known comes with its name"));
            self.keys[key].opening += 1;
            self.aftermath.contain(|| self.eviction.on_key(key, &self.keys[key].key));
            key
        });
        self.usage.opening += 1;
        self.usage.opening_weight = self.usage.opening_weight.saturating_add(expected.weight);
        self.usage.opening_residue = self.usage.opening_residue.saturating_add(expected.residue);
        self.counters.peaks.note_live(&self.usage);
        Ok(Reserved { key, expected, reason })
    }

    /// Nothing was reserved, for a reason that the shell found.
    pub(crate) fn count_refused(&mut self) {
        add(&mut self.counters.refused, 1);
    }

    /// The open came to nothing.
    pub(crate) fn cancel(&mut self, reserved: Reserved) {
        self.unreserve(&reserved);
        add(&mut self.counters.opens_failed, 1);
        self.retire(reserved.key);
    }

    /// The open gave a resource, which is leased from now on. `prototype` is it, or a handle of it, if it is shared.
    pub(crate) fn commit(
        &mut self,
        reserved: Reserved,
        prototype: Option<(K, R)>,
        opened: Opened,
        nanos: u64,
    ) -> EntryId {
        let Reserved { key, reason, .. } = reserved;
        self.unreserve(&reserved);
        add(&mut self.usage.opens, 1);
        add(&mut self.usage.residue, opened.residue);
        add(&mut self.opened.cost_nanos, opened.cost_nanos);
        add(&mut self.opened.weight, opened.weight);
        add(&mut self.opened.residue, opened.residue);
        self.counters.misses.count(reason);
        add(&mut self.counters.opening_nanos, opened.cost_nanos);

        let shared = prototype.is_some();
        let id = self.entries.insert(Entry::leased(key, prototype, opened.weight, opened.cost_nanos));
        if shared {
            self.keys[key].warm.push_front(&mut self.entries, id.index() as u32);
        }
        let again = self.keys[key].opened.replace(opened).is_some() && self.keys[key].entries == 0;
        self.keys[key].exclusive = !shared;
        self.move_weight(key, opened.weight, Place::Nowhere, Place::Leased);
        self.counters.peaks.note_live(&self.usage);
        let now = self.now(nanos);
        let heard = self.aftermath.contain(|| {
            if again {
                self.eviction.on_reopen(key, &self.keys[key].key);
            }
            self.eviction.on_open(id, key, &opened, now);
        });
        if heard.is_none() {
            // The policy may not know it now, and then could never name it: it goes when its lease ends.
            self.doom(id, DropReason::Panicked);
        }
        // It may have turned out heavier than expected.
        self.make_room(Some(key), None, now);
        id
    }

    /// Evicts until the capacity policy admits an open of `key`; if it never will, evicts nothing.
    fn admit(&mut self, key: Option<KeyId>, expected: &Opened, nanos: u64) -> Result<(), Denied> {
        let now = self.now(nanos);
        let mut could_fit = false;
        loop {
            let idle_of_key = key.map_or(0, |key| u64::from(self.keys[key].idle));
            let usage = Usage { idle_of_key, ..self.usage };
            let verdict = self.ask_admit(&usage, expected);
            let (by, of_key) = match verdict {
                Verdict::Fits => return Ok(()),
                Verdict::Never(by) => return Err(Denied::Refused { by, usage }),
                Verdict::EvictAny(by) => (by, false),
                Verdict::EvictOfKey(by) => (by, true),
            };
            if !could_fit {
                match self.ask_admit(&usage.with_idle(0, 0), expected) {
                    Verdict::Fits => could_fit = true,
                    Verdict::Never(by) => return Err(Denied::Refused { by, usage }),
                    Verdict::EvictAny(by) | Verdict::EvictOfKey(by) => {
                        return Err(Denied::Exhausted { by, usage });
                    }
                }
            }
            let victim =
                if of_key { key.and_then(|key| self.longest_idle_of(key)) } else { self.choose(None, now) };
            match victim {
                Some(id) => self.evict(id, DropReason::Evicted),
                None => return Err(Denied::Exhausted { by, usage }),
            }
        }
    }

    fn ask_admit(&mut self, usage: &Usage, expected: &Opened) -> Verdict {
        let verdict = self.aftermath.contain(|| self.capacity.admit(usage, expected));
        verdict.unwrap_or(Verdict::Never("a panic in the capacity policy"))
    }

    fn unreserve(&mut self, reserved: &Reserved) {
        self.keys[reserved.key].opening -= 1;
        self.usage.opening -= 1;
        let Opened { weight, residue, .. } = reserved.expected;
        self.usage.opening_weight = self.usage.opening_weight.saturating_sub(weight);
        self.usage.opening_residue = self.usage.opening_residue.saturating_sub(residue);
    }

    pub(super) fn mean_opened(&self) -> Opened {
        let opens = self.usage.opens.max(1);
        let Opened { cost_nanos, weight, residue } = self.opened;
        Opened { cost_nanos: cost_nanos / opens, weight: weight / opens, residue: residue / opens }
    }
}
