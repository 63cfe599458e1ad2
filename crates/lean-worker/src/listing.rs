//! Which zygotes there are: what each is for, what it holds, how often it was used. For whoever shows it, or ends some of them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::header::Header;
use crate::pool::Key;
use crate::workers::Workers;
use crate::zygote::{Weak, Zygote};

/// A zygote that is there.
#[derive(Clone, Debug)]
pub struct ZygoteInfo {
    /// The header that it has imported.
    pub header: Header,
    /// The folder of its Lean.
    pub sysroot: PathBuf,
    /// The folder of the Lake project that it is for, if there is one.
    pub project: Option<PathBuf>,
    /// Bytes of its own and of its children's own.
    pub bytes: u64,
    /// Checks that were given to it.
    pub uses: u64,
    /// How long ago it was started.
    pub age: Duration,
    /// Its children that run.
    pub children: usize,
}

/// Those that were started, as long as somebody has them.
#[derive(Default)]
pub(crate) struct Listing(Mutex<Vec<(Key, Weak)>>);

impl Listing {
    pub(crate) fn add(&self, key: &Key, zygote: &Zygote) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended: there are few, and starting one takes longer.
        all.retain(|(_, zygote)| zygote.look().is_some());
        all.push((key.clone(), zygote.weak()));
    }

    fn each(&self) -> Vec<(Key, Weak)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Workers {
    /// The zygotes that are there now, oldest first.
    #[must_use]
    pub fn zygotes(&self) -> Vec<ZygoteInfo> {
        let info = |(key, zygote): (Key, Weak)| {
            let seen = zygote.look()?;
            Some(ZygoteInfo {
                header: Header::clone(&key.header),
                sysroot: key.around.sysroot.clone(),
                project: key.around.project.clone(),
                bytes: seen.bytes,
                uses: seen.uses,
                age: seen.age,
                children: seen.children,
            })
        };
        self.listing().each().into_iter().filter_map(info).collect()
    }

    /// Ends the zygotes whose header `is_meant`: at once where nobody uses it, else after the checks that run in it. The next check
    /// with that header starts another one. Returned is how many headers were meant.
    pub fn evict(&self, mut is_meant: impl FnMut(&Header) -> bool) -> usize {
        let mut keys: Vec<Key> = self
            .listing()
            .each()
            .into_iter()
            .filter(|(key, zygote)| zygote.look().is_some() && is_meant(&key.header))
            .map(|(key, _)| key)
            .collect();
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        keys.iter().for_each(|key| self.give_up(key));
        keys.len()
    }
}
