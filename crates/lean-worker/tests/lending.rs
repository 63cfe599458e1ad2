//! Risk: a session that is lent is another's, outlives its client, or keeps the lender from others; or nobody can lend where one has died.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use lean_worker::lending::{BorrowError, Borrowed, Hello, Lender};
use lean_worker::{Limits, Surroundings, Workers};
use serde_json::{Value, json};
use support::{Own, around, until, watchdog, workers};

struct Place {
    folder: tempfile::TempDir,
    workers: Arc<Workers>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), workers: Arc::new(workers(Limits::default())) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("for-me/repl.sock")
    }

    fn lend(&self) -> Lender {
        Lender::new(&self.path(), self.workers.clone()).unwrap()
    }

    fn borrow(&self) -> Borrowed {
        Borrowed::new(&self.path(), &hello(&around(), "/")).unwrap()
    }
}

fn hello(around: &Surroundings, folder: impl AsRef<Path>) -> Hello {
    Hello {
        around: around.clone(),
        folder: folder.as_ref().to_owned(),
        timeout: None,
        grace: Duration::from_secs(5),
    }
}

fn ask(session: &mut Borrowed, request: &Value) -> Value {
    serde_json::from_str(&session.answer(&request.to_string()).unwrap()).unwrap()
}

fn said(answer: &Value) -> &str {
    answer["messages"][0]["data"].as_str().unwrap()
}

#[test]
fn file_that_is_no_socket_is_not_removed_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "kept").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let error = Lender::new(path, Arc::new(workers(Limits::default()))).unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "kept");
    }
}

#[test]
fn hundred_borrowers_import_once_and_each_has_its_own_states() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lender = place.lend();
    let together = Barrier::new(100);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (place, together, lender) = (&place, &together, &lender);
            scope.spawn(move || {
                let mut session = place.borrow();
                together.wait();
                let answer = ask(&mut session, &json!({"cmd": format!("import A\n-- say {number}")}));
                assert_eq!((&answer["env"], said(&answer)), (&json!(0), &*number.to_string()));
                assert_eq!(lender.sessions(), 100);
                together.wait();
                let answer = ask(&mut session, &json!({"cmd": "-- tell texts", "env": 0}));
                assert!(said(&answer).contains(&format!("say {number}\"")), "{answer}");
            });
        }
    });
    until(|| lender.sessions() == 0);
    assert_eq!((place.workers.stats().zygotes, place.workers.stats().children), (1, 100));
}

#[test]
fn each_works_in_its_client_s_folder_with_its_client_s_imports() {
    let _watchdog = watchdog();
    let place = Place::new();
    let _lender = place.lend();
    for name in ["one", "two"] {
        let folder = place.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.lean"), "import A\n-- tell folder").unwrap();
        let around = Surroundings { search_path: vec![name.to_owned()], ..Surroundings::clone(&around()) };
        let mut session = Borrowed::new(&place.path(), &hello(&around, &folder)).unwrap();
        let answer = ask(&mut session, &json!({"path": "a.lean"}));
        assert_eq!(said(&answer), json!(folder).to_string());
    }
    assert_eq!(place.workers.stats().zygotes, 2, "another search path has other imports");
}

#[test]
fn socket_is_for_the_user_alone() {
    let place = Place::new();
    let _lender = place.lend();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.path()), mode(place.path().parent().unwrap())), (0o600, 0o700));
}

#[test]
fn two_do_not_lend_in_one_place_and_a_dead_one_s_is_taken_over() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lender = place.lend();
    let error = Lender::new(&place.path(), place.workers.clone()).unwrap_err().to_string();
    assert!(error.contains("another process lends sessions there") && error.contains("repl.sock"), "{error}");
    ask(&mut place.borrow(), &json!({"cmd": ""}));
    drop(lender);
    assert!(!place.path().exists());
    let nobody = Borrowed::new(&place.path(), &hello(&around(), "/")).unwrap_err();
    assert!(matches!(nobody, BorrowError::Nobody { .. }), "{nobody}");
    // What one who was killed leaves behind: a file, and nobody behind it.
    drop(std::os::unix::net::UnixListener::bind(place.path()).unwrap());
    let nobody = Borrowed::new(&place.path(), &hello(&around(), "/")).unwrap_err();
    assert!(matches!(nobody, BorrowError::Nobody { .. }), "{nobody}");
    let _lender = place.lend();
    ask(&mut place.borrow(), &json!({"cmd": ""}));
}

