use crate::capacity::Bounds;

/// For how many idle entries a pool has room: as it is told, or guessed from how many there were when one had to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    entries: usize,
    /// For how many at most, as the pool says; and whether it may be fewer, and has to be guessed.
    most: usize,
    guessed: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { entries: 1, most: usize::MAX, guessed: true }
    }
}

impl Room {
    /// At least 1.
    #[inline]
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    pub(super) fn tell(&mut self, capacity: &Bounds) {
        // More than there are ids is no bound.
        let entries = capacity.entries.and_then(|entries| u32::try_from(entries).ok());
        self.most = entries.map_or(usize::MAX, |entries| entries as usize).max(1);
        // What is bounded in bytes may be full with less.
        self.guessed = entries.is_none() || capacity.bytes.is_some();
        self.entries = if self.guessed { self.entries.min(self.most) } else { self.most };
    }

    /// So many are idle; true if that changes what is guessed.
    #[inline]
    pub(super) fn holds(&mut self, idle: usize) -> bool {
        self.guessed && idle > self.entries && self.guess(idle)
    }

    /// One of so many that are idle has to go; true if that changes what is guessed.
    #[inline]
    pub(super) fn is_exceeded_by(&mut self, idle: usize) -> bool {
        self.guessed && self.guess(idle.saturating_sub(1))
    }

    fn guess(&mut self, entries: usize) -> bool {
        let entries = entries.clamp(1, self.most);
        std::mem::replace(&mut self.entries, entries) != entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_taken_and_what_is_not_is_guessed_from_what_was_idle_when_one_had_to_go() {
        let mut room = Room::default();
        assert!(room.holds(5) && room.is_exceeded_by(5));
        assert_eq!(room.entries(), 4);
        room.tell(&Bounds::of_entries(9));
        assert!(!room.holds(12) && !room.is_exceeded_by(12), "told");
        assert_eq!(room.entries(), 9);
        room.tell(&Bounds::of_entries(9).and(Bounds::of_bytes(1000)));
        assert!(room.is_exceeded_by(4), "full with fewer, as they are heavy");
        assert_eq!(room.entries(), 3);
        room.tell(&Bounds::of_entries(0));
        assert_eq!(room.entries(), 1);
        room.tell(&Bounds::of_entries(u64::MAX));
        assert!(room.holds(7));
        assert_eq!(room.entries(), 7);
    }
}
