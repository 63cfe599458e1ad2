//! Risk: a policy that panics, lies, or uses the pool breaks the books, the limits, or the pool for good.

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdle, MaxLive};
use pool_core::eviction::{Fifo, IdleTimeout, Lru, MaxAge, RejectIncoming};
use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{EntryId, Eviction, Health, Id, KeyId, Now, Removal, Returned, Victim};
use support::faulty::{Faulty, FaultyCapacity, HOOKS, Plan};
use support::{
    Act, Ledger, Thing, Things, assert_usable, caught, fill, hit, no_open, panic_of, while_unwinding,
};

const IDLE: u64 = 2;
const LIVE: u64 = 4;

/// Steps of all kinds, the same each time, under limits that are checked after each, on exclusive resources or, as the plan
/// has it, shared ones. Returns how many steps panicked. The policies have to count as calm afterwards.
fn mixed_steps(plan: &Rc<Plan>, eviction: impl Eviction<u32> + 'static) -> u32 {
    let (time, ledger) = (Rc::new(Cell::new(0)), Ledger::default());
    let clock = Rc::clone(&time);
    let builder = Pool::builder()
        .capacity(FaultyCapacity(Both(MaxIdle(IDLE), MaxLive(LIVE)), Rc::clone(plan)))
        .eviction(eviction)
        .clock(move || clock.get())
        .remembered_keys(2);
    let pool: Things = if plan.shared.get() { builder.shared() } else { builder }.build();
    let (mut leases, mut panics, mut random) = (Vec::<Lease<u32, Thing>>::new(), 0, 0x9E37_79B9_u64);
    for step in 0..240_u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (key, what) = ((random >> 32) as u32 % 6, (random >> 20) % 16);
        let last = (what > 8).then(|| leases.pop()).flatten();
        let open = ledger.open();
        let result = caught(|| match (what, last) {
            (0..=6, _) => leases.extend(pool.acquire(&key, open).ok()),
            (7, _) => drop(pool.acquire(&key, |_| Err("no"))),
            (8, _) if step % 3 == 0 => drop(pool.drain()),
            (8, _) => assert!(pool.evict_expired() <= IDLE),
            (9, Some(lease)) => LeaseOf::discard(lease),
            (10, Some(lease)) => drop(LeaseOf::into_inner(lease)),
            (11, Some(lease)) => lease.knobs().health.set(Health::Stale),
            (12, Some(_lease)) => panic!("expected panic of the user"),
            (_, lease) => drop(lease),
        });
        panics += u32::from(result.is_err_and(|message| !message.ends_with("of the user")));
        time.set(time.get() + 10);
        pool.assert_sound();
        let usage = pool.usage();
        assert!(usage.idle <= IDLE && usage.live() <= LIVE && usage.opening == 0, "step {step}: {usage}");
        assert_eq!(ledger.live(), usage.live(), "step {step}");
    }
    plan.calm();
    drop(leases);
    assert_usable(&pool, &ledger, &1);
    drop(pool);
    ledger.assert_all_dropped_once();
    panics
}

fn expiring<P>(inner: P) -> IdleTimeout<MaxAge<P>> {
    IdleTimeout::new(Duration::from_nanos(90), MaxAge::new(Duration::from_nanos(400), inner))
}

/// How often an undisturbed run calls `hook`, on shared resources or exclusive ones.
fn calls(hook: &'static str, shared: bool) -> u32 {
    let plan = Rc::<Plan>::default();
    plan.shared.set(shared);
    assert_eq!(mixed_steps(&plan, Faulty::new(&plan, expiring(Lru::new()))), 0);
    let calls = plan.calls.borrow().get(hook).copied().unwrap_or(0);
    assert!(calls > if shared { 1 } else { 5 }, "{hook} is called {calls} times");
    calls
}

#[test]
fn eviction_that_panics_once_in_any_hook_at_any_call_costs_no_more_than_that_step() {
    for (hook, shared) in HOOKS.into_iter().flat_map(|hook| [(hook, false), (hook, true)]) {
        let calls = calls(hook, shared);
        for nth in (1..20).chain((20..=calls).step_by(11)).filter(|&nth| nth < calls / 2) {
            for after in [false, true] {
                let plan = Rc::<Plan>::default();
                plan.shared.set(shared);
                plan.once.set(Some((hook, nth)));
                let policy = Faulty { after, ..Faulty::new(&plan, expiring(Lru::new())) };
                let panics = mixed_steps(&plan, policy);
                assert_eq!(panics, u32::from(!plan.hidden.get()), "call {nth} of {hook} reaches one caller");
                plan.once.set(Some((hook, nth)));
                mixed_steps(&plan, Faulty { after, ..Faulty::new(&plan, expiring(Fifo::new())) });
                plan.once.set(Some((hook, nth)));
                mixed_steps(&plan, Faulty { after, ..Faulty::new(&plan, RejectIncoming) });
            }
        }
    }
}

