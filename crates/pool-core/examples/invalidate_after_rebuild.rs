//! What a resource was made of has been rebuilt: nobody gets the old one any more, also where it is leased just now. And a timer
//! that drops what has expired, as a thread has it and as tokio has it.
//!
//! `cargo run -p pool-core --example invalidate_after_rebuild`

use std::sync::mpsc;
use std::time::Duration;

use pool_core::Resource;
use pool_core::eviction::{IdleTimeout, Recall};
use pool_core::sync::{Lease, Pool};

struct Library(u32);

impl Resource for Library {
    type Error = std::io::Error;
}

type Libraries = Pool<String, Library>;

/// The pool has no thread of its own. Ends when `_stop` is dropped.
fn evict_by_a_thread(pool: Libraries, every: Duration) -> mpsc::Sender<()> {
    let (_stop, stopped) = mpsc::channel();
    std::thread::spawn(move || {
        while stopped.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
            pool.evict_expired();
        }
    });
    _stop
}

async fn evict_by_a_task(pool: Libraries, every: Duration) {
    while !pool.is_closed() {
        tokio::time::sleep(every).await;
        pool.evict_expired();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let brief = Duration::from_millis(5);
    let pool: Libraries = Pool::builder().eviction(IdleTimeout::new(brief, Recall::new())).build();
    let build = |version| move |_: &String| Ok(Library(version));
    let old = pool.acquire("Kit", build(1))?;
    pool.invalidate("Kit"); // it was rebuilt
    let new = pool.acquire("Kit", build(2))?;
    assert_eq!((old.0, new.0, Lease::was_hit(&new)), (1, 2, false));
    drop((old, new)); // the old one is dropped, the new one stays
    let timer = evict_by_a_thread(pool.clone(), brief);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        tokio::spawn(evict_by_a_task(pool.clone(), brief));
        while !pool.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    drop(timer);
    println!("{:?}", pool.stats().dropped());
    Ok(())
}
