//! Risk: a program that was written for lean-rs-host's pool does not compile here, or does something else. What follows is written for
//! lean-rs-host 0.6, after its docs and its example of a pool, but for the lines with `use` and where capabilities come from.
#![cfg(feature = "abi-model")]

use std::sync::atomic::{AtomicU64, Ordering};

use leanpool::{
    LeanCancellationToken, LeanCapabilities, LeanError, LeanHost, LeanProgressEvent, LeanProgressSink,
    LeanResult, LeanRuntime, LeanSession, PoolStats, PooledSession, SessionPool, SessionPoolConfig,
    SessionPoolKeyMissReason, SessionPoolMemoryPolicy,
};

struct Counting(AtomicU64);

impl LeanProgressSink for Counting {
    fn report(&self, event: LeanProgressEvent) {
        let LeanProgressEvent { phase, current, total, elapsed: _ } = event;
        assert!(phase == "import" && total.is_some_and(|total| current <= total));
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Server<'lean> {
    pool: SessionPool<'lean>,
    progress: Counting,
}

impl<'lean> Server<'lean> {
    fn session<'p, 'c>(
        &'p self,
        caps: &'c LeanCapabilities<'lean, 'c>,
        imports: &[&str],
        cancellation: Option<&LeanCancellationToken>,
    ) -> LeanResult<PooledSession<'lean, 'p, 'c>> {
        self.pool.acquire(caps, imports, cancellation, Some(&self.progress))
    }
}

fn kind(session: &mut LeanSession<'_, '_>, name: &str) -> LeanResult<String> {
    let kind = session.declaration_kind(name, None)?;
    Ok(format!("{name} kind: {kind}"))
}

fn hit_ratio(stats: PoolStats) -> f64 {
    assert_eq!(stats.imports_performed + stats.reused, stats.acquired);
    stats.reused as f64 / stats.acquired as f64
}

#[test]
fn on_the_abi_model_program_for_lean_rs_host_compiles_and_does_the_same() -> LeanResult<()> {
    let runtime: &'static LeanRuntime = LeanRuntime::init()?;
    let host = LeanHost::from_toolchain(runtime);
    let caps = host.load_over(leanpool::session::lean_backend::Sysroot::at("/model"));

    let policy = SessionPoolMemoryPolicy::disabled().max_fresh_imports(2);
    let config = SessionPoolConfig::new(4).memory_policy(policy.clone());
    let server =
        Server { pool: SessionPool::with_config(runtime, config), progress: Counting(AtomicU64::new(0)) };
    assert_eq!((server.pool.capacity(), server.pool.len(), server.pool.is_empty()), (4, 0, true));
    assert_eq!(server.pool.memory_policy(), &policy);

    {
        let mut session = server.session(&caps, &["Init"], None)?;
        assert_eq!(kind(&mut session, "Nat.add_comm")?, "Nat.add_comm kind: theorem");
        assert_eq!(kind(&mut session, "No.such")?, "No.such kind: missing");
        assert_eq!(session.extension_registry_epoch(), session.live_extension_registry_epoch()?);
    }
    assert_eq!(server.pool.len(), 1);
    drop(server.session(&caps, &["Init"], None)?);
    drop(server.session(&caps, &["Init", "Lean"], None)?);
    assert_eq!(server.progress.0.load(Ordering::Relaxed), 4);

    let token = LeanCancellationToken::new();
    token.cancel();
    assert!(matches!(server.session(&caps, &["Init"], Some(&token)), Err(LeanError::Cancelled)));
    let refused = server.session(&caps, &["Std"], None).unwrap_err();
    assert!(refused.to_string().contains("MaxOpens"), "{refused}");

    let stats = server.pool.stats();
    assert!((hit_ratio(stats) - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!((stats.released_to_pool, stats.fresh_import_refusals, stats.key_misses), (3, 1, 3));
    assert_eq!(stats.last_miss_reason.map(SessionPoolKeyMissReason::label), Some("no_matching_key"));
    assert_eq!(server.pool.drain(), 2);
    Ok(())
}
