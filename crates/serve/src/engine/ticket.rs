//! What whoever asked holds: answers come by it, and dropping it cancels the rest.

use lean_worker::CancelToken;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Checked, Engine, Event};
use crate::queue::Request;

/// A request that was accepted.
pub struct Ticket {
    engine: Engine,
    request: Request,
    cancel: CancelToken,
    events: UnboundedReceiver<Event>,
    left: usize,
}

impl Ticket {
    pub(super) fn new(
        engine: Engine,
        request: Request,
        cancel: CancelToken,
        events: UnboundedReceiver<Event>,
        left: usize,
    ) -> Self {
        Self { engine, request, cancel, events, left }
    }

    /// What happens next; `None` once every file has its answer.
    pub async fn next(&mut self) -> Option<Event> {
        if self.left == 0 {
            return None;
        }
        let event = self.events.recv().await?;
        if matches!(event, Event::Ended(..)) {
            self.left -= 1;
        }
        Some(event)
    }

    /// All answers, in the order of the files.
    pub async fn all(mut self) -> Vec<Checked> {
        let mut all: Vec<Option<Checked>> = (0..self.left).map(|_| None).collect();
        while let Some(event) = self.next().await {
            if let Event::Ended(index, checked) = event {
                all[index] = Some(*checked);
            }
        }
        all.into_iter().flatten().collect()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.left > 0 {
            self.engine.give_up(self.request, &self.cancel);
        } else {
            self.engine.forget(self.request);
        }
    }
}
