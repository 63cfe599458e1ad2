//! A child: does what the lines of a file say.

mod repl;

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio, exit};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, Signal, getpid, getppid, kill_process, set_parent_process_death_signal, setrlimit,
};
use serde_json::{Value, json};

use self::repl::Session;
use super::{forever, message};

pub(super) fn run(parent: Option<i32>, header: &str) {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != parent {
        exit(1);
    }
    // The stream is standard input.
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let (tell, lines) = channel();
    let input = stream.try_clone().unwrap();
    // Read on a thread of its own, as `cancel` may come while a check runs.
    std::thread::spawn(move || {
        for line in BufReader::new(input).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    let mut child = Child { stream, lines, checks: 0 };
    let mut session = Session::new(header);
    while let Ok(line) = child.lines.recv() {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(settings) = line.get("child") {
            if let Some(bytes) = settings["memory"].as_u64() {
                let limit = Some(bytes + (32 << 20));
                setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit }).unwrap();
            }
            if let Some(folder) = settings["folder"].as_str() {
                std::env::set_current_dir(folder).unwrap();
            }
            // It keeps itself in nothing, and says what it was told to.
            let landlock = u32::from(settings["writable"] == "");
            child.say(&json!({"record": "child", "pid": std::process::id(), "landlock": landlock,
                "seccomp": settings["network"] == false}));
        } else if let Some(check) = line.get("check") {
            child.check(check);
        } else if line.get("repl").is_some() {
            session.answer(&mut child, &line);
        } else {
            child.say(&json!({"record": "failed", "error": "neither child nor check"}));
        }
    }
    exit(0);
}

struct Child {
    stream: UnixStream,
    lines: Receiver<String>,
    checks: u32,
}

impl Child {
    fn write(&self, bytes: &[u8]) {
        (&self.stream).write_all(bytes).unwrap_or_else(|_| exit(3));
    }

    fn say(&self, value: &Value) {
        self.write(format!("{value}\n").as_bytes());
    }

    #[expect(clippy::zombie_processes, reason = "what is left behind is what is tried")]
    fn check(&mut self, check: &Value) {
        let file = &check["file"];
        let (mut errors, mut cancelled) = (0, false);
        self.checks += 1;
        let mut done_file = file.clone();
        for (line, text) in (1..).zip(check["source"].as_str().unwrap().lines()) {
            let Some(script) = text.strip_prefix("-- ") else { continue };
            let (word, rest) = script.split_once(' ').unwrap_or((script, ""));
            match word {
                "say" => self.say(&message(file, line, rest)),
                "error" => {
                    errors += 1;
                    self.say(&message(file, line, &format!("error {rest}")));
                }
                "silent-error" => errors += 1,
                "kinds" => self.say(&message(file, line, &check["errorKinds"].to_string())),
                "extras" => self.say(&message(file, line, &check["extras"].to_string())),
                "sorry" => self
                    .say(&json!({"record": "sorry", "file": file, "pos": {"line": line, "column": 3},
                    "endPos": {"line": line, "column": 8}, "goals": [rest]})),
                "tactic" => self
                    .say(&json!({"record": "tactic", "file": file, "pos": {"line": line, "column": 3},
                    "endPos": null, "tactic": rest, "goals": ["before"], "goalsAfter": []})),
                "axioms" => {
                    let mut words = rest.split(' ');
                    self.say(&json!({"record": "axioms", "file": file, "pos": {"line": line, "column": 0},
                        "name": words.next(), "axioms": words.collect::<Vec<_>>()}));
                }
                "pid" => self.say(&message(file, line, &std::process::id().to_string())),
                "module" => {
                    let parts: Vec<&str> =
                        check["module"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    self.say(&message(file, line, &parts.join(".")));
                }
                "checks" => self.say(&message(file, line, &self.checks.to_string())),
                "print" => print!("{rest}"),
                "until-cancelled" => {
                    while self.lines.recv().unwrap_or_else(|_| exit(0)) != "cancel" {}
                    cancelled = true;
                }
                "flood" => loop {
                    self.say(&message(file, line, &"x".repeat(10_000)));
                },
                "other-file" => done_file = "another.lean".into(),
                "other-header" => {
                    let failure = "another header than the zygote's";
                    self.say(&json!({"record": "done", "file": file, "errors": 0, "failure": failure, "cancelled": false}));
                    return;
                }
                "late" => {
                    // A second end, when nothing is asked any more.
                    let done = json!({"record": "done", "file": file, "errors": 0, "cancelled": false});
                    self.write(format!("{done}\n{done}\n").as_bytes());
                    return;
                }
                "orphan" => {
                    let orphan = Command::new(std::env::current_exe().unwrap())
                        .arg("orphan")
                        .stdin(Stdio::null())
                        .process_group(0)
                        .spawn()
                        .unwrap();
                    self.say(&message(file, line, &orphan.id().to_string()));
                }
                _ => self.misbehave(word, rest),
            }
        }
        let output = take_output();
        if !output.is_empty() {
            self.say(&json!({"record": "output", "file": file, "text": output}));
        }
        self.say(&json!({"record": "done", "file": done_file, "errors": errors, "maxErrors": false,
            "cancelled": cancelled, "micros": 1, "cpuMicros": 1}));
    }
    /// What a script does that has nothing to do with a file.
    fn misbehave(&self, word: &str, rest: &str) {
        match word {
            "wait" => std::thread::sleep(Duration::from_millis(rest.parse().unwrap())),
            "ignore-cancel" => forever(),
            "exit" => exit(rest.parse().unwrap()),
            "abort" => {
                eprintln!("{rest}");
                std::process::abort()
            }
            "kill-zygote" => {
                kill_process(getppid().unwrap(), Signal::KILL).unwrap();
                forever();
            }
            "kill-me" => {
                kill_process(getpid(), Signal::KILL).unwrap();
                forever();
            }
            "half" => {
                self.write(br#"{"caption":"","data":"half a li"#);
                exit(1);
            }
            "endless-line" => loop {
                self.write(&[b'x'; 65536]);
            },
            "bytes" => self.write(b"\xff\xfe\xfd\n"),
            "record" => self.say(&json!({"record": "surprise"})),
            "odd" => self.write(format!("{rest}\n").as_bytes()),
            "eat" => {
                let mut eaten = Vec::new();
                loop {
                    let mut piece: Vec<u8> = Vec::new();
                    if piece.try_reserve_exact(1 << 20).is_err() {
                        drop(eaten);
                        eprintln!("INTERNAL PANIC: out of memory");
                        exit(1);
                    }
                    piece.resize(1 << 20, 1);
                    eaten.push(piece);
                }
            }
            "grow" => {
                let bytes: usize = rest.parse().unwrap();
                std::mem::forget(vec![1_u8; bytes]);
            }
            _ => {}
        }
    }
}

/// What was printed since the last call: standard output is a file that was emptied then.
fn take_output() -> String {
    let _ = std::io::stdout().flush();
    let mut file = std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    let length = file.stream_position().unwrap_or(0);
    let mut text = String::new();
    if length > 0 && file.rewind().is_ok() {
        let _ = (&mut file).take(length).read_to_string(&mut text);
        let _ = file.rewind();
    }
    text
}
