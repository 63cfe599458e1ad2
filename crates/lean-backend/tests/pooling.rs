//! Risk: a pool gives out an environment that is stale, imports what it has, or holds what it should have let go.
#![cfg(any(lean_library, feature = "abi-model"))]

mod support;

use std::thread;

use lean_backend::{
    CheckOptions, Environment, EnvironmentKey, EnvironmentQuery, ImportOptions, LeanError, Regions,
    SharedEnvironment, Watch,
};
use pool_core::capacity::MaxIdle;
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, Resource, local, sync};
use support::{interned, options, runtime};

fn open(key: &EnvironmentKey) -> Result<SharedEnvironment, LeanError> {
    SharedEnvironment::import(runtime(), &key.options, &key.words(), &Watch::default())
}

/// Imports until one took memory: what the process has already may be used again, and then there is nothing to tell apart.
fn one_that_took_memory(mut import: impl FnMut(usize) -> SharedEnvironment) -> SharedEnvironment {
    let mut others = Vec::new();
    for round in 0..1000 {
        let environment = import(round);
        if environment.bytes_taken() > 0 {
            return environment;
        }
        others.push(environment);
    }
    panic!("1000 imports took no memory");
}

on_lean! {
    fn leases_of_a_key_share_one_import() {
        let options = interned();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> = local::Pool::builder().capacity(MaxIdle(2)).shared().build();
        let query = EnvironmentQuery { options: &options, imports: &["Init"] };
        let first = pool.acquire(query, open).unwrap();
        let second = pool.acquire(query, |_| panic!("a second import")).unwrap();
        assert!(!LeaseOf::was_hit(&first) && LeaseOf::was_hit(&second));
        drop((first, second));
        assert!(LeaseOf::was_hit(&pool.acquire(query, |_| panic!("a third import")).unwrap()));
        assert_eq!((pool.stats().opened(), pool.stats().reused), (1, 2));
    }

    fn environments_of_one_thread_are_pooled_on_it() {
        runtime()
            .run(|thread| {
                let options = interned();
                let pool: local::Pool<EnvironmentKey, Environment<'_>> = local::Pool::builder().capacity(MaxIdle(2)).shared().build();
                let query = EnvironmentQuery { options: &options, imports: &["Init"] };
                for round in 0..3 {
                    let open = |key: &EnvironmentKey| Environment::import(thread, &key.options, &key.words());
                    let lease = pool.acquire(query, open).unwrap();
                    assert_eq!(LeaseOf::was_hit(&lease), round > 0);
                    assert!(lease.contains("Nat"));
                }
                assert_eq!(pool.drain(), 1);
            })
            .unwrap();
    }

    fn options_tell_keys_apart() {
        let shared = interned();
        let isolated = ImportOptions { regions: Regions::Isolated, ..options() }.into();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> = local::Pool::builder().capacity(MaxIdle(4)).shared().build();
        for options in [&shared, &isolated] {
            for imports in [&["Init"][..], &["public Init"], &["module", "public Init"]] {
                let query = EnvironmentQuery { options, imports };
                assert!(!LeaseOf::was_hit(&pool.acquire(query, open).unwrap()), "{query:?}");
            }
        }
    }

    fn one_import_serves_many_attached_threads_at_once() {
        let options = interned();
        let pool: sync::Pool<EnvironmentKey, SharedEnvironment> = sync::Pool::builder().capacity(MaxIdle(2)).shared().build();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let thread = runtime().attach();
                    for source in ["#check Nat", "example := oops", "example : 1 + 1 = 2 := rfl"] {
                        let query = EnvironmentQuery { options: &options, imports: &["Init"] };
                        let lease = pool.acquire(query, open).unwrap();
                        let checked = lease.on(&thread).check(source, &CheckOptions::new()).unwrap();
                        assert_eq!(checked.errors(), usize::from(source.contains("oops")));
                    }
                });
            }
        });
        assert_eq!((pool.stats().opened(), pool.stats().acquired()), (1, 12));
    }

    fn import_that_fails_is_the_pools_error_and_the_next_one_tries_again() {
        let options = interned();
        let pool: sync::Pool<EnvironmentKey, SharedEnvironment> = sync::Pool::builder().capacity(MaxIdle(2)).shared().build();
        let query = EnvironmentQuery { options: &options, imports: &["Nope"] };
        for _ in 0..2 {
            let error = pool.acquire(query, open).unwrap_err();
            let AcquireError::Open { error, .. } = error else { panic!("{error}") };
            assert!(error.to_string().contains("unknown module prefix 'Nope'"), "{error}");
        }
        assert_eq!(pool.usage().live(), 0);
    }

    fn bytes_of_an_import_are_weight_or_residue_and_never_both() {
        for regions in [Regions::Shared, Regions::Isolated] {
            let options = ImportOptions { regions, ..options() };
            let environment = one_that_took_memory(|_| {
                SharedEnvironment::import(runtime(), &options, &["Init"], &Watch::default()).unwrap()
            });
            let taken = environment.bytes_taken();
            let expected = match regions {
                Regions::Shared => (taken, 0),
                Regions::Isolated => (0, taken),
            };
            assert_eq!((environment.weight(), environment.residue()), expected);
        }
    }

    fn bytes_of_a_pinned_import_are_residue() {
        let options = ImportOptions { pinned: true, ..options() };
        let environment = one_that_took_memory(|_| {
            SharedEnvironment::import(runtime(), &options, &["Init"], &Watch::default()).unwrap()
        });
        assert_eq!((environment.weight(), environment.residue()), (0, environment.bytes_taken()));
        // It is as good as another, on any thread, and dropping it harms nobody.
        let checked = environment.check("#check Nat", &CheckOptions::new()).unwrap();
        assert!(checked.is_ok(), "{checked:?}");
        thread::scope(|scope| {
            scope.spawn(|| drop(environment.clone()));
        });
        drop(environment);
    }

    fn cycles_of_import_and_drop_leave_nothing_behind() {
        // The model counts objects; real Lean is measured by the example `lean_numbers` of the crate leanpool.
        let options = interned();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> = local::Pool::builder().capacity(MaxIdle(0)).shared().build();
        let query = EnvironmentQuery { options: &options, imports: &["Init"] };
        for _ in 0..20 {
            assert!(!LeaseOf::was_hit(&pool.acquire(query, open).unwrap()));
        }
        assert_eq!(pool.usage().live(), 0);
    }
}

