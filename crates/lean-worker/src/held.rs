//! Zygotes that sessions hold. A session may sleep for hours: one that has died is taken from it all the same, so that it keeps nobody from its place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::workers::Lent;

/// All that are held.
#[derive(Default)]
pub(crate) struct AllHeld(Mutex<Vec<Weak<Slot>>>);

/// One that is held, given back when this is dropped.
pub(crate) struct Held(Arc<Slot>);

struct Slot(Mutex<Option<Lent>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Lent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AllHeld {
    pub(crate) fn hold(&self, zygote: Lent) -> Held {
        let held = Arc::new(Slot(Mutex::new(Some(zygote))));
        self.lock().push(Arc::downgrade(&held));
        Held(held)
    }

    pub(crate) fn give_back_the_dead(&self) {
        let mut dead = Vec::new();
        self.lock().retain(|held| {
            let Some(held) = held.upgrade() else { return false };
            let mut zygote = held.lock();
            if zygote.as_ref().is_some_and(|zygote| zygote.get().is_gone()) {
                dead.extend(zygote.take());
            }
            zygote.is_some()
        });
        // Giving back takes its time, and others' locks.
        drop(dead);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whether it is there, with the imports as they are now.
    pub(crate) fn is_of_use(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|zygote| !zygote.get().is_gone() && !zygote.get().is_stale())
    }
}
