//! Saying that something long has begun, and that it has ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::cancel::LeanCancellationToken;
use crate::error::LeanError;

/// One observation of something that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeanProgressEvent {
    /// What is done: `import` or `check`.
    pub phase: &'static str,
    /// How much of it is done: 0 at the start, `total` when all is.
    pub current: u64,
    /// How much there is: for an import its list's length, for a check 1.
    pub total: Option<u64>,
    /// Time since it began.
    pub elapsed: Duration,
}

/// Hears of progress; any `Fn(LeanProgressEvent)` that is `Send + Sync` does.
///
/// Called on the thread that asked for the import or check, outside Lean and without a lock: it may use a pool. A panic is
/// contained: the work goes on, and that sink hears no more of it.
pub trait LeanProgressSink: Send + Sync {
    /// Hears of one event.
    fn report(&self, event: LeanProgressEvent);
}

impl<F: Fn(LeanProgressEvent) + Send + Sync> LeanProgressSink for F {
    fn report(&self, event: LeanProgressEvent) {
        self(event);
    }
}

/// Who may break off an import, and who hears how far it has come. The default is nobody.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// Asked before Lean is called and between its steps.
    pub cancellation: Option<&'a LeanCancellationToken>,
    /// Hears of start and end.
    pub progress: Option<&'a dyn LeanProgressSink>,
}

impl Watch<'_> {
    pub(crate) fn go_on(&self) -> Result<(), LeanError> {
        match self.cancellation {
            Some(token) if token.is_cancelled() => Err(LeanError::Cancelled),
            _ => Ok(()),
        }
    }

    /// Does `work`, with a report before and one after it, however it ends.
    pub(crate) fn phase<T>(
        &self,
        phase: &'static str,
        total: u64,
        work: impl FnOnce() -> Result<T, LeanError>,
    ) -> Result<T, LeanError> {
        self.go_on()?;
        let Some(sink) = self.progress else { return work() };
        let start = Instant::now();
        let report = |current| {
            let event = LeanProgressEvent { phase, current, total: Some(total), elapsed: start.elapsed() };
            catch_unwind(AssertUnwindSafe(|| sink.report(event))).is_ok()
        };
        let listens = report(0);
        // The sink may have cancelled.
        let done = self.go_on().and_then(|()| work());
        if listens {
            report(if done.is_ok() { total } else { 0 });
        }
        done
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut watch = f.debug_struct("Watch");
        watch.field("cancellation", &self.cancellation).field("progress", &self.progress.is_some()).finish()
    }
}
