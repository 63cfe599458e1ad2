//! Load for a service that runs: how many requests a second it answers, and how long each takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::{Value, json};

use crate::key;

/// What is sent, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the service is, such as `http://127.0.0.1:8000`.
    pub url: String,
    /// The key that it demands.
    pub api_key: Option<String>,
    /// Texts that are sent in turn. Not empty.
    pub texts: Vec<String>,
    /// How many requests.
    pub requests: usize,
    /// How many of them at the same time.
    pub concurrency: usize,
    /// How many files each has.
    pub files: usize,
    /// Seconds for each file.
    pub timeout: f64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Requests that were answered with 200.
    pub answered: usize,
    /// Those that were not: another status, or no answer.
    pub errors: usize,
    /// Files of the answered requests that were elaborated without an error.
    pub ok: usize,
    /// Files of the answered requests.
    pub files: usize,
    /// Seconds for all.
    pub seconds: f64,
    /// Requests a second.
    pub requests_per_second: f64,
    /// Files a second.
    pub files_per_second: f64,
    /// Milliseconds of a request: half took no longer.
    pub median_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// The first thing that went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

/// What one of those who send has seen.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    ok: usize,
    files: usize,
    errors: usize,
    first_error: Option<String>,
}

/// Sends all, and waits for the answers.
pub async fn run(load: Load) -> Report {
    let load = Arc::new(load);
    let next = Arc::new(AtomicUsize::new(0));
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let begun = Instant::now();
    let senders: Vec<_> = (0..load.concurrency.max(1))
        .map(|_| tokio::spawn(sender(load.clone(), next.clone(), client.clone())))
        .collect();
    let mut all = Seen::default();
    for sender in senders {
        let Ok(seen) = sender.await else { continue };
        all.times.extend(seen.times);
        all.ok += seen.ok;
        all.files += seen.files;
        all.errors += seen.errors;
        all.first_error = all.first_error.or(seen.first_error);
    }
    report(all, begun.elapsed())
}

async fn sender(load: Arc<Load>, next: Arc<AtomicUsize>, client: Client<HttpConnector, Full<Bytes>>) -> Seen {
    let mut seen = Seen::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= load.requests {
            return seen;
        }
        let begun = Instant::now();
        match one(&load, number, &client).await {
            Ok((ok, files)) => {
                seen.times.push(begun.elapsed());
                seen.ok += ok;
                seen.files += files;
            }
            Err(words) => {
                seen.errors += 1;
                seen.first_error.get_or_insert(words);
            }
        }
    }
}

/// One request: how many of its files are fine, of how many.
async fn one(
    load: &Load,
    number: usize,
    client: &Client<HttpConnector, Full<Bytes>>,
) -> Result<(usize, usize), String> {
    let in_words = |error: &dyn std::fmt::Display| error.to_string();
    let files: Vec<Value> = (0..load.files.max(1))
        .map(|at| json!({"text": load.texts[(number * load.files.max(1) + at) % load.texts.len()]}))
        .collect();
    let first = files[0]["text"].as_str().unwrap_or_default();
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/v1/check", load.url.trim_end_matches('/')))
        .header(CONTENT_TYPE, "application/json")
        .header(key::HEADER, key::of_file(first));
    if let Some(api_key) = &load.api_key {
        request = request.header(AUTHORIZATION, format!("Bearer {api_key}"));
    }
    let body = json!({"files": files, "timeout": load.timeout}).to_string();
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| in_words(&error))?;
    let response = client.request(request).await.map_err(|error| in_words(&error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| in_words(&error))?.to_bytes();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    let answer: Value = serde_json::from_slice(&body).map_err(|error| in_words(&error))?;
    let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok((results.iter().filter(|result| result["ok"] == true).count(), results.len()))
}

fn report(mut seen: Seen, took: Duration) -> Report {
    seen.times.sort_unstable();
    let at = |part: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = (part * seen.times.len() as f64).ceil() as usize;
        seen.times.get(place.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let seconds = took.as_secs_f64().max(1e-9);
    Report {
        answered: seen.times.len(),
        errors: seen.errors,
        ok: seen.ok,
        files: seen.files,
        seconds,
        requests_per_second: seen.times.len() as f64 / seconds,
        files_per_second: seen.files as f64 / seconds,
        median_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        first_error: seen.first_error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_times() {
        let seen = Seen { times: (1..=100).rev().map(Duration::from_millis).collect(), ..Seen::default() };
        let report = report(seen, Duration::from_secs(2));
        assert_eq!((report.median_ms, report.p99_ms, report.max_ms), (50.0, 99.0, 100.0));
        assert!((report.requests_per_second - 50.0).abs() < 1e-9);
        assert_eq!(super::report(Seen::default(), Duration::ZERO).median_ms, 0.0);
    }
}
