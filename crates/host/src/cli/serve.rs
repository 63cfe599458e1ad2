//! `leanpool serve`.

use std::error::Error;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use leanpool::lean_worker::lending::{Lender, well_known_path};
use leanpool::lean_worker::{CheckTimes, Kept, Limits, Workers};
use leanpool_serve::engine::Engine;
use leanpool_serve::listen::Listen;
use leanpool_serve::sessions::Sessions;
use leanpool_serve::settings::{Bounds, Settings};
use leanpool_serve::{auth, log, run};

use super::check::{Isolate, bytes, jobs, seconds};
use super::service_site::{self, ServiceSiteArgs};
use super::worker::launcher;
use super::wrong_usage;

const EXAMPLES: &str = "\
Examples:
  leanpool serve
      on 127.0.0.1:8000, with the Lean that is found: open the page there, or send files
  leanpool serve --project . --preload 'import Mathlib' --jobs 8 --max-memory 24G
      for a Lake project (built by `lake build`); ready once Mathlib is imported
  leanpool serve --listen 0.0.0.0:8000 --api-key-file key.txt
      for other machines: a key is demanded, and files are kept from the network and from writing
  curl -s localhost:8000/v1/check -d '{\"text\": \"#eval 1 + 1\"}'

Clients of kimina-lean-server run unchanged: POST /api/check, /verify. GET /openapi.json says what there is; docs/serve.md says more.";

/// Check Lean files for other programs, over HTTP
///
/// An import is done once, for all who ask for it, and kept; each file is elaborated in a process forked behind it. A time-out or a crash costs that process alone.
/// On a polite kill the service takes no further request, finishes what it has accepted (--grace), and ends.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where to listen: an address with a port (0: a free one), or unix:PATH. Beyond loopback a key is demanded
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: Listen,

    /// A file with the key that requests have to carry (`Authorization: Bearer KEY`); may be given on loopback, too
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    #[command(flatten)]
    site: ServiceSiteArgs,

    #[command(flatten)]
    pool: PoolArgs,

    /// A header to import before the service is ready, such as 'import Mathlib'; may be given several times
    #[arg(long, value_name = "HEADER")]
    preload: Vec<String>,

    /// Most checks that wait; further ones get 429 with Retry-After
    #[arg(long, value_name = "N", default_value_t = Bounds::default().queue)]
    max_queue: usize,

    /// Most bytes of a request, such as 32M; longer ones get 413
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = bytes)]
    max_body: u64,

    /// Most bytes of all requests that are not answered yet, such as 1G; further ones get 429
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = bytes)]
    max_bodies: u64,

    /// Most files of a request; more get 422
    #[arg(long, value_name = "N", default_value_t = Bounds::default().files)]
    max_files: usize,

    /// Most seconds that a request may ask for a check; more get 422
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    max_time: Duration,

    /// Most bytes of messages of a check; a check that says more is ended, and its answer says so
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = bytes)]
    max_output: u64,

    /// Most bytes of messages of all checks of a request; answers of further ones say so
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = bytes)]
    max_answer: u64,

    /// Most connections; further ones wait
    #[arg(long, value_name = "N", default_value_t = Bounds::default().connections)]
    max_connections: usize,

    /// Most seconds that a client may take to send its request, or to take a piece of its answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    slow_client: Duration,

    /// Seconds to finish what was accepted when the service is told to end; then it is cancelled, and answered so
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    grace: Duration,

    /// Most sessions of the REPL (GET /v1/repl); further ones get 429
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_sessions: usize,

    /// Where sessions are lent to `leanpool repl` [default: leanpool/repl.sock in XDG_RUNTIME_DIR, if nobody else lends there]
    #[arg(long, value_name = "SOCKET")]
    lend: Option<PathBuf>,

    /// Lend no sessions
    #[arg(long, conflicts_with = "lend")]
    no_lend: bool,

    /// A request header that names the client, where a proxy sets it; else clients are told apart by their addresses. (Clients share the processors alike)
    #[arg(long, value_name = "NAME")]
    client_header: Option<String>,

    /// Put the texts of files into the log
    #[arg(long)]
    log_source: bool,

    /// Keep files from the network and from writing files, where the kernel can [default: true beyond loopback]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    sandbox: Option<bool>,
}

/// How much may be kept and done at once: for `mcp`, too.
#[derive(Clone, clap::Args)]
pub(super) struct PoolArgs {
    /// How many files to check at the same time [default: processors]
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    jobs: Option<NonZero<usize>>,

    /// Seconds for a check that names no time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// How long a check may take to come back once its time is over, before its process is killed
    #[arg(long, value_name = "SECONDS", default_value = "0.05", value_parser = seconds)]
    kill_after: Duration,

    /// How far checks are kept apart: some with the same imports share a process, one after the other, or each has one of its own
    /// [default: some; with the sandbox: file]
    #[arg(long, value_enum)]
    isolate: Option<Isolate>,

    /// Most processes with imports to keep
    #[arg(long, value_name = "N", default_value_t = 8)]
    capacity: u64,

    /// Most memory for all processes, such as 12G; each check has its share of it [default: half of what is there]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_memory: Option<u64>,
}

