//! A request of the REPL in a child.

use std::io::Read as _;

use super::talk::{Cut, End, Phase, Talk, Topic};
use super::{Child, Times};
use crate::cancel::CancelToken;
use crate::interrupt::Interrupt;
use crate::protocol::{Answered, Ask, line};
use crate::request::Heard;
use crate::verdict::{Cause, Death};
use crate::zygote::Gone;

/// What came of a request. But for [`Answered`](Replied::Answered) and [`CameBack`](Replied::CameBack) the child is of no use any more.
pub(crate) enum Replied {
    Answered(Answered),
    /// Its time was over, or it was interrupted, and it has left nothing behind.
    CameBack,
    /// It did not come back, and was killed.
    Killed,
    Died(Death),
    ZygoteGone(Gone),
    /// The session has ended.
    Cancelled,
}

impl Child {
    /// Has a request answered. The child works in `folder`.
    pub(crate) fn reply(
        &mut self,
        ask: &Ask<'_>,
        folder: &str,
        times: Times,
        interrupt: &Interrupt,
        cancel: &CancelToken,
    ) -> Replied {
        let mut settings = self.shared.limits.child();
        settings.folder = Some(folder.to_owned());
        // A session's requests may take as much as they need in all; each has its own time.
        settings.cpu = None;
        let mut nothing = |_: Heard<'_>| ();
        let mut talk = Talk::new(Topic::Repl, times, self.shared.limits.said, &mut nothing);
        talk.interrupt = Some(interrupt);
        let answered = match self.ask(&line(None, ask), settings, &mut talk, cancel) {
            Some(End::Repl(answered)) => Some(answered),
            _ => None,
        };
        match (answered, talk.phase) {
            (Some(Answered { cancelled: true, .. }), Phase::Cancelling) => Replied::CameBack,
            (Some(answered), _) => {
                // For what the pool counts.
                self.may_go_on();
                Replied::Answered(answered)
            }
            (None, _) if cancel.is_cancelled() => Replied::Cancelled,
            (None, Phase::Killed(Cut::Late) | Phase::Stuck(Cut::Late)) => Replied::Killed,
            (None, Phase::Killed(Cut::Wrong(cause)) | Phase::Stuck(Cut::Wrong(cause))) => {
                Replied::Died(Death::without_words(cause))
            }
            (None, _) => self.end(),
        }
    }

    /// What is the matter with one that is not quiet.
    pub(crate) fn end_unasked(&self) -> Replied {
        if matches!((&*self.stream).read(&mut [0]), Ok(1)) || !self.lines.rest().is_empty() {
            return self.lied("it says something that it was not asked".to_owned());
        }
        self.end()
    }

    /// How it ended, whose stream has.
    fn end(&self) -> Replied {
        match self.death() {
            Ok(death) => Replied::Died(death),
            Err(gone) => Replied::ZygoteGone(gone),
        }
    }

    /// It has said what is not so: nothing that it says is wanted any more.
    pub(crate) fn lied(&self, what: String) -> Replied {
        self.shared.kill(self.id);
        Replied::Died(Death::without_words(Cause::Protocol(what)))
    }
}
