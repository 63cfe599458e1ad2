//! Risk: what others build on changes without anybody having meant it. The public items of each library are kept in a file beside it, `public-api.txt`.
//!
//! After a change that is meant: `UPDATE_PUBLIC_API=1 cargo test -p leanpool --test public_api`, and a line in CHANGELOG.md.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages, and their folders, which are named like their libraries.
const LIBRARIES: [(&str, &str); 3] = [
    ("pool-core", "pool-core"),
    ("lean-worker", "lean-worker"),
    ("leanpool-process-memory", "process-memory"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn items(package: &str, library: &str) -> String {
    // Beside what others build: with this variable some crates are compiled in another way. It lets a stable compiler write its documentation as JSON.
    let target = root().join("target/public-api");
    let status = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "--locked", "--lib", "--all-features", "-p", package, "--target-dir"])
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(root())
        .status()
        .unwrap();
    assert!(status.success(), "{package} can't be documented");
    let json = target.join("doc").join(library.replace('-', "_") + ".json");
    let api = public_api::Builder::from_rustdoc_json(json)
        .sorted(true)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap_or_else(|error| {
            panic!("another version of the crate public-api reads what this compiler writes: {error}")
        });
    api.items().map(|item| format!("{item}\n")).collect()
}

#[test]
fn public_items_are_those_that_were_meant() {
    for (package, folder) in LIBRARIES {
        let kept = root().join("crates").join(folder).join("public-api.txt");
        let found = items(package, folder);
        assert!(found.lines().count() > 3, "{found}");
        if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
            std::fs::write(&kept, &found).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&kept).unwrap();
        let only = |a: &str, b: &str, sign: &str| -> String {
            let known: std::collections::HashSet<&str> = b.lines().collect();
            a.lines().filter(|line| !known.contains(line)).map(|line| format!("{sign} {line}\n")).collect()
        };
        let changed = only(&expected, &found, "-") + &only(&found, &expected, "+");
        assert!(changed.is_empty(), "{package} has other public items than {}:\n{changed}", kept.display());
    }
}
