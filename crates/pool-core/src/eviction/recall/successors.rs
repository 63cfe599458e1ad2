//! What came after a key the last time?

use crate::id::KeyId;

/// How many of the last requests are known in their order.
const LOGGED: u64 = 4096;

/// The keys of the last requests, each where its number says. Numbers start from 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Vec<KeyId>);

impl Log {
    /// The request with that number was for `key`.
    #[inline]
    pub(super) fn push(&mut self, number: u64, key: KeyId) {
        let place = (number % LOGGED) as usize;
        if place >= self.0.len() {
            self.grow(place, key);
        }
        self.0[place] = key;
    }

    #[cold]
    fn grow(&mut self, place: usize, key: KeyId) {
        // At once, at the first request, which is an open: a hit is not to allocate.
        self.0.reserve_exact(LOGGED as usize - self.0.len());
        self.0.resize(place + 1, key);
    }

    /// Whether it is known what came after the request with the number `before`, as the request `now` comes; 0 is none.
    #[inline]
    pub(super) fn knows_after(&self, before: u64, now: u64) -> bool {
        before + 1 < now && before > 0 && before + LOGGED > now
    }

    /// The first `most` keys after it, with their numbers.
    pub(super) fn after(&self, before: u64, now: u64, most: u64) -> impl Iterator<Item = (u64, KeyId)> + '_ {
        let end = now.min(before + 1 + most);
        (before + 1..end).map(|number| (number, self.0[(number % LOGGED) as usize]))
    }
}
