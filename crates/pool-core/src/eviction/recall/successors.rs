//! What came after a key the last time?

use crate::id::KeyId;

/// How many of the last requests are known in their order.
const LOGGED: u64 = 4096;
/// Requests are numbered from here, so that none, which is 0, is longer ago than what is known.
pub(super) const FIRST: u64 = LOGGED;

/// The keys of the last requests, each where its number says.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Option<Box<[KeyId; LOGGED as usize]>>);

impl Log {
    /// The request with that number was for `key`.
    #[inline]
    pub(super) fn push(&mut self, number: u64, key: KeyId) {
        match &mut self.0 {
            Some(keys) => keys[(number % LOGGED) as usize] = key,
            None => self.begin(key),
        }
    }

    /// At the first request, which is an open: a hit is not to allocate.
    #[cold]
    fn begin(&mut self, key: KeyId) {
        self.0 = vec![key; LOGGED as usize].into_boxed_slice().try_into().ok();
    }

    /// Whether it is known what came after the request with the number `before`, as the request `now` comes; 0 is none.
    #[inline]
    pub(super) fn knows_after(&self, before: u64, now: u64) -> bool {
        // From 2 to LOGGED - 1: the one before has nothing after it, and what was longer ago is overwritten.
        (now - before).wrapping_sub(2) < LOGGED - 2
    }

    /// The first `most` keys after it, with their numbers.
    pub(super) fn after(&self, before: u64, now: u64, most: u64) -> impl Iterator<Item = (u64, KeyId)> + '_ {
        let end = now.min(before + 1 + most);
        let keys = self.0.iter();
        keys.flat_map(move |keys| (before + 1..end).map(|number| (number, keys[(number % LOGGED) as usize])))
    }
}
