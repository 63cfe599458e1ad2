//! The log: one line of JSON for each request, on standard error.

/// From now on there is a log.
pub fn begin() {
    let log =
        tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_writer(std::io::stderr);
    // If there is one already, that one goes on.
    let _ = log.with_max_level(tracing::Level::INFO).try_init();
}

/// Notes something that is no request.
pub fn note(words: &str) {
    tracing::info!(note = words);
}
