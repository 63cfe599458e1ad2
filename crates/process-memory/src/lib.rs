//! How much memory does this process hold for itself? For limits on it, such as `pool_core::capacity::ProcessMemory`.
#![forbid(unsafe_code)]

use std::io;

const SMAPS_ROLLUP: &str = "/proc/self/smaps_rollup";

/// Bytes of this process that are private and dirty: written by it, and in memory for it alone. Pages of mapped files
/// that it only read, and pages that are swapped out, are not in it.
///
/// From `Private_Dirty` in `/proc/self/smaps_rollup` (Linux 4.14; `proc_pid_smaps(5)`). The kernel walks all page
/// tables of the process for it: milliseconds for gigabytes.
///
/// # Errors
/// On other systems, or if that file can't be read or understood.
pub fn private_dirty_bytes() -> Result<u64, Unmeasured> {
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return Err(Unmeasured::NotAvailable { system: std::env::consts::OS });
    }
    let text = std::fs::read_to_string(SMAPS_ROLLUP)
        .map_err(|error| Unmeasured::Unreadable { kind: error.kind() })?;
    private_dirty(&text)
}

fn private_dirty(smaps: &str) -> Result<u64, Unmeasured> {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok());
    kibibytes
        .and_then(|kibibytes| kibibytes.checked_mul(1024))
        .ok_or_else(|| Unmeasured::NotUnderstood { line: line.map(|line| line.trim().to_owned()) })
}

/// Why the memory of the process is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmeasured {
    /// This system has nothing to read it from.
    #[error(
        "the private dirty memory of a process is not available here: it is read from {SMAPS_ROLLUP}, which {system} \
         has not"
    )]
    NotAvailable {
        /// The system, as in [`std::env::consts::OS`].
        system: &'static str,
    },

    /// It could not be read.
    #[error("{SMAPS_ROLLUP} can't be read ({kind}): it needs Linux 4.14 or newer and a mounted /proc")]
    Unreadable {
        /// What the system said.
        kind: io::ErrorKind,
    },

    /// It was read, but is not as documented.
    #[error("{SMAPS_ROLLUP} has no line 'Private_Dirty: (number) kB'; found {line:?}")]
    NotUnderstood {
        /// The rest of that line, if there is one.
        line: Option<String>,
    },
}

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_dirty_is_found_among_lines_that_look_like_it() {
        let smaps = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:     1804 kB\nShared_Dirty:   7 kB\n\
                     Private_Clean:  12 kB\nPrivate_Dirty:       116 kB\nPrivate_Hugetlb:  9 kB\n";
        assert_eq!(private_dirty(smaps), Ok(116 * 1024));
    }

    #[test]
    fn what_is_not_understood_is_shown_and_is_not_zero() {
        let line = |text| private_dirty(text).unwrap_err().to_string();
        assert!(line("Rss: 1 kB\n").ends_with("found None"));
        assert!(line("Private_Dirty: 1 MB\n").ends_with("found Some(\"1 MB\")"));
        assert!(line("Private_Dirty: -1 kB\n").contains("-1 kB"));
        assert!(line("Private_Dirty: 18446744073709551615 kB\n").contains("18446744073709551615"));
    }
}