#[test]
fn eviction_that_panics_in_a_hook_each_time_keeps_the_limits() {
    for hook in HOOKS {
        let plan = Rc::<Plan>::default();
        let act: Act = Rc::new(move |name| assert!(name != hook, "expected panic in {name}"));
        *plan.act.borrow_mut() = Some(act);
        assert!(mixed_steps(&plan, Faulty::new(&plan, expiring(Fifo::new()))) > 5, "{hook}");
    }
}

#[test]
fn policies_that_panic_in_all_hooks_always_keep_the_limits() {
    let plan = Rc::<Plan>::default();
    plan.always.set(true);
    assert!(mixed_steps(&plan, Faulty::new(&plan, Lru::new())) > 100);
}

#[test]
fn capacity_that_panics_in_admit_or_keep_refuses_and_keeps_the_limits() {
    for hook in ["admit", "keep"] {
        for nth in 1..=calls(hook, false).min(25) {
            let plan = Rc::<Plan>::default();
            plan.once.set(Some((hook, nth)));
            let panics = mixed_steps(&plan, Faulty::new(&plan, Lru::new()));
            assert_eq!(panics, u32::from(!plan.hidden.get()), "call {nth} of {hook} reaches one caller");
        }
        let plan = Rc::<Plan>::default();
        let act: Act = Rc::new(move |name| assert!(name != hook, "expected panic in {name}"));
        *plan.act.borrow_mut() = Some(act);
        assert!(mixed_steps(&plan, Faulty::new(&plan, Lru::new())) > 5, "{hook}, always");
    }
}

#[test]
fn policy_panics_while_the_core_owns_a_resource_whose_drop_uses_the_pool() {
    for hook in ["on_release", "on_remove", "keep", "victim", "expired", "on_open", "on_acquire"] {
        let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
        let capacity = FaultyCapacity(MaxIdle(1), Rc::clone(&plan));
        let eviction = Faulty::new(&plan, Lru::new());
        let pool: Rc<Things> = Rc::new(Pool::builder().capacity(capacity).eviction(eviction).build());
        let (weak, books, used) = (Rc::downgrade(&pool), ledger.clone(), Rc::new(Cell::new(0)));
        let count = Rc::clone(&used);
        let open = ledger.open_with(move |knobs| {
            let (weak, books, count) = (weak.clone(), books.clone(), Rc::clone(&count));
            knobs.when_asked(move |what| {
                if what == "drop" {
                    let pool = weak.upgrade().expect("the pool lives on");
                    assert!(pool.acquire(&9, books.open()).is_ok());
                    pool.drain();
                    count.set(count.get() + 1);
                }
            });
        });
        drop(pool.acquire(&1, &open).unwrap());
        plan.once.set(Some((hook, 1)));
        let result = caught(|| {
            drop(pool.acquire(&1, &open).unwrap());
            drop(pool.acquire(&2, &open).unwrap()); // evicts
        });
        assert_eq!(result, Err(format!("expected panic in {hook}")));
        pool.drain();
        assert_eq!((used.get() > 0, ledger.live()), (true, 0), "{hook}");
        assert_usable(&pool, &ledger, &1);
    }
}

/// Names whatever it is told to, over and over, until the plan is calm.
struct Names<F>(Rc<Plan>, F);

impl<F: Fn() -> Option<usize>> Names<F> {
    fn name(&self) -> Option<EntryId> {
        self.0.act.borrow().as_ref().and_then(|_| self.1()).map(EntryId::from_index)
    }
}

impl<F: Fn() -> Option<usize>> Eviction<u32> for Names<F> {
    fn needs_clock(&self) -> bool {
        true
    }
    fn on_acquire(&mut self, _: EntryId, _: KeyId, _: Now) {}
    fn on_release(&mut self, _: EntryId, _: KeyId, _: &Returned, _: Now) {}
    fn on_remove(&mut self, _: EntryId, _: KeyId, _: Removal) {}
    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        self.name().map(Victim::Entry)
    }
    fn expired(&mut self, _: Now) -> Option<EntryId> {
        self.name()
    }
}

