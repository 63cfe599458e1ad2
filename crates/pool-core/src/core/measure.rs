//! The memory of the process is measured outside: what happens between that and the question must not be missed.

use super::Core;
use super::ask::Ask;
use super::first_fit::Need;
use super::open::Denied;
use super::queue::WaitsFor;
use crate::capacity::Capacity;
use crate::eviction::Eviction;

/// Private bytes of the process, measured outside: events may have come meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) bytes: u64,
    /// What had happened before it was measured.
    pub(crate) before: Happened,
}

/// So much has happened that changes the memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    /// Events that may have made room.
    pub(super) ends: u64,
    /// Bytes of all that was opened, ever, in a sum that may wrap.
    pub(super) opened: u64,
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// What has happened so far, for one who is about to measure.
    pub(crate) fn happened(&self) -> Happened {
        self.happened
    }

    /// Bytes that the process may hold by now: what was opened meanwhile may be missing in what was measured.
    pub(super) fn by_now(&self, Measured { bytes, before }: Measured) -> u64 {
        bytes.saturating_add(self.happened.opened.wrapping_sub(before.opened))
    }

    /// Whether one who was denied something measures again, in the queue, for something has ended meanwhile: there may be room. One
    /// who is refused does so once. The queue missed nothing for it then, and where something ends all the time a limit that
    /// refuses is to do so at once.
    pub(super) fn measures_again(&self, ask: &Ask<'_>, denied: &Denied) -> bool {
        let is_out_of_date = ask.measured.is_some_and(|measured| measured.before.ends != self.happened.ends);
        is_out_of_date && (ask.arrival.is_none() || matches!(denied, Denied::Exhausted { .. }))
    }

    /// Of what has been opened nobody knows who has measured it already: for those who measured before, it comes on top.
    pub(super) fn note_opened(&mut self, bytes: u64) {
        self.happened.opened = self.happened.opened.wrapping_add(bytes);
        if !self.needs_process_memory {
            return;
        }
        let promised: Vec<_> = self.queue.promised.iter().map(|(_, waiter)| waiter).collect();
        for waiter in promised {
            let need = self.queue[waiter].need;
            let process_bytes = need.process_bytes.map(|measured| measured.saturating_add(bytes));
            self.queue.change(waiter, WaitsFor::Victims, Need { process_bytes, ..need });
        }
    }

    /// Where memory has to be measured for an open: one after the other of those who wait for room does so, and asks again.
    pub(super) fn ask_next_to_measure(&mut self) {
        let Some(from) = self.measure_from.filter(|_| self.measuring.is_none()) else { return };
        let Some((arrival, waiter)) = self.queue.room.first_from(from) else {
            self.measure_from = None;
            return;
        };
        self.measure_from = Some(arrival + 1);
        self.measuring = Some(waiter);
        self.wait_for(waiter, WaitsFor::Measure);
        self.wake(waiter);
    }
}
