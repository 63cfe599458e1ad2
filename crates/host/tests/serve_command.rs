//! Risk: the service listens where it must not, can't be stopped, says nothing of where it is, or logs what it must not.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command};

use serde_json::Value;
use support::{Files, signal, text};

/// A service that runs, and where.
struct Served {
    child: Child,
    address: String,
    stdout: BufReader<ChildStdout>,
}

fn serve(files: &Files, args: &[&str]) -> Served {
    let mut command = files.leanpool();
    let mut child = command.arg("serve").arg("--worker").arg(files.worker()).args(args).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address =
        line.trim().strip_prefix("leanpool serve: listening on ").unwrap_or_else(|| panic!("{line}"));
    Served { address: address.to_owned(), child, stdout }
}

fn ask(mut stream: impl std::io::Read + std::io::Write, head: &str, body: &str) -> String {
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Served {
    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.strip_prefix("http://").unwrap()).unwrap()
    }

    /// Kills it politely; what it has logged.
    fn end(mut self) -> Vec<Value> {
        signal(&self.child, "-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let (mut more, mut log) = (String::new(), String::new());
        self.stdout.read_to_string(&mut more).unwrap();
        assert_eq!(more, "");
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

#[test]
fn request_is_one_line_of_json_without_its_source_and_a_polite_kill_is_a_success() {
    let files = Files::new(&[]);
    let body = r#"{"text": "-- say secret"}"#;
    for (args, is_logged) in [(&[][..], false), (&["--log-source"][..], true)] {
        let served = serve(&files, &[&["--listen", "127.0.0.1:0"], args].concat());
        let answer = ask(served.connect(), "POST /v1/check", body);
        assert!(answer.contains("200 OK") && answer.contains("secret"), "{answer}");
        let log = served.end();
        let request = log.iter().find(|line| line["route"] == "/v1/check").unwrap();
        assert_eq!(
            (&request["status"], &request["files"], &request["ok"]),
            (&200.into(), &1.into(), &1.into())
        );
        assert_eq!(log.iter().any(|line| line.to_string().contains("secret")), is_logged, "{log:?}");
        files.until_processes(|count| count == 0);
    }
}

#[test]
fn beyond_loopback_a_key_is_demanded_and_files_are_kept_in_a_sandbox() {
    let files = Files::new(&[("key", "0123456789abcdef0123\n"), ("short", "abc\n")]);
    for args in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "[::]:0"],
        &["--listen", "127.0.0.1:0", "--api-key-file", "short"],
    ] {
        let output =
            files.leanpool().arg("serve").arg("--worker").arg(files.worker()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains("key"), "{}", text(&output.stderr));
    }
    let sandbox = |listen: &str, more: &[&str]| {
        let served = serve(&files, &[&["--listen", listen, "--api-key-file", "key"], more].concat());
        let port = served.address.rsplit_once(':').unwrap().1.to_owned();
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let head = "POST /v1/check HTTP/1.1\r\nauthorization: Bearer 0123456789abcdef0123\r\nx:";
        let answer = ask(stream, head, r#"{"text": ""}"#);
        served.end();
        assert!(answer.contains("200 OK"), "{answer}");
        answer.contains(r#""sandbox":{"writes_nothing":true,"no_network":true}"#)
    };
    assert!(sandbox("0.0.0.0:0", &[]), "it is the default there");
    assert!(!sandbox("0.0.0.0:0", &["--sandbox=false"]));
    assert!(!sandbox("127.0.0.1:0", &[]));
    assert!(sandbox("127.0.0.1:0", &["--sandbox"]));
}

#[test]
fn socket_in_the_file_system_is_taken_over_from_the_dead_and_goes_with_the_service() {
    let files = Files::new(&[]);
    let path = files.path().join("socket");
    let listen = format!("unix:{}", path.display());
    // What one has left that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let served = serve(&files, &["--listen", &listen]);
    assert_eq!(served.address, listen);
    let answer = ask(UnixStream::connect(&path).unwrap(), "GET /health", "");
    assert!(answer.contains(r#"{"status":"ok"}"#), "{answer}");
    // One that lives is not disturbed.
    let mut second = files.leanpool();
    second.arg("serve").arg("--worker").arg(files.worker()).args(["--listen", &listen]);
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("can't listen"), "{}", text(&output.stderr));
    assert!(ask(UnixStream::connect(&path).unwrap(), "GET /health", "").contains("ok"));
    served.end();
    assert!(!path.exists());
}

#[test]
fn second_signal_ends_a_service_that_still_has_work() {
    let files = Files::new(&[]);
    let mut served = serve(&files, &["--listen", "127.0.0.1:0", "--grace", "200"]);
    let mut stream = served.connect();
    let body = r#"{"text": "-- say begun\n-- ignore-cancel", "timeout": 200, "stream": true}"#;
    write!(stream, "POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.find(|line| line.contains("begun")).unwrap();
    signal(&served.child, "-TERM");
    // It says so to whoever asks: it has heard the first one.
    while !ask(served.connect(), "GET /health", "").contains("stopping") {}
    signal(&served.child, "-TERM");
    assert_eq!(served.child.wait().unwrap().code(), Some(143));
    files.until_processes(|count| count == 0);
}

#[test]
fn key_of_a_file_is_that_of_its_header() {
    let files = Files::new(&[
        ("a.lean", "-- x\nimport Mathlib\n#eval 1"),
        ("b.lean", "import Mathlib"),
        ("c.lean", "import Lean"),
    ]);
    let key = |name: &str| text(&files.leanpool().args(["key", name]).output().unwrap().stdout);
    assert_eq!(key("a.lean"), key("b.lean"));
    assert_ne!(key("a.lean"), key("c.lean"));
    let mut sum = Command::new("sh");
    sum.args(["-c", "printf 'import Mathlib\\n' | sha256sum | head -c 16"]);
    assert_eq!(key("a.lean").trim(), text(&sum.output().unwrap().stdout), "as the documents say");
    assert_eq!(files.leanpool().args(["key", "nothing.lean"]).output().unwrap().status.code(), Some(1));
}

#[test]
fn load_is_sent_and_what_came_of_it_is_said() {
    let files = Files::new(&[("a.lean", "-- say hi"), ("b.lean", "-- error no")]);
    let served = serve(&files, &["--listen", "127.0.0.1:0"]);
    let mut bench = files.leanpool();
    bench.args([
        "bench-serve",
        "--url",
        &served.address,
        "-n",
        "40",
        "--batch",
        "2",
        "--json",
        "a.lean",
        "b.lean",
    ]);
    let output = bench.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!((&report["answered"], &report["files"], &report["ok"]), (&40.into(), &80.into(), &40.into()));
    assert!(
        report["requests_per_second"].as_f64().unwrap() > 0.0
            && report["p99_ms"].as_f64() >= report["median_ms"].as_f64()
    );
    let url = served.address.clone();
    served.end();
    let output = files.leanpool().args(["bench-serve", "--url", &url, "-n", "3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "nobody is there");
    assert!(text(&output.stdout).contains("3 requests not answered"));
}
