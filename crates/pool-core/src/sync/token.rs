use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lock::{AtomicBool, Lock, Parking};

/// Tells acquires that nobody wants them any more. Clones are the same token; a cancelled one stays so.
///
/// ```
/// use pool_core::sync::CancellationToken;
/// let token = CancellationToken::new();
/// token.clone().cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct CancellationToken(Arc<Inner>);

struct Inner {
    /// Set under the lock, so that nobody parks after the last who was parked has been woken.
    cancelled: AtomicBool,
    parked: Lock<Vec<Arc<Parking>>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { cancelled: AtomicBool::new(false), parked: Lock::new(Vec::new()) }
    }
}

impl CancellationToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels it, and wakes all acquires that wait with it.
    pub fn cancel(&self) {
        let parked = {
            let mut parked = self.parked();
            self.0.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut *parked)
        };
        parked.iter().for_each(|parking| parking.unpark());
    }

    /// Whether it was cancelled. Reads one atomic.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Has `parking` woken when this is cancelled, until what is returned is dropped. At once, if it is already.
    pub(super) fn wakes(&self, parking: &Arc<Parking>) -> Wakes<'_> {
        let mut parked = self.parked();
        if self.is_cancelled() {
            parking.unpark();
        } else {
            parked.push(Arc::clone(parking));
        }
        drop(parked);
        Wakes { token: self, parking: Arc::clone(parking) }
    }

    fn parked(&self) -> super::lock::Held<'_, Vec<Arc<Parking>>> {
        self.0.parked.lock().expect("nothing that runs under this lock comes here again")
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

pub(super) struct Wakes<'t> {
    token: &'t CancellationToken,
    parking: Arc<Parking>,
}

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        self.token.parked().retain(|parking| !Arc::ptr_eq(parking, &self.parking));
    }
}
