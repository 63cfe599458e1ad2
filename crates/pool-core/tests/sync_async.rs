//! Risk: the documented way for async callers blocks the runtime, or a future that is dropped leaves its acquire waiting.

#[path = "support/threads.rs"]
mod threads;

use std::sync::Arc;

use pool_core::capacity::MaxLive;
use pool_core::sync::{CancellationToken, OwnedLease};
use threads::{Exclusive, Ledger, Thing, pool, until};

struct CancelOnDrop(CancellationToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// As in the docs of `pool_core::sync`.
async fn lease(pool: Arc<Exclusive>, key: u32, ledger: Ledger) -> Option<OwnedLease<u32, Thing<false>>> {
    let token = CancellationToken::new();
    let task = {
        let token = token.clone();
        tokio::task::spawn_blocking(move || {
            let lease = pool.acquire_cancellable(&key, &token, |_| ledger.open()).ok()?;
            Some(pool.own(lease))
        })
    };
    let _guard = CancelOnDrop(token);
    task.await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn tasks_share_the_pool_and_leases_go_from_task_to_task() {
    let (pool, ledger) = (Arc::new(pool::<false>(MaxLive(2))), Ledger::default());
    runtime().block_on(async {
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (pool, ledger) = (Arc::clone(&pool), ledger.clone());
                tokio::spawn(async move {
                    let lease = lease(pool, number % 3, ledger).await.unwrap();
                    // The lease ends in another task than it began.
                    tokio::spawn(async move { drop(lease) }).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(pool.stats().acquired(), 20);
    assert!(pool.usage().live() <= 2);
    pool.assert_sound();
    drop(pool);
    ledger.assert_all_dropped_once();
}

#[test]
fn future_that_is_dropped_ends_its_acquire() {
    let (pool, ledger) = (Arc::new(pool::<false>(MaxLive(1))), Ledger::default());
    let runtime = runtime();
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let task = runtime.spawn(lease(Arc::clone(&pool), 1, ledger.clone()));
    until(|| pool.usage().waiting == 1);
    task.abort();
    until(|| pool.stats().waits.cancelled_waiting == 1);
    assert_eq!(pool.usage().waiting, 0);
    drop(held);
    assert!(pool.try_acquire(&1, |_| ledger.open()).unwrap().was_hit(), "no place was lost");
    pool.assert_sound();
}