#[cfg(feature = "abi-model")]
mod on_the_abi_model_alone {
    use super::*;
    use pool_core::{DropReason, MissReason};

    #[test]
    fn stale_environment_is_dropped_on_the_next_hit_and_imported_again() {
        let _one_at_a_time = support::begin();
        let options = interned();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> =
            local::Pool::builder().capacity(MaxIdle(4)).shared().build();
        let acquire =
            |imports: &[&str]| pool.acquire(EnvironmentQuery { options: &options, imports }, open).unwrap();
        let held = acquire(&["Init"]);
        drop(acquire(&["Init"]));
        drop(acquire(&["Model.Extends.Pooling"]));
        assert!(!LeaseOf::was_hit(&acquire(&["Init"])), "the one that is held is stale, too");
        assert_eq!(pool.stats().misses.get(MissReason::Stale), 1);
        assert!(LeaseOf::was_hit(&acquire(&["Model.Extends.Pooling"])), "that one has the extension itself");
        drop(held);
        assert_eq!(pool.stats().dropped().get(DropReason::Stale), 1);
        assert!(LeaseOf::was_hit(&acquire(&["Init"])));
    }

    #[test]
    fn bytes_of_the_first_import_that_runs_initialisers_are_residue() {
        let _one_at_a_time = support::begin();
        let mut last = String::new();
        let first = one_that_took_memory(|round| {
            last = format!("Model.Extends.Residue{round}");
            support::shared(&[&last])
        });
        assert_eq!((first.weight(), first.residue()), (0, first.bytes_taken()));
        let second = one_that_took_memory(|_| support::shared(&[&last]));
        assert_eq!((second.weight(), second.residue()), (second.bytes_taken(), 0));
    }

    #[test]
    fn environment_without_extensions_does_not_become_stale() {
        let _one_at_a_time = support::begin();
        let options = ImportOptions { extensions: false, ..options() }.into();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> =
            local::Pool::builder().capacity(MaxIdle(4)).shared().build();
        let query = EnvironmentQuery { options: &options, imports: &["Init"] };
        drop(pool.acquire(query, open).unwrap());
        support::shared(&["Model.Extends.Without"]);
        assert!(LeaseOf::was_hit(&pool.acquire(query, open).unwrap()));
    }

    #[test]
    fn hit_calls_no_lean() {
        let _one_at_a_time = support::begin();
        let options = interned();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> =
            local::Pool::builder().capacity(MaxIdle(4)).shared().build();
        let query = EnvironmentQuery { options: &options, imports: &["Init"] };
        drop(pool.acquire(query, open).unwrap());
        let (imports, live) = (lean_backend::abi_model::imports(), lean_backend::abi_model::live());
        for _ in 0..100 {
            // On a thread that is not attached: the model would end the process at a call.
            let lease = pool.acquire(query, |_| panic!("an import")).unwrap();
            assert!(!lean_backend::abi_model::is_attached());
            assert_eq!(lean_backend::abi_model::live(), live, "no further object");
            drop(lease);
        }
        assert_eq!(lean_backend::abi_model::imports(), imports);
    }
}