#[test]
fn policy_that_names_leased_unknown_or_the_same_entries_keeps_limits_and_leases() {
    let check = |name: Box<dyn Fn() -> Option<usize>>| {
        let plan = Rc::<Plan>::default();
        *plan.act.borrow_mut() = Some(Rc::new(|_| ()));
        assert_eq!(mixed_steps(&plan, Names(Rc::clone(&plan), name)), 0);
    };
    for same in [0, 1, 2, 3, 77, u32::MAX as usize - 2] {
        check(Box::new(move || Some(same)));
    }
    let next = Cell::new(0);
    check(Box::new(move || {
        next.set((next.get() + 5) % 7);
        Some(next.get())
    }));
    check(Box::new(|| None));
}

#[test]
fn victim_that_is_not_idle_is_replaced_by_one_of_the_pools_own_choice() {
    for wrong in [0, 77] {
        let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
        let names = Names(Rc::clone(&plan), move || Some(wrong));
        let pool: Things = Pool::builder().capacity(MaxLive(2)).eviction(names).build();
        let lease = pool.acquire(&1, ledger.open()).unwrap(); // entry 0
        fill(&pool, &ledger, &[2]);
        *plan.act.borrow_mut() = Some(Rc::new(|_| ()));
        assert_eq!(pool.acquire(&3, ledger.open()).map(|lease| lease.id()), Ok(3), "2 made room");
        assert_eq!((lease.id(), ledger.dropped()), (1, vec![2]));
        plan.calm();
        drop(lease);
        pool.assert_sound();
        assert_eq!((hit(&pool, &1), hit(&pool, &3)), (1, 3));
    }
}

type Kept = Rc<RefCell<Option<Lease<u32, Thing>>>>;

/// A pool that a policy can refer to.
fn leaked(plan: &Rc<Plan>) -> &'static Things {
    let capacity = FaultyCapacity(Both(MaxIdle(1), MaxLive(3)), Rc::clone(plan));
    let eviction = Faulty::new(plan, Lru::new());
    Box::leak(Box::new(Pool::builder().capacity(capacity).eviction(eviction).remembered_keys(0).build()))
}

#[test]
fn lease_dropped_inside_any_hook_is_taken_in_as_soon_as_the_borrow_ends() {
    for hook in HOOKS.into_iter().chain(["admit", "keep"]) {
        let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
        let pool = leaked(&plan);
        fill(pool, &ledger, &[1]);
        let kept: Kept = Rc::new(RefCell::new(Some(pool.acquire(&2, ledger.open()).unwrap())));
        let taken = Rc::clone(&kept);
        let act: Act = Rc::new(move |name| drop((name == hook).then(|| taken.borrow_mut().take())));
        *plan.act.borrow_mut() = Some(act);
        hit(pool, &1); // on_acquire, on_release, keep, expired
        fill(pool, &ledger, &[3]); // the others: 1 is evicted and forgotten
        assert!(kept.borrow().is_none(), "{hook} was called");
        assert_eq!((pool.usage().leased, ledger.live()), (0, pool.len() as u64), "{hook}");
        plan.calm();
        assert_usable(pool, &ledger, &1);
    }
}

#[test]
fn max_idle_is_asked_when_the_pool_is_built_and_never_inside_the_borrow() {
    let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
    let pool = leaked(&plan);
    *plan.act.borrow_mut() = Some(Rc::new(|name| assert!(name != "max_idle", "asked for {name}")));
    drop(pool.acquire(&1, ledger.open()).unwrap());
    assert_eq!(pool.bounds().entries, Some(1));
    assert!(format!("{pool:?}").contains("capacity: Some(1)"));
}

