//! Risk: a session is not what lean-rs-host's was, or its pool keeps, gives or counts what it should not.
#![cfg(all(feature = "lean", any(lean_library, feature = "abi-model")))]

use std::sync::Mutex;

use leanpool::session::{DeclarationKind, Ended, Regions};
use leanpool::{
    CheckOptions, LeanCancellationToken, LeanError, LeanHost, LeanProgressEvent, LeanRuntime, SessionPool,
    SessionPoolConfig, SessionPoolKeyMissReason, SessionPoolMemoryPolicy,
};

/// Tests that hold on real Lean and on the ABI model alike. The name of the module that they land in says on which of them
/// they ran.
macro_rules! on_lean {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        #[cfg(feature = "abi-model")]
        mod on_the_abi_model { use super::*; $($(#[$attribute])* #[test] fn $name() { let _one = begin(); $body })* }
        #[cfg(all(lean_library, not(feature = "abi-model")))]
        mod on_real_lean { use super::*; $($(#[$attribute])* #[test] fn $name() { let _one = begin(); $body })* }
    };
}

/// One at a time; on the model each has to give back all that it took.
#[cfg(feature = "abi-model")]
fn begin() -> impl Drop {
    runtime();
    leanpool::session::lean_backend::abi_model::settled()
}

#[cfg(not(feature = "abi-model"))]
fn begin() -> impl Drop {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn runtime() -> &'static LeanRuntime {
    LeanRuntime::init().unwrap()
}

/// Capabilities over the toolchain alone, however Lean is found.
fn with_capabilities(body: impl FnOnce(&leanpool::LeanCapabilities<'static, '_>)) {
    #[cfg(feature = "abi-model")]
    {
        // The model stands in no folder.
        let lean = LeanHost::from_toolchain(runtime());
        let model = leanpool::session::lean_backend::Sysroot::at("/model");
        body(&lean.load_over(model));
    }
    #[cfg(not(feature = "abi-model"))]
    body(&LeanHost::from_toolchain(runtime()).load_shims_only().unwrap());
}

on_lean! {
    fn session_answers_what_lean_answers() {
        with_capabilities(|capabilities| {
            let session = capabilities.session(&["Init"], None, None).unwrap();
            assert_eq!(session.declaration_kind("Nat.add_comm", None).unwrap(), "theorem");
            assert_eq!(session.declaration_kind("No.such", None).unwrap(), "missing");
            assert_eq!(session.kind("Nat").unwrap().map(DeclarationKind::as_str), Some("inductive"));
            let of = session.declaration_type("Nat.add_comm", None).unwrap().unwrap();
            assert_eq!(of, "∀ (n m : Nat), n + m = m + n");
            assert_eq!((session.contains("Nat"), session.contains("No.such")), (Ok(true), Ok(false)));
            assert_eq!(session.declarations("No.such"), Ok(Vec::new()));
            assert!(session.declarations("Nat.add").unwrap().contains(&"Nat.add".to_owned()));
            assert_eq!(session.modules(), Ok(502));
            assert!(session.constants().unwrap() >= 44_973);
            assert_eq!(session.is_current(), Ok(true));
            let checked = session.check("example := oops").unwrap();
            assert_eq!((checked.errors(), checked.ended), (1, Ended::Complete));
        });
    }

    fn exclusive_pool_imports_again_for_a_session_beside_another() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 2);
            let first = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            let second = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            assert!(!first.was_hit() && !second.was_hit());
            drop((first, second));
            assert_eq!(pool.len(), 2);
            assert!(pool.acquire(capabilities, &["Init"], None, None).unwrap().was_hit());
            let stats = pool.stats();
            assert_eq!((stats.imports_performed, stats.reused, stats.acquired), (2, 1, 3));
            assert_eq!((stats.released_to_pool, stats.released_dropped), (3, 0));
        });
    }

    fn shared_pool_imports_once_for_all_sessions() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::shared(runtime(), 2);
            let first = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            let second = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            assert!(!first.was_hit() && second.was_hit());
            assert_eq!(second.check("#check Nat").unwrap().diagnostics.len(), 1);
            drop(first);
            assert_eq!(second.contains("Nat"), Ok(true), "as long as one is left");
            drop(second);
            assert_eq!((pool.len(), pool.stats().imports_performed), (1, 1));
        });
    }

    fn capacity_of_none_disables_reuse() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 0);
            for _ in 0..2 {
                drop(pool.acquire(capabilities, &["Init"], None, None).unwrap());
            }
            let stats = pool.stats();
            assert_eq!((stats.imports_performed, stats.released_dropped), (2, 2));
            assert_eq!(stats.last_miss_reason, Some(SessionPoolKeyMissReason::ReuseDisabled));
            assert_eq!((stats.miss_reuse_disabled, pool.is_empty()), (2, true));
        });
    }

    fn reasons_of_misses_are_those_of_the_reference() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            for imports in [&["Init"][..], &["Init.Core"], &["Init"]] {
                drop(pool.acquire(capabilities, imports, None, None).unwrap());
            }
            let stats = pool.stats();
            assert_eq!((stats.miss_empty_pool, stats.miss_no_matching_key, stats.key_hits), (1, 1, 1));
            assert_eq!((stats.key_misses, stats.last_miss_reason), (2, None), "after a hit there is none");
            assert_eq!(stats.distinct_keys_seen, 2);
            // One that fails is a miss with a reason, too.
            pool.acquire(capabilities, &["Nope"], None, None).unwrap_err();
            let stats = pool.stats();
            assert_eq!((stats.key_misses, stats.miss_no_matching_key, stats.imports_performed), (3, 2, 2));
        });
    }

    fn drain_lets_go_what_is_idle_and_nothing_else() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            let held = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            drop(pool.acquire(capabilities, &["Init"], None, None).unwrap());
            assert_eq!((pool.drain(), pool.drain()), (1, 0));
            assert_eq!(held.contains("Nat"), Ok(true));
            drop(held);
            let stats = pool.stats();
            assert_eq!((pool.len(), stats.drains, stats.drained), (1, 2, 1));
        });
    }

    fn regions_are_part_of_the_key() {
        with_capabilities(|capabilities| {
            let isolated = capabilities.with_regions(Regions::Isolated);
            let pool = SessionPool::with_capacity(runtime(), 4);
            drop(pool.acquire(capabilities, &["Init"], None, None).unwrap());
            assert!(!pool.acquire(&isolated, &["Init"], None, None).unwrap().was_hit());
            // Equal capabilities are as good as the same.
            let again = isolated.with_regions(Regions::Shared);
            assert!(pool.acquire(&again, &["Init"], None, None).unwrap().was_hit());
        });
    }

    fn import_that_fails_is_leans_error_and_takes_no_place() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            let error = pool.acquire(capabilities, &["Nope"], None, None).unwrap_err();
            assert!(matches!(&error, LeanError::LeanException { message, .. } if message.contains("'Nope'")), "{error}");
            let stats = pool.stats();
            assert_eq!((stats.acquired, stats.key_misses, pool.len()), (0, 1, 0));
        });
    }

    fn cancelled_acquire_takes_nothing_out_of_the_pool() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            drop(pool.acquire(capabilities, &["Init"], None, None).unwrap());
            let token = LeanCancellationToken::new();
            token.cancel();
            for imports in [&["Init"][..], &["Init.Core"]] {
                let error = pool.acquire(capabilities, imports, Some(&token), None).unwrap_err();
                assert_eq!(error, LeanError::Cancelled);
            }
            assert_eq!((pool.len(), pool.stats().acquired), (1, 1));
            let session = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            assert_eq!(session.declaration_kind("Nat", Some(&token)), Err(LeanError::Cancelled));
            let options = CheckOptions::new().cancellation(&token);
            assert_eq!(session.check_with("", &options), Err(LeanError::Cancelled));
        });
    }

    fn progress_of_an_import_is_heard_on_a_miss_only() {
        with_capabilities(|capabilities| {
            let heard = Mutex::new(0);
            let sink = |event: LeanProgressEvent| {
                assert_eq!(event.phase, "import");
                *heard.lock().unwrap() += 1;
            };
            let pool = SessionPool::with_capacity(runtime(), 4);
            for _ in 0..2 {
                drop(pool.acquire(capabilities, &["Init"], None, Some(&sink)).unwrap());
            }
            assert_eq!(*heard.lock().unwrap(), 2, "start and end");
        });
    }

    fn budget_of_names_refuses_with_a_reason_and_spares_what_is_idle() {
        with_capabilities(|capabilities| {
            let policy = SessionPoolMemoryPolicy::disabled().max_fresh_imports(1);
            let pool = SessionPool::with_memory_policy(runtime(), 4, policy);
            drop(pool.acquire(capabilities, &["Init"], None, None).unwrap());
            let error = pool.acquire(capabilities, &["Init.Core"], None, None).unwrap_err();
            assert!(matches!(&error, LeanError::ResourceExhausted { message } if message.contains("MaxOpens")), "{error}");
            assert!(pool.acquire(capabilities, &["Init"], None, None).unwrap().was_hit());
            let stats = pool.stats();
            assert_eq!((stats.fresh_import_refusals, stats.key_misses, stats.miss_no_matching_key), (1, 2, 1));
        });
    }

    #[cfg(target_os = "linux")]
    fn limit_of_memory_refuses_before_lean_is_called() {
        with_capabilities(|capabilities| {
            let policy = SessionPoolMemoryPolicy::disabled().max_rss_kib(1);
            let pool = SessionPool::with_config(runtime(), SessionPoolConfig::new(4).memory_policy(policy));
            let error = pool.acquire(capabilities, &["Init"], None, None).unwrap_err();
            assert!(matches!(&error, LeanError::ResourceExhausted { message } if message.contains("ProcessMemory")), "{error}");
        });
    }

    fn full_pool_lets_go_what_is_worth_least_and_not_what_comes_back() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 1);
            // Two keys that cost the same.
            for imports in [&["Init"][..], &["Init", "Init"]] {
                drop(pool.acquire(capabilities, imports, None, None).unwrap());
            }
            for _ in 0..3 {
                drop(pool.acquire(capabilities, &["Init", "Init"], None, None).unwrap());
            }
            assert!(pool.stats().reused >= 1, "the reference would keep `Init` for ever");
        });
    }

    fn session_outlives_a_panic_and_goes_back() {
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 1);
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _session = pool.acquire(capabilities, &["Init"], None, None).unwrap();
                panic!("with a session in hand");
            }));
            assert!(panicked.is_err());
            assert!(pool.acquire(capabilities, &["Init"], None, None).unwrap().was_hit());
        });
    }
}

