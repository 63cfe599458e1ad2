//! A key of several parts, looked up by borrowed ones: nothing is allocated on a hit.
//!
//! `cargo run -p pool-core --example tuple_keys`

use std::path::{Path, PathBuf};

use pool_core::sync::{Lease, Pool};
use pool_core::{AcquireError, Resource};

struct Index {
    bytes: u64,
}

impl Resource for Index {
    type Error = std::io::Error;

    fn weight(&self) -> u64 {
        self.bytes
    }
}

/// A folder, a language, and a version of the format.
type Key = (PathBuf, String, u32);

fn build((folder, language, version): &Key) -> std::io::Result<Index> {
    println!("indexing {} in {language}, format {version}", folder.display());
    Ok(Index { bytes: 1 << 20 })
}

fn main() -> Result<(), AcquireError<std::io::Error>> {
    let pool: Pool<Key, Index> = Pool::new(8);
    let folder = Path::new("/usr/share/doc");
    for language in ["en", "de", "en"] {
        let index = pool.acquire((folder, language, &3), build)?;
        println!(
            "{language}: {} bytes, {}",
            index.bytes,
            if Lease::was_hit(&index) { "warm" } else { "new" }
        );
    }
    assert!(pool.is_warm((folder, "de", &3)) && !pool.is_warm((folder, "de", &4)));
    Ok(())
}