#[test]
fn pool_used_from_a_hook_panics_with_a_message_that_says_so_and_goes_on() {
    let uses: [fn(&'static Things); 8] = [
        |pool| drop(pool.acquire(&1, no_open)),
        |pool| drop(pool.acquire_warm(&1)),
        |pool| assert!(pool.is_warm(&1)),
        |pool| assert!(pool.drain() > 9),
        |pool| assert!(pool.evict_expired() > 9),
        |pool| assert!(pool.is_empty()),
        |pool| assert!(pool.stats().drains > 9),
        |pool| panic!("expected panic: {pool:?} was used from inside itself"),
    ];
    for (number, used) in uses.into_iter().enumerate() {
        for hook in HOOKS.into_iter().chain(["admit", "keep"]) {
            let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
            let pool = leaked(&plan);
            fill(pool, &ledger, &[1]);
            let act: Act = Rc::new(move |name| {
                if name == hook {
                    used(pool);
                }
            });
            *plan.act.borrow_mut() = Some(act);
            let message = panic_of(|| {
                hit(pool, &1);
                fill(pool, &ledger, &[3]);
            });
            assert!(message.contains("used from inside itself"), "use {number} in {hook}: {message}");
            plan.calm();
            assert_eq!(ledger.live(), pool.usage().live());
            assert_usable(pool, &ledger, &1);
        }
    }
}

/// Else it lies idle, cannot be named as victim, and no other key can be opened.
#[test]
fn entry_whose_open_or_release_its_policy_missed_does_not_block_the_pool() {
    for (hook, survives) in [("on_open", false), ("on_open", true), ("on_release", false)] {
        let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
        let inner: Box<dyn Eviction<u32>> =
            if hook == "on_open" { Box::new(Fifo::new()) } else { Box::new(Lru::new()) };
        let eviction = Faulty::new(&plan, inner);
        let pool: Things = Pool::builder().capacity(MaxLive(1)).eviction(eviction).build();
        plan.once.set(Some((hook, 1)));
        let open = ledger.open_with(|knobs| knobs.survives_panic.set(survives));
        assert_eq!(panic_of(|| drop(pool.acquire(&1, open))), format!("expected panic in {hook}"));
        pool.assert_sound();
        assert_eq!(pool.acquire(&2, ledger.open()).map(|lease| lease.id()), Ok(2), "{hook}, {survives}");
        assert_usable(&pool, &ledger, &2);
    }
}

#[test]
fn acquire_while_unwinding_passes_a_policys_panic_on_and_takes_no_place() {
    for hook in ["admit", "keep", "on_key", "on_open", "on_acquire", "on_release"] {
        let (plan, ledger) = (Rc::<Plan>::default(), Ledger::default());
        let pool = leaked(&plan);
        plan.once.set(Some((hook, 1)));
        let result = while_unwinding(|| {
            caught(|| {
                drop(pool.acquire(&1, ledger.open()).unwrap());
                drop(pool.acquire(&1, ledger.open()).unwrap());
            })
        });
        // What panics in the `Drop` of a lease is kept from ending the process.
        let hidden = hook == "on_release";
        assert_eq!(result, if hidden { Ok(()) } else { Err(format!("expected panic in {hook}")) });
        assert_eq!((pool.usage().leased, pool.usage().opening), (0, 0), "{hook}");
        assert_usable(pool, &ledger, &1);
    }
}

/// What a panic carries is dropped, and that is user code: of each panic of one event, not only of the first.
#[test]
fn what_the_second_panic_of_an_event_carries_is_dropped_outside() {
    type Shared = Rc<RefCell<Option<Pool<u32, Thing>>>>;
    type Look = Option<Box<dyn Fn() -> u64>>;
    struct Payload;
    thread_local! {
        static OUTSIDE: RefCell<(Look, Vec<u64>)> = RefCell::default();
    }
    impl Drop for Payload {
        fn drop(&mut self) {
            OUTSIDE.with_borrow_mut(|(look, seen)| {
                let leased = look.as_ref().map(|look| look());
                seen.extend(leased);
            });
        }
    }
    struct Panics(Shared);
    impl Panics {
        fn go_off(&self) {
            if self.0.borrow().is_some() {
                std::panic::resume_unwind(Box::new(Payload));
            }
        }
    }
    impl Eviction<u32> for Panics {
        fn on_acquire(&mut self, _: EntryId, _: KeyId, _: Now) {}
        fn on_release(&mut self, _: EntryId, _: KeyId, _: &Returned, _: Now) {
            self.go_off();
        }
        fn on_remove(&mut self, _: EntryId, _: KeyId, _: Removal) {
            self.go_off();
        }
        fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
            incoming.map(Victim::Entry)
        }
    }
    let (armed, ledger) = (Shared::default(), Ledger::default());
    let pool: Pool<u32, Thing> =
        Pool::builder().capacity(MaxLive(2)).eviction(Panics(Rc::clone(&armed))).build();
    let lease = pool.acquire(&1, ledger.open()).unwrap();
    let seen_by = pool.clone();
    OUTSIDE.with_borrow_mut(|(look, _)| *look = Some(Box::new(move || seen_by.usage().leased)));
    *armed.borrow_mut() = Some(pool.clone());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(lease)));
    *armed.borrow_mut() = None;
    assert!(panic.is_err_and(|payload| payload.is::<Payload>()));
    let (look, seen) = OUTSIDE.take();
    drop(look);
    assert_eq!(seen, [0, 0], "the pool could be used each time");
    pool.assert_sound();
}
