//! What tests on the official runtime have in common: its small library of modules (`tests/official-lean`), and themselves as a child.

use std::process::{Command, Output};

use lean_backend::{ImportOptions, LeanError, SharedEnvironment, Sysroot, Watch};

use super::runtime;

/// What a check in an environment of `Kit` begins with.
pub(crate) const HEADER: &str = "prelude\nimport Kit\n";

/// Imports from these folders of the compiled library: `lib`, `one`, `two`.
pub(crate) fn options(folders: &[&str]) -> ImportOptions {
    let kit =
        std::env::var("LEANPOOL_KIT").expect("LEANPOOL_KIT: `.ci/official-lean` runs this, and sets it");
    let search_path = folders.iter().map(|folder| format!("{kit}/{folder}")).collect();
    ImportOptions { search_path, ..ImportOptions::new(Sysroot::find().unwrap()) }
}

pub(crate) fn import(options: &ImportOptions, imports: &[&str]) -> Result<SharedEnvironment, LeanError> {
    SharedEnvironment::import(runtime(), options, imports, &Watch::default())
}

pub(crate) fn kit() -> SharedEnvironment {
    import(&options(&["lib"]), &["public Kit"]).unwrap()
}

/// Set in a child: the test that it is to run for real.
const CHILD: &str = "LEANPOOL_TEST_CHILD";

/// What the test `name` (with its module) did as a child with these variables set; `None` in the child itself, after it ran `body`.
pub(crate) fn in_a_child(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        body();
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(CHILD, name).envs(variables.iter().copied());
    Some(child.output().unwrap())
}