#[test]
fn borrower_that_goes_away_in_a_request_leaves_no_child() {
    let _watchdog = watchdog();
    let own = Own::new();
    let place = Place::new();
    let lender = place.lend();
    let mut session = Borrowed::new(&place.path(), &hello(&own.around(), "/")).unwrap();
    let pid = said(&ask(&mut session, &json!({"cmd": "import A\n-- pid"}))).to_owned();
    drop(session);
    until(|| !support::is_alive(&pid) && lender.sessions() == 0);

    // The same while a request runs that never comes back.
    let around = serde_json::to_value(hello(&own.around(), "/")).unwrap();
    let first = json!({"version": env!("CARGO_PKG_VERSION"), "hello": around});
    let mut stream = UnixStream::connect(place.path()).unwrap();
    let request = json!({"request": json!({"cmd": "import A\n-- ignore-cancel"}).to_string()});
    writeln!(stream, "{first}\n{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "\"ready\"\n");
    // The zygote, and the child.
    until(|| own.processes().len() == 2);
    drop(stream);
    until(|| own.processes().len() == 1 && lender.sessions() == 0);
}

#[test]
fn who_does_not_speak_so_is_told_and_hurts_nobody() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lender = place.lend();
    let around = serde_json::to_value(hello(&around(), "/")).unwrap();
    let hello = json!({"version": env!("CARGO_PKG_VERSION"), "hello": around});
    for (text, words) in [
        ("hello\n".to_owned(), "refused"),
        ("{\"version\":\"0\",\"hello\":{}}\n".to_owned(), "start it again"),
        (json!({"version": env!("CARGO_PKG_VERSION"), "hello": {}}).to_string() + "\n", "refused"),
        (format!("{hello}\nhello\n"), "ready"),
        (format!("{hello}\n{{\"request\":\"{{}}"), "ready"),
    ] {
        let mut stream = UnixStream::connect(place.path()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let lines: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
        assert!(lines.len() == 1 && lines[0].contains(words), "{text}: {lines:?}");
    }
    until(|| lender.sessions() == 0);
    assert_eq!(ask(&mut place.borrow(), &json!({"cmd": ""}))["env"], 0);
}

#[test]
fn flood_of_requests_ends_the_session_that_it_comes_from() {
    let _watchdog = watchdog();
    let place = Place::new();
    let lender = place.lend();
    let mut other = place.borrow();
    ask(&mut other, &json!({"cmd": "import A"}));
    let hello = serde_json::to_value(hello(&around(), "/")).unwrap();
    let mut stream = UnixStream::connect(place.path()).unwrap();
    writeln!(stream, "{}", json!({"version": env!("CARGO_PKG_VERSION"), "hello": hello})).unwrap();
    writeln!(stream, "{}", json!({"request": json!({"cmd": "-- ignore-cancel"}).to_string()})).unwrap();
    until(|| lender.sessions() == 2);
    let line = format!("{}\n", json!({"request": "{}"}));
    let sent = (0..100_000).take_while(|_| stream.write_all(line.as_bytes()).is_ok()).count();
    assert!(sent < 100_000, "nobody hears it any more");
    until(|| lender.sessions() == 1);
    assert_eq!(ask(&mut other, &json!({"cmd": "", "env": 0}))["env"], 1);
}

#[test]
fn interrupted_request_of_a_borrower_comes_back() {
    let _watchdog = watchdog();
    let place = Place::new();
    let _lender = place.lend();
    let mut session = place.borrow();
    let interruption = session.interruption();
    interruption.ask().unwrap();
    assert_eq!(ask(&mut session, &json!({"cmd": "import A"}))["env"], 0, "nothing ran");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Before the request has got there, it is of no effect.
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                interruption.ask().unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let answer = ask(&mut session, &json!({"cmd": "-- until-cancelled", "env": 0}));
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(answer["message"].as_str().unwrap().starts_with("Interrupted"), "{answer}");
    });
}

#[test]
fn lender_that_ends_ends_its_sessions_and_they_hear_of_it() {
    let _watchdog = watchdog();
    let own = Own::new();
    let place = Place::new();
    let lender = place.lend();
    let mut idle = Borrowed::new(&place.path(), &hello(&own.around(), "/")).unwrap();
    ask(&mut idle, &json!({"cmd": "import A"}));
    let mut busy = Borrowed::new(&place.path(), &hello(&own.around(), "/")).unwrap();
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| busy.answer(&json!({"cmd": "import A\n-- ignore-cancel"}).to_string()));
        until(|| own.processes().len() == 3);
        drop(lender);
        assert!(asks.join().unwrap().is_err());
    });
    assert!(idle.answer("{}").is_err());
    drop(place);
    until(|| own.processes().is_empty());
}