#[cfg(feature = "abi-model")]
mod on_the_abi_model_alone {
    use super::*;

    #[test]
    fn stale_session_says_so_and_the_next_acquire_imports() {
        let _one = begin();
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            let held = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            let other = capabilities.session(&["Model.Extends.Sessions"], None, None).unwrap();
            assert_eq!((held.is_current(), other.is_current()), (Ok(false), Ok(true)));
            assert_eq!(held.live_extension_registry_epoch(), Ok(other.extension_registry_epoch()));
            let error = held.check("#check Nat").unwrap_err();
            assert!(
                matches!(error, LeanError::Stale { .. })
                    && error.to_string().contains("; drop it and acquire it again")
            );
            assert!(!error.to_string().contains("  "), "{error}");
            drop(held);
            let again = pool.acquire(capabilities, &["Init"], None, None).unwrap();
            assert!(!again.was_hit() && again.check("#check Nat").unwrap().is_ok());
            let stats = pool.stats();
            assert_eq!(
                (stats.stale_evictions, stats.last_miss_reason),
                (1, Some(SessionPoolKeyMissReason::EmptyPool))
            );
        });
    }

    #[test]
    fn stale_environment_that_is_asked_for_is_a_miss_of_its_own() {
        let _one = begin();
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            drop(pool.acquire(capabilities, &["Init"], None, None).unwrap());
            drop(capabilities.session(&["Model.Extends.Asked"], None, None).unwrap());
            assert!(!pool.acquire(capabilities, &["Init"], None, None).unwrap().was_hit());
            let stats = pool.stats();
            assert_eq!(stats.last_miss_reason, Some(SessionPoolKeyMissReason::StaleEnvironment));
            assert_eq!(
                (stats.miss_stale_environment, stats.miss_empty_pool, stats.stale_evictions),
                (1, 1, 1)
            );
        });
    }

    #[test]
    fn import_that_makes_all_stale_lets_go_all_that_is_idle() {
        let _one = begin();
        with_capabilities(|capabilities| {
            let pool = SessionPool::with_capacity(runtime(), 4);
            for imports in [&["Init"][..], &["Init.Core"], &["Lean"]] {
                drop(pool.acquire(capabilities, imports, None, None).unwrap());
            }
            let extends = pool.acquire(capabilities, &["Model.Extends.Idle"], None, None).unwrap();
            assert_eq!((pool.len(), pool.stats().stale_evictions), (0, 3));
            drop(extends);
            assert!(pool.acquire(capabilities, &["Model.Extends.Idle"], None, None).unwrap().was_hit());
        });
    }
}
