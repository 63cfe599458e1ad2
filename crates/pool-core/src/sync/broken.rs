//! Mistakes that a model is shown to find: none of them can be made outside the models.

#[cfg(any(pool_loom, pool_shuttle))]
std::thread_local! {
    /// Models run on one thread of the system's.
    pub(crate) static MISTAKE: std::cell::Cell<u8> = const { std::cell::Cell::new(0) };
}

#[allow(dead_code, reason = "the models use all of them, other builds none")]
#[repr(u8)]
pub(crate) enum Mistake {
    ForgetsWhoWaits = 1,
    KeepsTheTurn = 2,
    KeepsTheOpen = 3,
    ParksUnseen = 4,
}

fn made(mistake: Mistake) -> bool {
    #[cfg(any(pool_loom, pool_shuttle))]
    return MISTAKE.with(std::cell::Cell::get) == mistake as u8;
    #[cfg(not(any(pool_loom, pool_shuttle)))]
    {
        let _ = mistake;
        false
    }
}

/// What ends is given to nobody.
#[inline]
pub(crate) fn forgets_who_waits() -> bool {
    made(Mistake::ForgetsWhoWaits)
}

/// Who gives up keeps what it has got meanwhile.
pub(crate) fn keeps_the_turn() -> bool {
    made(Mistake::KeepsTheTurn)
}

/// An open that panics is never called off.
pub(crate) fn keeps_the_open() -> bool {
    made(Mistake::KeepsTheOpen)
}

/// Who is to be cancelled parks without having said so.
pub(crate) fn parks_unseen() -> bool {
    made(Mistake::ParksUnseen)
}
