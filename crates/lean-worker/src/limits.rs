//! What a process that checks may have.

use std::time::Duration;

use crate::protocol::ChildSettings;

/// What one check, and the process that it runs in, may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory that a child may have beyond what its zygote has.
    pub memory: Option<u64>,
    /// Seconds of processor time. Then each file has a process of its own.
    pub cpu: Option<u64>,
    /// Bytes of the largest file that may be written.
    pub file_size: Option<u64>,
    /// The most processes and threads that the *user* may have in all when one is to be started (`RLIMIT_NPROC`; root is not bound).
    pub processes: Option<u64>,
    /// Bytes of a process's own output that are kept; writing more fails.
    pub output: u64,
    /// Bytes of messages that are kept of one check; more ends it.
    pub said: u64,
    /// No network, and no file is written, where the kernel can see to it: each verdict says what it got.
    pub sandbox: bool,
    /// How many files a child checks one after the other. 1: each file has a process of its own.
    pub files_a_child: u32,
    /// By how many bytes a child may have grown to be given another file.
    pub growth: u64,
    /// How long a zygote may take to import.
    pub start: Duration,
    /// How long a zygote may take to fork a child, before it is taken for broken.
    pub patience: Duration,
}

impl Default for Limits {
    /// No limit on memory, processor time, file size and processes; 64 KiB of output, 64 MiB of messages; no sandbox; 20 files a child,
    /// 64 MiB of growth; 10 minutes for an import, one for a fork.
    fn default() -> Self {
        Self {
            memory: None,
            cpu: None,
            file_size: None,
            processes: None,
            output: 64 << 10,
            said: 64 << 20,
            sandbox: false,
            files_a_child: 20,
            growth: 64 << 20,
            start: Duration::from_secs(600),
            patience: Duration::from_secs(60),
        }
    }
}

impl Limits {
    pub(crate) fn child(&self) -> ChildSettings {
        ChildSettings {
            memory: self.memory,
            cpu: self.cpu,
            file_size: self.file_size,
            processes: self.processes,
            network: self.sandbox.then_some(false),
            // No folder at all: what is not there need not be cleaned up.
            writable: self.sandbox.then_some(""),
            folder: None,
        }
    }

    /// Whether a child that has checked `files` and grown by `growth` bytes gets another.
    pub(crate) fn allow_another(&self, files: u32, growth: u64) -> bool {
        let most = if self.cpu.is_some() { 1 } else { self.files_a_child };
        files < most && growth < self.growth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_is_replaced_after_its_files_its_growth_or_one_file_with_a_processor_limit() {
        let limits = Limits::default();
        assert!(limits.allow_another(19, 0) && !limits.allow_another(20, 0));
        assert!(limits.allow_another(1, (64 << 20) - 1) && !limits.allow_another(1, 64 << 20));
        assert!(!Limits { files_a_child: 1, ..Limits::default() }.allow_another(1, 0));
        assert!(!Limits { cpu: Some(1), ..Limits::default() }.allow_another(1, 0));
    }
}
