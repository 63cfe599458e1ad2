//! The worker's sources, as they lie in `lean/worker` when this is compiled.

/// Paths, and what they hold.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("lakefile.lean", include_str!("../../worker/lakefile.lean")),
    ("lake-manifest.json", include_str!("../../worker/lake-manifest.json")),
    ("Main.lean", include_str!("../../worker/Main.lean")),
    ("LeanpoolWorker/Advance.lean", include_str!("../../worker/LeanpoolWorker/Advance.lean")),
    ("LeanpoolWorker/Check.lean", include_str!("../../worker/LeanpoolWorker/Check.lean")),
    ("LeanpoolWorker/Compat.lean", include_str!("../../worker/LeanpoolWorker/Compat.lean")),
    ("LeanpoolWorker/Extras.lean", include_str!("../../worker/LeanpoolWorker/Extras.lean")),
    ("LeanpoolWorker/Header.lean", include_str!("../../worker/LeanpoolWorker/Header.lean")),
    ("LeanpoolWorker/InfoTree.lean", include_str!("../../worker/LeanpoolWorker/InfoTree.lean")),
    ("LeanpoolWorker/ProofState.lean", include_str!("../../worker/LeanpoolWorker/ProofState.lean")),
    ("LeanpoolWorker/Protocol.lean", include_str!("../../worker/LeanpoolWorker/Protocol.lean")),
    ("LeanpoolWorker/Repl.lean", include_str!("../../worker/LeanpoolWorker/Repl.lean")),
    ("LeanpoolWorker/System.lean", include_str!("../../worker/LeanpoolWorker/System.lean")),
    ("c/system.c", include_str!("../../worker/c/system.c")),
];
