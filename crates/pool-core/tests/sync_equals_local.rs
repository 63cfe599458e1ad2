//! Risk: the pool for many threads decides otherwise than the pool for one, which the naive model of `tests/model.rs` vouches for.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::Cell;

use pool_core::capacity::{Both, MaxIdleWeight, MaxLive};
use pool_core::eviction::Worth;
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, Clock, Health, Resource, Stats, Usage, Waits, local, sync};
use proptest::prelude::*;
use watchdog::watchdog;

/// Each look is a nanosecond later, in both pools alike.
#[derive(Default)]
struct Ticks(std::sync::atomic::AtomicU64);

impl Clock for Ticks {
    fn nanos(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}

#[derive(Clone, Debug)]
struct Thing {
    number: u64,
    broken: Cell<bool>,
}

impl Resource for Thing {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        self.number % 5
    }

    fn health(&mut self) -> Health {
        if self.broken.get() { Health::Broken } else { Health::Reusable }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Acquire { key: u32, fails: bool },
    Release(usize),
    Break(usize),
    Discard(usize),
    Detach(usize),
    Drain,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..6_u32, prop::bool::weighted(0.1)).prop_map(|(key, fails)| Op::Acquire { key, fails }),
        5 => any::<usize>().prop_map(Op::Release),
        1 => any::<usize>().prop_map(Op::Break),
        1 => any::<usize>().prop_map(Op::Discard),
        1 => any::<usize>().prop_map(Op::Detach),
        1 => Just(Op::Drain),
    ]
}

/// What is to be seen of a pool after each step. What only the one for threads counts is left out.
type Seen = (Option<Result<(bool, u64), String>>, Usage, Stats);

/// Both pools have the same methods, but for one name.
macro_rules! run {
    ($module:ident, $acquire:ident, $shared:literal, $ops:expr) => {{
        let builder = $module::Pool::builder()
            .capacity(Both(MaxLive(4), MaxIdleWeight(8)))
            .eviction(Worth::new())
            .remembered_keys(3)
            .clock(Ticks::default());
        let pool: $module::Pool<u32, Thing> = if $shared { builder.shared() } else { builder }.build();
        let (mut opened, mut leases, mut seen): (u64, Vec<_>, Vec<Seen>) = (0, Vec::new(), Vec::new());
        for op in $ops {
            let mut outcome = None;
            let place = |place: &usize, leases: &Vec<_>| (!leases.is_empty()).then(|| place % leases.len());
            match op {
                Op::Acquire { key, fails } => {
                    let acquired = pool.$acquire(key, |_| {
                        opened += 1;
                        if *fails {
                            Err("no")
                        } else {
                            Ok(Thing { number: opened, broken: Cell::new(false) })
                        }
                    });
                    outcome = Some(match acquired {
                        Ok(lease) => {
                            let what = (LeaseOf::was_hit(&lease), lease.number);
                            leases.push(lease);
                            Ok(what)
                        }
                        Err(AcquireError::Open { error, .. }) => Err(error.to_string()),
                        Err(error) => Err(error.to_string()),
                    });
                }
                Op::Release(at) => drop(place(at, &leases).map(|at| leases.remove(at))),
                Op::Break(at) => {
                    place(at, &leases).into_iter().for_each(|at| leases[at].broken.set(true));
                }
                Op::Discard(at) => {
                    place(at, &leases).into_iter().for_each(|at| LeaseOf::discard(leases.remove(at)));
                }
                Op::Detach(at) => {
                    place(at, &leases)
                        .into_iter()
                        .for_each(|at| drop(LeaseOf::into_inner(leases.remove(at))));
                }
                Op::Drain => drop(pool.drain()),
            }
            pool.assert_sound();
            let mut stats = pool.stats();
            stats.waits = Waits::default();
            seen.push((outcome, pool.usage(), stats));
        }
        drop(leases);
        seen
    }};
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_thread_sees_no_difference(ops in prop::collection::vec(op(), 1..80)) {
        let _watchdog = watchdog();
        let (one, many) = (run!(local, acquire, false, &ops), run!(sync, try_acquire, false, &ops));
        for (step, (one, many)) in one.iter().zip(&many).enumerate() {
            prop_assert_eq!(one, many, "exclusive, step {}", step);
        }
        let (one, many) = (run!(local, acquire, true, &ops), run!(sync, try_acquire, true, &ops));
        for (step, (one, many)) in one.iter().zip(&many).enumerate() {
            prop_assert_eq!(one, many, "shared, step {}", step);
        }
    }
}
