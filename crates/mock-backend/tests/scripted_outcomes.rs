//! Risk: a fault that a test asks for does not happen, or something else does, and the test proves nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mock_backend::{
    Cost, CostModel, Journal, MockBackend, MockEnvironment, MockError, Outcome, Script, Step, VirtualClock,
};
use pool_core::local::Pool;
use pool_core::{Clock as _, DropReason, Health, MissReason, Names as Imports, Resource as _};

const SECOND: u64 = 1_000_000_000;

/// A second and 100 bytes for each environment, and 10 bytes for good.
fn backend() -> MockBackend {
    MockBackend::new(CostModel::Constant(Cost { nanos: SECOND, weight: 100, residue: 10, assumed: false }))
}

fn pool(backend: &MockBackend) -> Pool<Imports, MockEnvironment> {
    Pool::builder().clock(backend.clock()).build()
}

fn lean() -> Imports {
    Imports::new(["Init", "Lean"])
}

fn panics<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("a panic was scripted");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn an_open_takes_its_cost_in_virtual_time_and_memory() {
    let backend = backend();
    let environment = backend.open(&lean()).unwrap();
    assert_eq!(backend.clock().nanos(), SECOND);
    assert_eq!((environment.number(), environment.imports().clone()), (1, lean()));
    assert_eq!((environment.weight(), environment.residue()), (100, 10));
    assert_eq!((backend.live(), backend.live_weight(), backend.residue()), (1, 100, 10));
    drop(environment);
    assert_eq!((backend.live(), backend.live_weight(), backend.residue()), (0, 0, 10), "residue stays");
}

#[test]
fn slow_takes_so_many_times_as_long() {
    let backend = backend();
    backend.script(Script::new().next(Step::Open, [Outcome::Slow(7)]).next(Step::Health, [Outcome::Slow(3)]));
    let mut environment = backend.open(&lean()).unwrap();
    assert_eq!(backend.clock().nanos(), 7 * SECOND);
    assert_eq!(environment.health(), Health::Reusable);
    assert_eq!(backend.clock().nanos(), 7 * SECOND + 3_000_000);
}

#[test]
fn fail_fails_an_open_and_breaks_a_resource() {
    let (backend, imports) = (backend(), lean());
    backend.script(Script::new().next(Step::Open, [Outcome::Fail]));
    let pool = pool(&backend);
    let open = |imports: &Imports| backend.open(imports);
    let error = pool.acquire(&imports, open).unwrap_err();
    let scripted = MockError::Scripted { imports: imports.clone() };
    assert_eq!(error.clone().into_open().as_deref(), Some(&scripted));
    assert_eq!(scripted.to_string(), "the script made the open of 'Init Lean' fail");
    assert!(error.to_string().starts_with("the open failed (key [\"Init\", \"Lean\"]; 0 idle"), "{error}");
    assert_eq!(backend.clock().nanos(), SECOND, "a failure takes its time too");

    drop(pool.acquire(&imports, open).unwrap());
    backend.script(Script::new().next(Step::Health, [Outcome::Fail]));
    assert_eq!(pool.acquire(&imports, open).unwrap().number(), 2);
    assert_eq!(pool.stats().idle_dropped.get(DropReason::Broken), 1);
    assert_eq!(pool.stats().misses.get(MissReason::Broken), 1);
}

#[test]
fn stale_opens_what_is_stale_or_makes_it_so_for_all_handles() {
    let (backend, imports) = (backend(), lean());
    backend.script(Script::new().next_of(&imports, Step::Open, [Outcome::Stale]));
    assert_eq!(backend.open(&imports).unwrap().health(), Health::Stale);

    let mut fine = backend.open(&imports).unwrap();
    let mut other = fine.clone();
    assert_eq!(other.health(), Health::Reusable);
    backend.script(Script::new().next(Step::Health, [Outcome::Stale]));
    assert_eq!((fine.health(), fine.health(), other.health()), (Health::Stale, Health::Stale, Health::Stale));
}

#[test]
fn panic_panics_in_each_step_and_loses_nothing() {
    let (backend, imports) = (backend(), lean());
    let pool: Pool<_, _> = Pool::builder().clock(backend.clock()).shared().build();
    let open = |imports: &Imports| backend.open(imports);
    for step in [Step::Open, Step::Weight, Step::Share, Step::Health, Step::Drop] {
        backend.script(Script::new().next(step, [Outcome::Panic]));
        let message = panics(|| {
            drop(pool.acquire(&imports, open));
            pool.drain();
        });
        assert_eq!(message, format!("the script made {step:?} of 'Init Lean' panic"));
        pool.assert_sound();
        pool.drain();
        assert_eq!(backend.live(), 0, "{step:?}");
    }
}

#[test]
fn never_hangs_until_it_is_abandoned() {
    let (backend, imports) = (backend(), lean());
    backend.script(Script::new().next(Step::Open, [Outcome::Never]));
    let opener = {
        let (backend, imports) = (backend.clone(), imports.clone());
        std::thread::spawn(move || backend.open(&imports).map(drop))
    };
    backend.wait_until_stuck(1);
    assert!(!opener.is_finished());
    backend.abandon();
    assert_eq!(opener.join().unwrap(), Err(MockError::Abandoned { imports }));
}

#[test]
fn clones_are_handles_to_one_environment() {
    let backend = backend();
    let shared = backend.open(&lean()).unwrap();
    let handle = shared.clone();
    drop(shared);
    assert_eq!((backend.live(), handle.number()), (1, 1), "one is enough to live");
    drop(handle);
    assert_eq!(backend.live(), 0);
}

#[test]
fn journal_tells_what_backend_and_pool_did_in_order() {
    let backend = backend();
    let journal = Journal::new(backend.clock());
    let backend = backend.with_journal(journal.clone());
    let pool: Pool<Imports, MockEnvironment> = Pool::builder()
        .capacity(pool_core::capacity::MaxIdle(1))
        .clock(backend.clock())
        .observer(journal.clone())
        .build();
    let open = |imports: &Imports| backend.open(imports);
    drop(pool.acquire(&lean(), open).unwrap());
    drop(pool.acquire(&["Init"], open).unwrap());
    backend.script(Script::new().next(Step::Open, [Outcome::Fail]));
    assert!(pool.acquire(&lean(), open).is_err());
    journal.write("the end");
    let expected = "\
1000000000\topen #1 Init Lean
1000000000\tpool opened Init Lean (cold, 1000000000 ns)
2000000000\topen #2 Init
2000000000\tpool opened Init (cold, 1000000000 ns)
2000000000\tpool dropped Init Lean (evicted)
2000000000\tdrop #1 Init Lean
3000000000\topen of Init Lean fails
3000000000\tpool could not open Init Lean
3000000000\tthe end
";
    assert_eq!(journal.text(), expected);
}

#[test]
fn virtual_time_passes_only_when_told_to_and_never_backwards() {
    let clock = VirtualClock::new();
    let same = clock.clone();
    clock.advance(5);
    clock.advance_to(3);
    assert_eq!(same.nanos(), 5);
    clock.advance_to(9);
    clock.advance(u64::MAX);
    assert_eq!(same.nanos(), u64::MAX);
}
