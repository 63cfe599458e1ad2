//! How much private memory this process has dirtied.

/// Private dirty bytes of this process; `None` where the system does not tell (anything but Linux).
///
/// Not the resident set: the mapped `.olean` files, most of a Lean process, would drown the figure. Reading it walks
/// the page tables, milliseconds in a process with a gigabyte mapped: once an import, never on a hit.
pub(crate) fn private_bytes() -> Option<u64> {
    private_dirty(&std::fs::read_to_string("/proc/self/smaps_rollup").ok()?)
}

/// The line `Private_Dirty: <n> kB` of `rollup`, in bytes.
fn private_dirty(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_in_bytes() {
        let rollup = "55a4f6-7ffe4b ---p 00000000 00:00 0    [rollup]\n\
                      Rss:                1020 kB\n\
                      Private_Clean:       460 kB\n\
                      Private_Dirty:       104 kB\n\
                      Swap:                  0 kB\n";
        assert_eq!(private_dirty(rollup), Some(104 * 1024));
    }

    #[test]
    fn anything_else_is_no_answer() {
        for rollup in ["", "Rss: 10 kB", "Private_Dirty:", "Private_Dirty: x kB", "Private_Dirty: 10 MB"] {
            assert_eq!(private_dirty(rollup), None, "{rollup:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_answers() {
        assert!(private_bytes().is_some_and(|bytes| bytes > 0));
    }
}
