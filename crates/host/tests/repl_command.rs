//! Risk: `leanpool repl` answers otherwise than the REPL in whose place it stands, keeps an answer back, outlives its client, or loses more than it must.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Files, ended, signal, text};

/// A `leanpool repl` that is talked to.
struct Repl {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Repl {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn send(&mut self, request: &Value) {
        write!(self.input, "{request}\n\n").unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            assert_ne!(line, "", "it has ended; it said {answer:?}");
            if line == "\n" {
                return serde_json::from_str(&answer).unwrap();
            }
            answer.push_str(&line);
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.send(request);
        self.hear()
    }

    /// What it says from now on, until it ends.
    fn end(self) -> Output {
        let Self { mut child, input, output } = self;
        drop(input);
        let early = text(output.buffer());
        child.stdout = Some(output.into_inner());
        ended(child, early)
    }
}

fn files() -> Files {
    Files::new(&[("a.lean", "import A\n-- tell folder")])
}

fn command(files: &Files, args: &[&str]) -> Command {
    let mut command = files.leanpool();
    command.env("XDG_RUNTIME_DIR", files.path().join("run")).arg("repl").arg("--worker").arg(files.worker());
    command.args(args);
    command
}

/// What comes of an input that is all there from the beginning.
fn output_of(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    // It may not be read before answers are.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = ended(child, String::new());
    writer.join().unwrap();
    output
}

fn answers(output: &Output) -> Vec<Value> {
    let said = text(&output.stdout);
    assert!(said.is_empty() || said.ends_with("\n\n"), "{said:?}");
    said.split_terminator("\n\n").map(|answer| serde_json::from_str(answer).unwrap()).collect()
}

fn said(answer: &Value) -> &str {
    answer["messages"][0]["data"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn requests_are_answered_one_by_one_and_the_end_of_input_ends_it() {
    let files = files();
    let input = b"{\"cmd\": \"import A\\n-- say one\"}\n\n\n{\"cmd\":\n  \"-- sorry p\",\n \"env\": 0}\n \n{\"tactic\": \"rfl\", \"proofState\": 0}";
    let output = output_of(&mut command(&files, &[]), input);
    let all = answers(&output);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(
        (all.len(), said(&all[0]), &all[1]["env"], &all[2]["proofState"]),
        (3, "one", &json!(1), &json!(1))
    );
    let nothing = output_of(&mut command(&files, &[]), b"");
    assert_eq!((nothing.status.code(), text(&nothing.stdout)), (Some(0), String::new()));
}

#[test]
fn each_answer_is_there_before_the_next_request() {
    let files = files();
    let mut repl = Repl::start(&mut command(&files, &[]));
    for number in 0..3 {
        assert_eq!(repl.ask(&json!({"cmd": "import A"}))["env"], number);
    }
    assert_eq!(repl.end().status.code(), Some(0));
    files.until_processes(|count| count == 0);
}

#[test]
fn what_is_no_request_is_answered_in_words_and_the_session_goes_on() {
    let files = files();
    let input = b"hello\n\n{\"cmd\": \"\xff\"}\n\n{\"cmd\": \"\", \"env\": 7}\n\n{\"tactic\": \"\", \"proofState\": 7}\n\n\
        {\"cmd\": \"import Script.Missing\"}\n\n{\"cmd\": \"import A\"}\n\n{\"cmd\": \"";
    let output = output_of(&mut command(&files, &[]), input);
    let all = answers(&output);
    let words = [
        "Could not parse the request: expected value",
        "Could not parse the request: invalid utf-8",
        "Unknown environment.",
        "Unknown proof state.",
        "unknown module prefix 'Script.Missing'",
        "",
        "Could not parse the request: EOF",
    ];
    assert_eq!(all.len(), words.len());
    for (answer, words) in all.iter().zip(words) {
        if words.is_empty() {
            assert_eq!(*answer, json!({"env": 0}));
        } else {
            assert!(answer["message"].as_str().unwrap().starts_with(words), "{answer}");
        }
    }
    // Programs that start a REPL take anything on standard error for a failure.
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn flood_of_requests_is_answered_in_order() {
    let files = files();
    let input: String =
        (0..2000).map(|number| format!("{{\"cmd\": \"import A\\n-- say {number}\"}}\n\n")).collect();
    let output = output_of(&mut command(&files, &[]), input.as_bytes());
    let all = answers(&output);
    assert_eq!(all.len(), 2000);
    for (number, answer) in all.iter().enumerate() {
        assert_eq!((&answer["env"], said(answer)), (&json!(number), &*number.to_string()));
    }
}

#[test]
fn request_is_answered_though_the_input_has_ended() {
    let files = files();
    let output = output_of(&mut command(&files, &[]), br#"{"cmd": "-- wait 200\n-- say done"}"#);
    assert_eq!((said(&answers(&output)[0]), output.status.code()), ("done", Some(0)));
}

#[test]
fn request_has_its_time_and_the_rest_stays() {
    let files = files();
    let mut repl = Repl::start(&mut command(&files, &["--timeout", "0.3", "--grace", "0.2"]));
    repl.ask(&json!({"cmd": "import A"}));
    repl.ask(&json!({"cmd": "import B"}));
    let answer = repl.ask(&json!({"cmd": "-- until-cancelled", "env": 0}));
    assert_eq!(
        answer,
        json!({"message": "Timed out after 0.3 s: the request was cancelled. Nothing is lost."})
    );
    assert_eq!(repl.ask(&json!({"cmd": "", "env": 0}))["env"], 2);
    let answer = repl.ask(&json!({"cmd": "-- ignore-cancel", "env": 0}));
    let words = answer["message"].as_str().unwrap();
    assert!(words.starts_with("Timed out") && words.contains("environments 0, 2; all else"), "{words}");
    assert_eq!(repl.ask(&json!({"cmd": "", "env": 1}))["env"], 3);
    assert_eq!(repl.end().status.code(), Some(0));
}

#[test]
fn nobody_who_reads_any_more_ends_it_also_in_a_request() {
    let files = files();
    let Repl { mut child, input, output } = {
        let mut repl = Repl::start(&mut command(&files, &[]));
        repl.send(&json!({"cmd": "-- ignore-cancel"}));
        repl
    };
    // The zygote, and the child.
    files.until_processes(|count| count == 2);
    drop(output);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(words, "");
    drop(input);
    files.until_processes(|count| count == 0);
}

#[test]
fn polite_kill_ends_it_in_a_request_and_leaves_nothing() {
    let files = files();
    let mut repl = Repl::start(&mut command(&files, &[]));
    repl.send(&json!({"cmd": "-- ignore-cancel"}));
    files.until_processes(|count| count == 2);
    signal(&repl.child, "-TERM");
    assert_eq!(repl.child.wait().unwrap().code(), Some(143));
    files.until_processes(|count| count == 0);
}

#[test]
fn ctrl_c_ends_a_request_and_without_one_the_session() {
    let files = files();
    let mut repl = Repl::start(&mut command(&files, &[]));
    let pid = said(&repl.ask(&json!({"cmd": "import A\n-- pid"}))).to_owned();
    let folder = files.path().join("began");
    repl.send(&json!({"cmd": format!("-- touch {}\n-- until-cancelled", folder.display()), "env": 0}));
    files.until_processes(|_| folder.exists());
    signal(&repl.child, "-INT");
    assert!(repl.hear()["message"].as_str().unwrap().starts_with("Interrupted: the request was cancelled"));
    assert_eq!(said(&repl.ask(&json!({"cmd": "-- pid", "env": 0}))), pid, "nothing is lost");
    signal(&repl.child, "-INT");
    assert_eq!(repl.child.wait().unwrap().code(), Some(130));
    files.until_processes(|count| count == 0);
}

#[test]
fn paths_begin_in_its_folder_and_modules_are_found_as_lake_env_says() {
    let files = files();
    let sub = files.path().join("sub");
    // Beside a project: what `lake env` says is all that counts, unless it is named.
    files.write("sub/lakefile.toml", b"");
    files.program(
        "lean/bin/lake",
        r#"case $1 in env) echo /from/lake;; *) echo '{"name": "_unknown", "options": {"autoImplicit": false}}';; esac"#,
    );
    let configured = |args: &[&str]| {
        let mut command = command(&files, args);
        let mut repl = Repl::start(command.current_dir(&sub).env("LEAN_PATH", "/one:two"));
        assert_eq!(said(&repl.ask(&json!({"path": "../a.lean"}))), json!(sub).to_string());
        let config = repl.ask(&json!({"cmd": "import Script.Configured"}));
        let config: Value = serde_json::from_str(config["message"].as_str().unwrap()).unwrap();
        assert_eq!(config["sysroot"], json!(files.path().join("lean")));
        config
    };
    let config = configured(&[]);
    assert_eq!((&config["searchPath"], &config["setup"]), (&json!(["/one", sub.join("two")]), &Value::Null));
    let config = configured(&["--project", "."]);
    assert_eq!(config["searchPath"], json!(["/from/lake"]));
    assert_eq!(config["setup"]["options"], json!({"autoImplicit": false}));
}

#[test]
fn file_called_repl_is_leanpool_repl() {
    let files = files();
    std::fs::create_dir_all(files.path().join("x/.lake/build/bin")).unwrap();
    let name = files.path().join("x/.lake/build/bin/repl");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_leanpool"), &name).unwrap();
    let mut linked = Command::new(&name);
    linked.current_dir(files.path()).env("LEAN_SYSROOT", files.path().join("lean")).env_remove("LEAN_PATH");
    linked.env("XDG_RUNTIME_DIR", files.path().join("run")).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Without an argument it wants a worker of its own, which nobody can build here: it says so, and is a REPL.
    let alone = output_of(linked.env("XDG_CACHE_HOME", files.path().join("cache")), b"");
    assert_eq!(alone.status.code(), Some(3));
    assert!(text(&alone.stderr).contains("lake"), "{}", text(&alone.stderr));
    let output = output_of(linked.arg("--worker").arg(files.worker()), br#"{"cmd": "import A"}"#);
    assert_eq!((answers(&output), output.status.code()), (vec![json!({"env": 0})], Some(0)), "{output:?}");
}

#[test]
fn sessions_are_lent_and_a_header_is_imported_once_for_all() {
    let files = files();
    let mut lender = command(&files, &["--listen"]).spawn().unwrap();
    let line = support::first_line(&mut lender);
    assert_eq!(
        line,
        format!("lending sessions at {}\n", files.path().join("run/leanpool/repl.sock").display())
    );
    std::fs::create_dir(files.path().join("elsewhere")).unwrap();
    let mut repls: Vec<Repl> = (0..10)
        .map(|number| {
            // By the well-known path, and by name.
            let mut command = match number % 2 {
                0 => command(&files, &[]),
                _ => command(&files, &["--connect", "../run/leanpool/repl.sock"]),
            };
            Repl::start(command.current_dir(files.path().join("elsewhere")))
        })
        .collect();
    for repl in &mut repls {
        repl.send(&json!({"path": "../a.lean"}));
    }
    let elsewhere = json!(files.path().join("elsewhere")).to_string();
    for repl in &mut repls {
        assert_eq!(said(&repl.hear()), elsewhere, "the client's folder");
    }
    assert_eq!(files.processes().len(), 1 + repls.len(), "one zygote, and a child each");

    // A client that is killed takes its child with it, and nothing else.
    let mut killed = repls.pop().unwrap();
    killed.send(&json!({"cmd": "-- ignore-cancel", "env": 0}));
    signal(&killed.child, "-KILL");
    killed.child.wait().unwrap();
    files.until_processes(|count| count == 1 + repls.len());
    // Ctrl-C gets there, too.
    let mut repl = repls.pop().unwrap();
    let began = files.path().join("began");
    repl.send(&json!({"cmd": format!("-- touch {}\n-- until-cancelled", began.display()), "env": 0}));
    files.until_processes(|_| began.exists());
    signal(&repl.child, "-INT");
    assert!(repl.hear()["message"].as_str().unwrap().starts_with("Interrupted"));
    assert_eq!(repl.end().status.code(), Some(0));

    // Whoever has borrowed hears of the lender's end.
    signal(&lender, "-KILL");
    lender.wait().unwrap();
    let mut repl = repls.pop().unwrap();
    let answer = repl.ask(&json!({"cmd": "", "env": 0}));
    assert!(answer["message"].as_str().unwrap().contains("has ended, and all states with it"), "{answer}");
    let output = repl.end();
    assert_eq!(output.status.code(), Some(1));
    drop(repls);
    files.until_processes(|count| count == 0);

    // A dead one's place is no reason to have no session, but where it was asked for by name.
    let output = output_of(&mut command(&files, &[]), br#"{"cmd": "import A"}"#);
    assert_eq!((answers(&output), text(&output.stderr)), (vec![json!({"env": 0})], String::new()));
    let output = output_of(&mut command(&files, &["--connect", "run/leanpool/repl.sock"]), b"{}");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("nobody lends sessions at run/leanpool/repl.sock"), "{output:?}");
}

#[test]
fn lender_that_is_asked_to_end_leaves_nothing() {
    let files = files();
    let socket = files.path().join("place/s");
    let mut lender = command(&files, &["--listen", "place/s"]).spawn().unwrap();
    support::first_line(&mut lender);
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut repl = Repl::start(&mut command(&files, &["--connect", "place/s"]));
    repl.send(&json!({"cmd": "-- ignore-cancel"}));
    files.until_processes(|count| count == 2);
    let second = output_of(&mut command(&files, &["--listen", "place/s"]), b"");
    assert!(text(&second.stderr).contains("another process lends sessions there"), "{second:?}");
    signal(&lender, "-TERM");
    assert_eq!(ended(lender, String::new()).status.code(), Some(143));
    assert!(!socket.exists());
    assert_eq!(repl.end().status.code(), Some(1));
    files.until_processes(|count| count == 0);
}

#[test]
fn wrong_usage_is_refused_before_anything_is_started() {
    let files = files();
    for args in [
        &["--connect", "x", "--listen"][..],
        &["--connect", "x", "--alone"],
        &["--timeout", "0"],
        &["--capacity", "0"],
        &["--path", "nowhere"],
        &["--project", "nowhere"],
    ] {
        let output = output_of(&mut command(&files, args), b"");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{args:?}");
    }
}
