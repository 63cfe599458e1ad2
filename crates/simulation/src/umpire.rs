//! What is looked at after each step of a schedule, and at its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::config::Faults;
use crate::schedule::Scene;
use crate::thing::Injected;
use crate::world::{self, Umpire};

/// What `f` panicked with, if that was not meant to be.
pub(crate) fn guarded(f: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result,
        Err(payload) if payload.is::<Injected>() => Ok(()),
        Err(_) => Err(crate::last_panic()),
    }
}

impl Umpire for Rc<Scene> {
    fn check(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        guarded(|| {
            self.pool.assert_sound();
            if self.config.faults < Faults::Policies {
                self.pool.assert_served(self.config.gives_up());
            }
            self.check_limits()
        })
        .map_err(|what| format!("{what}\n{}", self.pool.describe()))
    }

    fn unblock(&mut self) -> Result<(), String> {
        let step = world::steps();
        if self.leaked.get() == 0 || self.gave_up.replace(Some(step)) == Some(step) {
            return Err(format!("nobody can go on:\n{}", self.pool.describe()));
        }
        world::note(|| "all who wait for leases that were leaked give up".to_owned());
        for token in &self.tokens {
            token.take().cancel();
        }
        Ok(())
    }
}

impl Scene {
    /// Limits, by what really lives.
    fn check_limits(&self) -> Result<(), String> {
        let Self { ledger, config, .. } = self;
        let (opening, usage) = (ledger.opening.get(), self.pool.usage());
        if config.changes.is_some() {
            // What is leased under a limit that is lowered goes on.
            return Ok(());
        }
        let (live, weight) = ledger.live();
        let met = |kind: &str, is: u64| match config.limit(kind) {
            Some(limit) if is > limit => Err(format!("{kind}({limit}) is exceeded: {is} with {usage}")),
            _ => Ok(()),
        };
        met("MaxLive", live + opening)?;
        met("MaxIdle", usage.idle)?;
        if config.exact_weights {
            met("MaxLiveWeight", weight)?;
        }
        if config.faults == Faults::Opens {
            met("MaxOpens", ledger.opened() + opening)?;
        }
        Ok(())
    }

    /// Nobody waits at the end, and the books agree.
    pub(crate) fn end(scene: Rc<Self>) -> Result<(), String> {
        let holds = |what: &str, holds: bool| {
            if holds { Ok(()) } else { Err(format!("at the end: {what}; {}", scene.pool.describe())) }
        };
        if let Some(wrong) = scene.wrong.take() {
            return Err(wrong);
        }
        let (usage, stats, leaked) = (scene.pool.usage(), scene.pool.stats(), scene.leaked.get());
        let is_left = |count: u64| if scene.config.shared { count <= leaked } else { count == leaked };
        holds("nobody waits", usage.waiting == 0)?;
        holds("nothing is opened or dropped", usage.opening + usage.dropping == 0)?;
        holds("only what was leaked is leased", is_left(usage.leased))?;
        holds("every acquire has ended", stats.acquired() == stats.ended() + leaked)?;
        holds("every open was counted", stats.opened() <= scene.ledger.opened())?;
        if scene.config.faults == Faults::Opens {
            holds("every open was counted once", stats.opened() == scene.ledger.opened())?;
        }
        let idle = scene.pool.drain() as u64;
        holds("all that was idle was drained", idle == usage.idle)?;
        scene.outside.take();
        holds("all else is gone", is_left(scene.ledger.live().0))?;
        scene.pool.assert_sound();
        let ledger = Rc::clone(&scene.ledger);
        let scene = Rc::try_unwrap(scene).map_err(|_| "somebody still holds the pool".to_owned())?;
        drop(scene);
        let alive = ledger.opened() - ledger.dropped();
        if alive > leaked { Err(format!("{alive} live on, and {leaked} were leaked")) } else { Ok(()) }
    }
}
