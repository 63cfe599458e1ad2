//! A whole service: it listens, imports what it was told to import first, answers, and stops.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lean_worker::File;
use tokio::sync::{Semaphore, watch};

use crate::engine::{Engine, Wish};
use crate::http::{self, App};
use crate::listen::Listener;
use crate::sessions::Sessions;

/// Runs a service on `listener` until `stop` is over; then what was accepted is answered, by itself within `grace` or else as cancelled, and all
/// of it ends. `preload`: headers that are imported first; until that is done it is not ready, as `/health` says.
pub async fn serve(
    engine: Engine,
    sessions: Sessions,
    listener: Listener,
    preload: Vec<String>,
    grace: Duration,
    stop: impl Future<Output = ()>,
) {
    if preload.is_empty() {
        // It is ready before the first request is read.
        engine.open();
    }
    let (tell, seconds) = watch::channel(Arc::from(""));
    let bounds = &engine.settings().bounds;
    // One request can always be read.
    let bodies = bounds.bodies.max(bounds.body).min(Semaphore::MAX_PERMITS);
    let app = http::app(App {
        engine: engine.clone(),
        seconds: Arc::new(seconds),
        sessions: sessions.clone(),
        bodies: Arc::new(Semaphore::new(bodies)),
    });
    let (end, ended) = watch::channel(false);
    let bounds = engine.settings().bounds.clone();
    let serving = tokio::spawn(async move {
        let mut ended = ended;
        listener
            .serve(app, &bounds, async move {
                let _ = ended.wait_for(|is_over| *is_over).await;
            })
            .await;
    });
    let sampling = tokio::spawn(each_second(engine.clone(), tell));
    let preloading = tokio::spawn(import_first(engine.clone(), preload));
    stop.await;
    // Until all is answered it goes on listening, and says that it stops: so nobody finds a closed door who could have gone elsewhere.
    preloading.abort();
    sampling.abort();
    tokio::join!(engine.stop(grace), sessions.stop(grace));
    let _ = end.send(true);
    let _ = serving.await;
    let _ = tokio::task::spawn_blocking(move || engine.end()).await;
}

/// Imports each header, by a check of an empty file behind it, all at the same time.
async fn import_first(engine: Engine, headers: Vec<String>) {
    let files = headers.iter().map(|header| (File::new("preload.lean", format!("{header}\n")), 0));
    let wish = Wish { timeout: Some(engine.settings().bounds.time), ..Wish::default() };
    if let Ok(ticket) = engine.submit(&"preload".into(), files.collect(), wish) {
        for (header, checked) in headers.iter().zip(ticket.all().await) {
            let ending = crate::answer::word(&checked.verdict.ending);
            let seconds = checked.took.as_secs_f64();
            tracing::info!(preload = header, ending, seconds);
        }
    }
    engine.open();
}

/// Keeps the history, and tells whoever looks.
async fn each_second(engine: Engine, tell: watch::Sender<Arc<str>>) {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    loop {
        clock.tick().await;
        let sample = http::sample(&engine);
        engine.live().sample(sample);
        // One is the app's own.
        if tell.receiver_count() > 1 {
            let _ = tell.send(http::snapshot(&engine, vec![sample]).into());
        }
    }
}
