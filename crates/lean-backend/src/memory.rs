//! How much private memory this process has dirtied, before and after an import.

/// Private dirty bytes of this process; `None` where the system does not tell. Reading it walks the page tables, milliseconds in
/// a process with a gigabyte mapped: twice an import, never on a hit.
pub(crate) fn private_bytes() -> Option<u64> {
    process_memory::private_dirty_bytes().ok()
}
