//! What can be seen of a zygote by whoever does not keep it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Shared, Zygote};

/// A zygote that somebody else may have: this keeps none.
#[derive(Clone)]
pub(crate) struct Weak(std::sync::Weak<Shared>);

/// What is seen.
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) uses: u64,
    pub(crate) age: Duration,
    pub(crate) children: usize,
}

impl Zygote {
    pub(crate) fn weak(&self) -> Weak {
        Weak(Arc::downgrade(&self.0.shared))
    }

    /// A check is given to it.
    pub(crate) fn used(&self) {
        self.0.shared.uses.fetch_add(1, Ordering::Relaxed);
    }
}

impl Weak {
    pub(crate) fn look(&self) -> Option<Seen> {
        // This is not what ends the zygote when it is dropped: whoever looks never waits for that.
        let shared = self.0.upgrade()?;
        let state = shared.lock();
        if state.gone.is_some() || state.is_closed {
            return None;
        }
        Some(Seen {
            bytes: shared.bytes.load(Ordering::Relaxed),
            uses: shared.uses.load(Ordering::Relaxed),
            age: shared.began.elapsed(),
            children: state.forked.values().filter(|child| child.ended.is_none()).count(),
        })
    }
}
