//! The worker's sources, as they lie in `lean/worker` when this is compiled.

/// Paths, and what they hold.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("lakefile.lean", include_str!("../../../../lean/worker/lakefile.lean")),
    ("lake-manifest.json", include_str!("../../../../lean/worker/lake-manifest.json")),
    ("Main.lean", include_str!("../../../../lean/worker/Main.lean")),
    ("LeanpoolWorker/Advance.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Advance.lean")),
    ("LeanpoolWorker/Check.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Check.lean")),
    ("LeanpoolWorker/Compat.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Compat.lean")),
    ("LeanpoolWorker/Extras.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Extras.lean")),
    ("LeanpoolWorker/Header.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Header.lean")),
    ("LeanpoolWorker/InfoTree.lean", include_str!("../../../../lean/worker/LeanpoolWorker/InfoTree.lean")),
    (
        "LeanpoolWorker/ProofState.lean",
        include_str!("../../../../lean/worker/LeanpoolWorker/ProofState.lean"),
    ),
    ("LeanpoolWorker/Protocol.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Protocol.lean")),
    ("LeanpoolWorker/Repl.lean", include_str!("../../../../lean/worker/LeanpoolWorker/Repl.lean")),
    ("LeanpoolWorker/System.lean", include_str!("../../../../lean/worker/LeanpoolWorker/System.lean")),
    ("c/system.c", include_str!("../../../../lean/worker/c/system.c")),
];
