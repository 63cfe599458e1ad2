//! A policy of one's own, beside all others: `cargo run --release -- TRACE… [--out DIR]` prints the table, and writes CSV and charts.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use leanpool::compare::{Options, compare};
use leanpool::policy::Policy;
use leanpool::replay::{self, replay};
use leanpool::trace::Trace;
use pool_core::{Bounds, EntryId, Eviction, Id, KeyId, Now, Opened, Order, Removal, Returned, Victim};

/// Of the eighth of the pool that has been idle for longest, at least four entries, the cheapest to open again for its bytes goes.
/// What was opened as a ghost counts ten times.
#[derive(Clone, Debug, Default)]
pub struct CheapestOfOldest {
    /// Idle entries, the most recently released at the front.
    idle: Order<EntryId>,
    /// By entry: nanoseconds for each byte; 0 if there is no such entry.
    worth: Vec<f64>,
    /// Keys whose entry was evicted lately, the latest at the front.
    ghosts: Order<KeyId>,
    /// How many entries may be idle.
    room: usize,
}

impl<K: ?Sized> Eviction<K> for CheapestOfOldest {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room =
            capacity.entries.and_then(|entries| usize::try_from(entries).ok()).unwrap_or(64).min(1 << 16);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.ghosts.remove(key); // its id may be another key's now
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, _: Now) {
        let times = if self.ghosts.remove(key) { 10.0 } else { 1.0 };
        if entry.index() >= self.worth.len() {
            self.worth.resize(entry.index() + 1, 0.0);
        }
        self.worth[entry.index()] = times * opened.cost_nanos.max(1) as f64 / opened.weight.max(1) as f64;
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        self.idle.remove(entry); // leased: no victim
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.idle.push_front(entry);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.idle.remove(entry);
        if let Some(worth) = self.worth.get_mut(entry.index()) {
            *worth = 0.0;
        }
        if why == Removal::Evicted {
            self.ghosts.push_front(key);
        }
        while self.ghosts.len() > self.room {
            self.ghosts.back().map(|oldest| self.ghosts.remove(oldest));
        }
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        let oldest = self.idle.iter_from_back().take((self.room / 8).max(4));
        let worth = |entry: &EntryId| self.worth.get(entry.index()).copied().unwrap_or(0.0);
        oldest.min_by(|a, b| worth(a).total_cmp(&worth(b))).map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        let used = self.worth.iter().rposition(|&worth| worth > 0.0).map_or(0, |last| last + 1);
        self.worth.truncate(used);
        self.worth.shrink_to_fit();
        self.idle.shrink_to_fit();
        self.ghosts.shrink_to_fit();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let out =
        args.iter().position(|arg| arg == "--out").map(|at| args.drain(at..).nth(1).expect("--out DIR"));
    let traces = args.iter().map(|arg| Trace::read(Path::new(arg))).collect::<Result<Vec<_>, _>>()?;
    let mine = Policy::new("CheapestOfOldest", CheapestOfOldest::default);
    for trace in &traces {
        print!("{}", replay(trace, &replay::Options { eviction: mine.clone(), ..Default::default() }));
    }
    let policies = [vec![mine], Policy::all()].concat();
    let comparison = compare(&traces, &Options { policies, ..Options::default() });
    print!("{comparison}");
    if let Some(out) = out {
        comparison.write_csv(File::create(Path::new(&out).join("grid.csv"))?)?;
        for drawing in comparison.charts()? {
            fs::write(Path::new(&out).join(drawing.file_stem + ".svg"), drawing.svg)?;
        }
    }
    Ok(())
}

#[test]
fn it_keeps_the_contract() {
    pool_core::testing::keeps_the_contract(CheapestOfOldest::default);
}
