//! Risk: a crate comes to depend on one that it must not know, and the core is no longer alone at the bottom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom; nothing else may, not even for tests.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("pool-core", &[]),
    ("leanpool-process-memory", &[]),
    ("mock-backend", &["pool-core"]),
    ("lean-backend", &["pool-core", "leanpool-process-memory"]),
    ("lean-worker", &["fuzz", "pool-core"]),
    ("leanpool-serve", &["fuzz", "lean-worker", "pool-core"]),
    (
        "leanpool",
        &[
            "fuzz",
            "lean-backend",
            "lean-worker",
            "leanpool-serve",
            "mock-backend",
            "pool-core",
            "leanpool-process-memory",
        ],
    ),
    ("simulation", &["pool-core"]),
    ("models", &["pool-core"]),
    // The harness; its tests are those of what can be reached from outside.
    ("fuzz", &["leanpool", "lean-worker", "leanpool-serve", "pool-core"]),
    ("benches", &["leanpool", "lean-backend", "lean-worker", "mock-backend", "pool-core"]),
    ("lua-pool-example", &["pool-core"]),
    ("sqlite-pool-example", &["benches", "pool-core"]),
];

#[test]
fn crates_depend_on_each_other_only_along_the_allowed_arrows() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    assert_eq!(ours, allowed.keys().map(|&name| name.to_owned()).collect(), "every crate has its line above");

    for package in packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            let (from, to) = (name(package), name(dependency));
            if from == to {
                continue; // its own tests want a feature of it
            }
            if to == "fuzz" || (from == "fuzz" && ours.contains(&to)) {
                assert_eq!(dependency["kind"], "dev", "{from}: it is for tests alone");
            }
            let arrow = allowed[from.as_str()].contains(&to.as_str());
            assert!(arrow || !ours.contains(&to), "{from} must not depend on {to}");
            if from == "leanpool" && to == "lean-backend" {
                assert_eq!(dependency["optional"], Value::from(true), "no Lean without the feature `lean`");
            }
        }
    }

    let default: BTreeSet<&str> = metadata["workspace_default_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    let on_demand = ["lean-backend", "crates/fuzz", "examples/lua", "examples/sqlite"];
    assert!(!default.iter().any(|id| on_demand.iter().any(|name| id.contains(name))), "{default:?}");
}
