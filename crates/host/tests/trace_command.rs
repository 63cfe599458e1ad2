//! Risk: a trace of a history is not what its commits changed, or traces of other formats are not read from files.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use leanpool::trace::Trace;

fn leanpool(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leanpool")).args(args).output().unwrap()
}

fn git(folder: &Path, seconds: u64, args: &[&str]) {
    let time = format!("{} +0000", 1_600_000_000 + seconds);
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args([
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "-c",
        "commit.gpgsign=false",
    ]);
    git.args(args).env("GIT_COMMITTER_DATE", &time).env("GIT_AUTHOR_DATE", &time);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn commit(folder: &Path, seconds: u64, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }
    git(folder, seconds, &["add", "-A"]);
    git(folder, seconds, &["commit", "-q", "--allow-empty", "-m", "change"]);
}

/// A history of four commits, one of which has a clock that is late.
fn history(folder: &Path) {
    git(folder, 0, &["init", "-q", "-b", "main"]);
    commit(folder, 0, &[("A.lean", "import Lean\n"), ("README.md", "import Nothing\n")]);
    commit(
        folder,
        60,
        &[("A.lean", "import Lean\nimport B.C\n"), ("B/C ö.lean", "/- é -/ prelude\nimport Init.Core")],
    );
    std::fs::remove_file(folder.join("A.lean")).unwrap();
    commit(folder, 30, &[("D.lean", "module\npublic import Lean\n")]);
    commit(folder, 90, &[("notes.txt", "nothing")]);
}

#[test]
fn each_changed_file_of_each_commit_is_a_request_with_the_imports_it_had_then() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path());
    let expected = "0\tInit Lean\n60\tInit Lean B.C\n60\tInit.Core\n60\tInit Lean\n";
    let output = leanpool(&["trace", folder.path().to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), "4 requests\n"));
    let file = folder.path().join("trace.tsv");
    let args = ["trace", folder.path().to_str().unwrap(), "--quiet", "--output", file.to_str().unwrap()];
    assert_eq!(leanpool(&args).stderr, b"");
    assert_eq!(Trace::read(&file).unwrap().distinct_keys(), 3);
}

#[test]
fn what_is_no_history_of_lean_files_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let says = || {
        let output = leanpool(&["trace", path]);
        assert_eq!((output.status.code(), &output.stdout), (Some(1), &Vec::new()));
        String::from_utf8(output.stderr).unwrap()
    };
    // Not the repository that this folder may lie in.
    std::fs::write(folder.path().join(".git"), "gitdir: nowhere").unwrap();
    assert!(says().contains("git says: "), "{}", says());
    std::fs::remove_file(folder.path().join(".git")).unwrap();
    git(folder.path(), 0, &["init", "-q", "-b", "main"]);
    commit(folder.path(), 0, &[("README.md", "import Lean")]);
    assert!(says().contains("no commit of its history has a .lean file"), "{}", says());
}

#[test]
fn files_of_every_format_are_read_as_they_are_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "0\tInit\n1\tInit Lean\n2\tInit\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd =
        ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let record = |time: u32, object: u64| {
        [&time.to_le_bytes()[..], &object.to_le_bytes(), &4096_u32.to_le_bytes(), &[0; 8]].concat()
    };
    let records = [record(0, 1), record(1, 2), record(2, 1)].concat();
    for (name, bytes) in [
        ("plain.tsv", text.as_bytes()),
        ("packed.tsv.gz", &gzip.finish().unwrap()),
        ("packed.zst", &zstd),
        ("comma.csv", b"time,key,size\n0,a,1\n1,b,1\n2,a,1\n"),
        ("blocks.lis", b"7 2 0 0\n7 1 0 1\n"),
        ("records.oracleGeneral", &records),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let output = leanpool(&["replay", path.to_str().unwrap(), "--json"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["requests"], &json["misses"]), (&3.into(), &2.into()), "{name}");
    }
    let cut = folder.path().join("cut.gz");
    std::fs::write(&cut, [0x1f, 0x8b, 8, 0]).unwrap();
    let output = leanpool(&["replay", cut.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut.gz: can't be read: "), "{output:?}");
}
