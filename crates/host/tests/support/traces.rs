//! The nine real traces.

use std::path::{Path, PathBuf};

pub(crate) const TRACES: [&str; 9] = [
    "arklib",
    "batteries",
    "brownian-motion",
    "equational_theories",
    "flt",
    "formal-conjectures",
    "pfr",
    "scilean",
    "verso",
];

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../benches/traces/{name}.tsv"))
}
