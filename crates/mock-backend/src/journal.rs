//! Everything that happened, as text.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use pool_core::{Clock as _, Event, Names as Imports, Observer};

use crate::clock::VirtualClock;

/// A text with a line for each event, in order: nanoseconds of virtual time, a tab, what happened. Two runs of the
/// same trace give the same bytes. Clones write to the same text.
///
/// It can also be a pool's [`Observer`], and then holds the pool's decisions between the backend's events.
#[derive(Clone, Debug)]
pub struct Journal {
    text: Arc<Mutex<String>>,
    clock: VirtualClock,
}

impl Journal {
    /// An empty journal by that clock, which should be the backend's.
    #[must_use]
    pub fn new(clock: VirtualClock) -> Self {
        Self { text: Arc::default(), clock }
    }

    /// Adds a line of your own.
    pub fn write(&self, line: impl fmt::Display) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(text, "{}\t{line}", self.clock.nanos());
    }

    /// What was written so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer<Imports> for Journal {
    fn observe(&self, event: Event<'_, Imports>) {
        match event {
            Event::Opened { key, reason, opened } => {
                self.write(format_args!("pool opened {key} ({reason}, {} ns)", opened.cost_nanos));
            }
            Event::OpenFailed { key } => self.write(format_args!("pool could not open {key}")),
            Event::Refused { key, by } => self.write(format_args!("pool refused {key} by {by}")),
            Event::Dropped { key, reason } => self.write(format_args!("pool dropped {key} ({reason})")),
            // Events that a later pool-core may add.
            other => self.write(format_args!("pool {other:?}")),
        }
    }
}