impl PoolArgs {
    /// Bytes that all processes may have.
    pub(super) fn memory(&self) -> u64 {
        self.max_memory.unwrap_or_else(|| Kept::default().memory)
    }

    /// An engine for `site`, whose checks have `memory` in all, with settings that `change` has changed.
    pub(super) fn engine(
        &self,
        site: &ServiceSiteArgs,
        memory: u64,
        sandbox: bool,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Engine, Box<dyn Error>> {
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let mut settings = Settings::new(service_site::sites(site)?, jobs);
        let kept = Kept { zygotes: self.capacity.max(1), memory };
        settings.timeout = self.timeout;
        settings.kill_after = self.kill_after;
        settings.memory = kept.memory;
        change(&mut settings);
        let limits = Limits {
            // The imports have a share, too.
            memory: Some(kept.memory / (jobs as u64 + 1)),
            said: settings.bounds.output,
            sandbox,
            files_a_child: Isolate::files_a_child(self.isolate, sandbox),
            ..Limits::default()
        };
        let workers = Workers::new(kept, limits, launcher());
        Ok(Engine::start(settings, workers)?)
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let api_key = args.api_key_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| auth::key_in(&text))
            .unwrap_or_else(|error| wrong_usage(&format_args!("{}: {error}", path.display())))
    });
    let is_local = args.listen.is_local();
    if !is_local && api_key.is_none() {
        wrong_usage(
            &"whoever can reach this service runs programs on this machine: beyond loopback it needs --api-key-file FILE",
        );
    }
    log::begin();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let has_sessions = args.max_sessions > 0 || !args.no_lend;
    let (for_checks, for_sessions) = shares(args.pool.memory(), has_sessions);
    let engine = args.pool.engine(&args.site, for_checks, args.sandbox.unwrap_or(!is_local), |settings| {
        settings.bounds = Bounds {
            body: usize::try_from(args.max_body).unwrap_or(usize::MAX),
            bodies: usize::try_from(args.max_bodies).unwrap_or(usize::MAX),
            files: args.max_files.max(1),
            queue: args.max_queue.max(1),
            time: args.max_time,
            output: args.max_output,
            answer: args.max_answer,
            connections: args.max_connections.max(1),
            slow: args.slow_client,
        };
        settings.api_key = api_key;
        settings.client_header.clone_from(&args.client_header);
        settings.log_source = args.log_source;
    })?;
    let sessions = args.sessions(for_sessions, args.sandbox.unwrap_or(!is_local));
    let lender = args.lender(&sessions)?;
    runtime.block_on(async {
        // From here on a signal is noticed, also one that comes while it starts.
        let stop = stopped()?;
        let listener = args.listen.bind().await.map_err(|error| format!("it can't listen there: {error}"))?;
        writeln!(std::io::stdout(), "leanpool serve: listening on {}", listener.address()?)?;
        run::serve(engine, sessions, listener, args.preload.clone(), args.grace, stop).await;
        Ok::<_, Box<dyn Error>>(())
    })?;
    drop(lender);
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// Sessions of the REPL, whose processes are their own.
    fn sessions(&self, memory: u64, sandbox: bool) -> Sessions {
        // Each keeps its imports as long as it lasts.
        let kept = Kept { zygotes: self.max_sessions.max(1) as u64, memory };
        let limits = Limits { memory: Some(memory / 2), said: self.max_output, sandbox, ..Limits::default() };
        let workers = Workers::new(kept, limits, launcher());
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let times = CheckTimes { timeout: Some(self.max_time), grace: self.pool.kill_after };
        Sessions::new(workers, self.max_sessions, folder, times)
    }

    /// Whoever lends them to other processes of this user.
    fn lender(&self, sessions: &Sessions) -> Result<Option<Lender>, Box<dyn Error>> {
        if self.no_lend {
            return Ok(None);
        }
        let lend = |path: &Path| Lender::new(path, sessions.workers().clone());
        match (&self.lend, well_known_path()) {
            (Some(path), _) => Ok(Some(lend(path)?)),
            // Another service of the user may do that already.
            (None, Some(path)) => {
                Ok(lend(&path).inspect_err(|error| log::note(&format!("no sessions are lent: {error}"))).ok())
            }
            (None, None) => Ok(None),
        }
    }
}

/// How much of `memory` checks may have, and sessions, which have processes of their own: no more than that in all.
fn shares(memory: u64, has_sessions: bool) -> (u64, u64) {
    let for_sessions = if has_sessions { memory / 4 } else { 0 };
    (memory - for_sessions, for_sessions)
}

/// Ends with the first signal; the second ends the process.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        let code = tokio::select! {
            _ = terminate.recv() => 143,
            _ = interrupt.recv() => 130,
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(code);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_sessions_have_no_more_memory_than_was_given() {
        for memory in [0, 1, 7, 12 << 30, u64::MAX] {
            let (for_checks, for_sessions) = shares(memory, true);
            assert_eq!(for_checks + for_sessions, memory);
            assert!(for_sessions <= for_checks);
            assert_eq!(shares(memory, false), (memory, 0));
        }
    }
}
