//! Risk: something outside of the paths that were given is read or written; or a name that no file can have ends the command. What is opened the kernel tells (inotify).
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::inotify;
use serde_json::{Value, json};
use support::{Files, ended, text};

/// A folder that nobody was told of, with files in it, and what looks whether one is opened or changed.
struct Outside {
    folder: tempfile::TempDir,
    watch: OwnedFd,
}

impl Outside {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
        fs::create_dir(folder.path().join("Deep")).unwrap();
        for name in ["secret.lean", "secret.olean", "Deep/secret.olean", "lakefile.toml", "my secret.olean"] {
            fs::write(folder.path().join(name), "-- say secret").unwrap();
        }
        for path in [folder.path().to_owned(), folder.path().join("Deep")] {
            let events = inotify::WatchFlags::OPEN
                | inotify::WatchFlags::MODIFY
                | inotify::WatchFlags::CREATE
                | inotify::WatchFlags::DELETE;
            inotify::add_watch(&watch, path, events).unwrap();
        }
        Self { folder, watch }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What of it was opened or changed since the last look.
    fn touched(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        let mut all = Vec::new();
        while let Ok(event) = events.next() {
            all.push(event.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
        }
        all
    }
}

/// A project in the folder `p`, whose Lake says what lies in `p/said`.
fn project(files: &[(&str, &str)]) -> Files {
    let all = Files::new(files);
    all.program("lean/bin/lake", r#"case $1 in env) cat path;; *) cat said;; esac"#);
    all.write("p/lakefile.toml", b"");
    all.write("p/path", b"/nowhere/lib");
    all.write("p/said", br#"{"name": "A.X", "options": {}}"#);
    all
}

#[test]
fn watch_sees_what_is_opened() {
    let outside = Outside::new();
    fs::read(outside.path().join("secret.lean")).unwrap();
    assert_eq!(outside.touched(), ["secret.lean"]);
    assert_eq!(outside.touched(), [""; 0]);
}

#[test]
fn module_that_a_header_names_is_no_path_for_the_host() {
    let outside = Outside::new();
    let out = outside.path().display();
    let files = project(&[]);
    let up = "«..».".repeat(12);
    let imports = [
        format!("import {up}secret"),
        format!("import «{out}/secret»"),
        format!("import «../../../../../../../../../../{out}/secret»"),
        format!("import «{out}/my secret»"),
        format!("public import all «{out}/Deep/secret».A"),
        format!("import\t«{out}/secret»"),
        "import «a\0b»".to_owned(),
        format!("import {}", "A.".repeat(100_000) + "B"),
        format!("import {}", "x".repeat(100_000)),
    ];
    for text_of_file in imports {
        files.write("p/A/X.lean", format!("{text_of_file}\n-- say checked").as_bytes());
        let output = files.check(&["p/A/X.lean", "--quiet"]);
        assert!(output.status.code().is_some_and(|code| code <= 1), "{output:?}");
        assert_eq!(outside.touched(), [""; 0], "{:.200}", text_of_file);
    }
}

#[test]
fn link_in_a_project_leads_nowhere_until_it_is_named_itself() {
    let outside = Outside::new();
    let files = project(&[("p/A/X.lean", "import A\n-- say checked")]);
    for (link, to) in [("p/out", ""), ("p/A/out", ""), ("p/A/Y.lean", "secret.lean"), ("p/A/X", "Deep")] {
        symlink(outside.path().join(to), files.path().join(link)).unwrap();
    }
    let output = files.check(&["p/A/X.lean", "p/A/../A/X.lean", "--quiet"]);
    assert_eq!(text(&output.stdout), "checked\nchecked\n", "{output:?}");
    assert_eq!(outside.touched(), [""; 0]);
    let output = files.check(&["p/A/Y.lean", "--quiet"]);
    assert_eq!(text(&output.stdout), "secret\n", "what is named is read: {output:?}");
    assert_eq!(outside.touched(), ["secret.lean"]);
}

#[test]
fn what_lake_says_and_what_is_kept_of_it_is_not_read() {
    let outside = Outside::new();
    let out = outside.path().display();
    let files = project(&[("p/A/X.lean", "import A\n-- say checked")]);
    files.write("p/path", format!("{out}:{out}/Deep").as_bytes());
    let names = ["A.X", "«..».«..».secret", "««..»", "..", "", "«/etc».X", "a\u{0}b"];
    for name in names {
        let said = json!({
            "name": name, "options": {}, "plugins": [format!("{out}/secret.olean")], "dynlibs": [format!("{out}/secret.olean")],
            "importArts": {"A": [format!("{out}/secret.olean"), "../../../secret.olean"]},
        });
        files.write("p/said", said.to_string().as_bytes());
        for _ in 0..2 {
            let output = files.check(&["p/A/X.lean", "--quiet"]);
            assert_eq!(text(&output.stdout), "checked\n", "{name:?}: {output:?}");
            assert_eq!(outside.touched(), [""; 0], "{name:?}");
        }
        fs::remove_dir_all(files.path().join("cache")).unwrap();
    }
    // A manifest may say where packages are: of those only the lakefiles are looked at, as Lake does.
    files.write(
        "p/lake-manifest.json",
        br#"{"packages": [{"name": "x\u0000y", "type": "git"}, {"name": "../../..", "type": "git"}]}"#,
    );
    assert_eq!(text(&files.check(&["p/A/X.lean", "--quiet"]).stdout), "checked\n");
    assert_eq!(outside.touched(), [""; 0]);
}

#[test]
fn name_that_no_file_can_have_is_an_error_of_that_file_alone() {
    let files = Files::new(&[("a.lean", "-- say a"), ("b.lean", "-- say b")]);
    fs::create_dir(files.path().join("folder.lean")).unwrap();
    symlink("circle.lean", files.path().join("circle.lean")).unwrap();
    symlink("/dev/zero", files.path().join("zero.lean")).unwrap();
    let long = format!("{}.lean", "x".repeat(300));
    let deep = format!("{}a.lean", "d/".repeat(4000));
    let up = format!("{}a.lean", "../".repeat(2000));
    let output = files.check(&[
        "a.lean",
        &long,
        &deep,
        &up,
        "folder.lean",
        "circle.lean",
        "zero.lean",
        "b.lean",
        "--quiet",
    ]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<&str> =
        said.lines().filter(|line| line.contains("error: the file can't be read: ")).collect();
    assert!(errors.len() == 6 && said.starts_with("a\n") && said.ends_with("b\n"), "{said}");
    assert!(errors[0].contains("File name too long") && errors[1].contains("File name too long"), "{said}");
    assert!(said.contains("zero.lean:1:0: error: the file can't be read: it has more than 64 MiB"), "{said}");
}

#[test]
fn set_up_that_does_not_end_is_refused_with_its_limit() {
    let files = Files::new(&[("a.lean", "-- say a")]);
    let output = files.check(&["a.lean", "--setup", "/dev/zero"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/dev/zero: it has more than 16 MiB"), "{said}");
}

#[test]
fn path_of_a_request_that_can_t_be_one_is_answered_and_the_session_goes_on() {
    let outside = Outside::new();
    let files = Files::new(&[("a.lean", "-- say a")]);
    let mut command = files.leanpool();
    command.args(["repl", "--alone", "--worker"]).arg(files.worker());
    let mut repl = command.stdin(Stdio::piped()).spawn().unwrap();
    let paths = ["a\0b".to_owned(), "x".repeat(100_000), "../".repeat(5000), "/".to_owned(), String::new()];
    let mut input = repl.stdin.take().unwrap();
    for path in &paths {
        write!(input, "{}\n\n", json!({"path": path})).unwrap();
    }
    for odd in [json!(7), json!(["a"]), json!({"a": "b"})] {
        write!(input, "{}\n\n", json!({"path": odd})).unwrap();
    }
    write!(input, "{}\n\n", json!({"cmd": format!("import «{}/secret»", outside.path().display())})).unwrap();
    write!(input, "{}\n\n", json!({"cmd": "-- say well"})).unwrap();
    drop(input);
    let output = ended(repl, String::new());
    let answers: Vec<Value> = text(&output.stdout)
        .split("\n\n")
        .filter(|one| !one.is_empty())
        .map(|one| serde_json::from_str(one).unwrap())
        .collect();
    assert_eq!(answers.len(), paths.len() + 5, "{answers:?}");
    assert!(answers.last().unwrap().to_string().contains("well"), "{answers:?}");
    assert_eq!(outside.touched(), [""; 0]);
}

#[test]
fn trace_is_written_where_it_was_said_and_nowhere_else() {
    let outside = Outside::new();
    let files = Files::new(&[]);
    let repository = files.path().join("r");
    fs::create_dir(&repository).unwrap();
    symlink(outside.path().join("secret.lean"), repository.join("link.lean")).unwrap();
    fs::write(repository.join("a.lean"), "import A").unwrap();
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(&repository).args(["-c", "user.name=n", "-c", "user.email=e"]).args(args);
        assert!(git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap().status.success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "x"]);
    let trace = |output: &str| {
        let mut command = files.leanpool();
        command.args(["trace", "r", "--quiet", "--output", output]);
        ended(command.spawn().unwrap(), String::new())
    };
    assert_eq!(trace("t.tsv").status.code(), Some(0));
    assert_eq!(fs::read_to_string(files.path().join("t.tsv")).unwrap(), "0\tInit A\n", "a link is no file");
    for place in [&format!("{}t.tsv", "d/".repeat(3000)), &"x".repeat(300), "none/t.tsv", "."] {
        let output = trace(place);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("can't be written"), "{said}");
    }
    assert_eq!(outside.touched(), [""; 0]);
    let names: Vec<_> = fs::read_dir(files.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "lean, r, t.tsv, worker: {names:?}");
}
