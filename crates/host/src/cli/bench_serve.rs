//! `leanpool bench-serve`.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use leanpool_serve::bench::{self, Load};

use super::{FAILED, wrong_usage};

/// Send load to a service that runs, and say how many requests a second it answers, and how long each takes
///
/// Files are sent in turn. Exit code 1: a request was not answered with 200.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Files to send; without any an empty one is sent
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where the service is
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    url: String,

    /// A file with the key that it demands
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// How many requests
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1000)]
    requests: usize,

    /// How many of them at the same time
    #[arg(short, long, value_name = "N", default_value_t = 16)]
    concurrency: usize,

    /// How many files each request has
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,

    /// Seconds for each file
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    timeout: f64,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))
    };
    let mut texts: Vec<String> = args.files.iter().map(read).collect::<Result<_, _>>()?;
    if texts.is_empty() {
        texts.push(String::new());
    }
    let api_key = args.api_key_file.as_ref().map(|path| {
        read(path)
            .and_then(|text| leanpool_serve::auth::key_in(&text))
            .unwrap_or_else(|error| wrong_usage(&error))
    });
    let load = Load {
        url: args.url.clone(),
        api_key,
        texts,
        requests: args.requests,
        concurrency: args.concurrency,
        files: args.batch,
        timeout: args.timeout,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(bench::run(load));
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(
            out,
            "{} requests in {:.2} s: {:.0} a second, {:.0} files a second\nmedian {:.1} ms, 99 % within {:.1} ms, at most {:.1} ms\n\
             {} of {} files without errors; {} requests not answered{}",
            report.answered,
            report.seconds,
            report.requests_per_second,
            report.files_per_second,
            report.median_ms,
            report.p99_ms,
            report.max_ms,
            report.ok,
            report.files,
            report.errors,
            report.first_error.iter().map(|error| format!(", the first: {error}")).collect::<String>(),
        )?;
    }
    Ok(ExitCode::from(if report.errors == 0 { 0 } else { FAILED }))
}
