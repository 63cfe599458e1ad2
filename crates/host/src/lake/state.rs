//! What a Lake project is like now, as far as Lake's answers rest on it.

use std::path::Path;

use lean_worker::Toolchain;
use sha2::{Digest as _, Sha256};

use super::LakeProject;
use crate::bounded;

/// What the lakefiles of a package say.
pub(super) fn lakefiles(root: &Path) -> String {
    let read = |name| bounded::plain_file(&root.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&["lakefile.toml", "lakefile.lean"].map(read).concat()).into_owned()
}

/// Whether a lakefile has modules compiled to libraries, which are loaded where they are imported.
pub(super) fn precompiles(lakefile: &str) -> bool {
    let values = lakefile.split("precompileModules").skip(1);
    values.map(|rest| rest.trim_start_matches([' ', ':', '='])).any(|value| !value.starts_with("false"))
}

/// A name for the project as it is: other lakefiles, another manifest or toolchain, of itself or of what it depends on, and it is another.
pub(super) fn state(project: &LakeProject, toolchain: &Toolchain) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    add(toolchain.identity.as_bytes());
    add(toolchain.sysroot.to_string_lossy().as_bytes());
    add(std::env::var_os("LEAN_PATH").unwrap_or_default().to_string_lossy().as_bytes());
    for root in project.roots() {
        for name in ["lakefile.toml", "lakefile.lean", "lake-manifest.json", "lean-toolchain"] {
            add(root.join(name).to_string_lossy().as_bytes());
            add(&bounded::plain_file(&root.join(name)).unwrap_or_default());
        }
    }
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_are_loaded_where_they_are_imported_are_seen_in_a_lakefile() {
        for text in [
            "precompileModules = true",
            "lean_lib A where\n  precompileModules := true",
            "precompileModules := b",
        ] {
            assert!(precompiles(text), "{text}");
        }
        assert!(!precompiles("name = \"a\"\nprecompileModules = false\n"));
    }
}
