//! A service in this process over the scripted worker, a client, and a watchdog.
#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lean_worker::launch::Launcher;
use lean_worker::{CheckTimes, Kept, Limits, Surroundings, Workers};
use leanpool_serve::engine::Engine;
use leanpool_serve::listen::Listen;
use leanpool_serve::run;
use leanpool_serve::sessions::Sessions;
use leanpool_serve::settings::{Settings, Site};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[path = "../../../pool-core/tests/support/watchdog.rs"]
mod watched;
pub(crate) use watched::Watchdog;

/// Longer than anything here takes, also where everything is ten times slower: a hang is a failure.
#[track_caller]
pub(crate) fn watchdog() -> Watchdog {
    watched::watchdog_of(300, String::new)
}

/// A program of another crate of the workspace, built where this test was.
pub(crate) fn scripted_worker() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let folder = own.parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "lean-worker",
            "--bin",
            "scripted-worker",
            "--target-dir",
        ]);
        cargo.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.file_name().is_some_and(|name| name == "release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the scripted worker can't be built");
        folder.join("scripted-worker")
    })
}

/// A service that runs. Its worker has a name of its own, by which its processes are found.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) engine: Engine,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    client: Client<HttpConnector, Full<Bytes>>,
    folder: tempfile::TempDir,
}

/// How a service is started.
pub(crate) struct Start {
    pub(crate) jobs: usize,
    pub(crate) limits: Limits,
    pub(crate) zygotes: u64,
    pub(crate) preload: Vec<String>,
    pub(crate) grace: Duration,
}

impl Default for Start {
    fn default() -> Self {
        let grace = Duration::from_secs(20);
        Self { jobs: 2, limits: Limits::default(), zygotes: 4, preload: Vec::new(), grace }
    }
}

pub(crate) async fn service(change: impl FnOnce(&mut Settings)) -> Service {
    service_with(Start::default(), change).await
}

pub(crate) async fn service_with(start: Start, change: impl FnOnce(&mut Settings)) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let worker = folder.path().join("worker");
    if std::fs::hard_link(scripted_worker(), &worker).is_err() {
        std::fs::copy(scripted_worker(), &worker).unwrap();
    }
    let site = |name: &str, path: Vec<String>| {
        let around = Surroundings {
            sysroot: "/".into(),
            worker: worker.clone(),
            search_path: path,
            setup: None,
            options: Vec::new(),
            project: None,
            stack_size: None,
            saves_headers: false,
        };
        Site::fixed(name, "4.99.0", around)
    };
    let sites = vec![site("one", Vec::new()), site("two", vec!["/two".to_owned()])];
    let mut settings = Settings::new(sites, start.jobs);
    change(&mut settings);
    let limits = Limits { said: settings.bounds.output, ..start.limits };
    let kept = Kept { zygotes: start.zygotes, memory: 1 << 30 };
    let workers = Workers::new(kept, limits, Some(Launcher::new(scripted_worker())));
    let engine = Engine::start(settings, workers).unwrap();
    let listener = "127.0.0.1:0".parse::<Listen>().unwrap().bind().await.unwrap();
    let url = listener.address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let is_stopped = async {
        let _ = stopped.await;
    };
    let kept = Kept { zygotes: 8, memory: 1 << 30 };
    let repl = Workers::new(kept, Limits::default(), Some(Launcher::new(scripted_worker())));
    let times = CheckTimes { timeout: None, grace: Duration::from_secs(1) };
    let sessions = Sessions::new(repl, 3, folder.path().to_owned(), times);
    let running =
        tokio::spawn(run::serve(engine.clone(), sessions, listener, start.preload, start.grace, is_stopped));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = Service { url, engine, stop: Some(stop), running, client, folder };
    while service.get("/health").await.0 != 200 {
        tokio::task::yield_now().await;
    }
    service
}

impl Service {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        self.client.request(request).await.unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str, body: &[u8]) -> Request<Full<Bytes>> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        read(self.send(self.request(Method::GET, path, b"")).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let body = serde_json::to_vec(body).unwrap();
        let (status, text) = read(self.send(self.request(Method::POST, path, &body)).await).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} {text}")))
    }

    /// The results of files that have these texts.
    pub(crate) async fn check(&self, texts: &[&str]) -> Vec<Value> {
        let files: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
        let (status, answer) = self.post("/v1/check", &json!({"files": files})).await;
        assert_eq!(status, 200, "{answer}");
        answer["results"].as_array().unwrap().clone()
    }

    /// Has files checked in the background.
    pub(crate) fn begin(&self, path: &str, body: &Value) -> JoinHandle<(u16, Value)> {
        let body = serde_json::to_vec(body).unwrap();
        self.begin_request(self.request(Method::POST, path, &body))
    }

    /// Sends a request in the background.
    pub(crate) fn begin_request(&self, request: Request<Full<Bytes>>) -> JoinHandle<(u16, Value)> {
        let client = self.client.clone();
        tokio::spawn(async move {
            let (status, text) = read(client.request(request).await.unwrap()).await;
            (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
        })
    }

    /// Tells it to stop, and goes on.
    pub(crate) fn tell_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Tells it to stop if nobody has, waits for its end, and sees that nothing is left.
    pub(crate) async fn end(mut self) {
        if self.stop.is_some() {
            self.tell_to_stop();
        }
        (&mut self.running).await.unwrap();
        let folder = self.folder.path().to_owned();
        drop(self.engine);
        until(|| processes(&folder).is_empty()).await;
    }

    /// The processes that run its worker and have not ended, with their parents.
    pub(crate) fn processes(&self) -> Vec<(String, String)> {
        processes(self.folder.path())
    }

    /// Waits until so many checks wait and run.
    pub(crate) async fn until_load(&self, waiting: usize, running: usize) {
        until(|| {
            let load = self.engine.load();
            (load.waiting, load.running) == (waiting, running)
        })
        .await;
    }
}

fn processes(folder: &Path) -> Vec<(String, String)> {
    let program = folder.join("worker").canonicalize().unwrap();
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let rest = stat.rsplit_once(") ")?.1;
            (!rest.starts_with(['Z', 'X'])).then(|| Some((pid, rest.split(' ').nth(1)?.to_owned())))?
        })
        .collect()
}

pub(crate) async fn read(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Waits until it is so; the watchdog ends what never is.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What a result's messages say.
pub(crate) fn said(result: &Value) -> Vec<&str> {
    let messages = result["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.iter().filter_map(|message| message["data"].as_str()).collect()
}

pub(crate) fn kill(pid: &str) {
    let _ = Command::new("kill").args(["-KILL", pid]).stderr(std::process::Stdio::null()).status();
}
