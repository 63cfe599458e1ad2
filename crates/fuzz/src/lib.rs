//! A harness for parsers: each *target* takes bytes, says in a word what came of them, and panics where a promise is broken.
//!
//! `cargo test` runs each target on its seeds and on some thousand changed ones, the same ones each time. For longer:
//!
//! ```sh
//! LEANPOOL_FUZZ_SECONDS=3600 cargo test --release -p fuzz traces -- --nocapture
//! ```
//!
//! changes inputs for an hour, from a number that it prints, and keeps those that lead to words that were not said before. What breaks a promise lies in a file that
//! is named. `crates/fuzz/guided` does the same guided by coverage (libFuzzer by bolero), which finds more.
//!
//! Targets of what a crate keeps to itself are tests of that crate, as `lean-worker`'s `protocol/fuzzed.rs`; all others are in `tests/`.
#![forbid(unsafe_code)]

mod change;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

#[cfg(fuzzing)]
#[doc(hidden)]
pub use bolero;

use change::Changer;

/// What is known of a target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called; also the test's name.
    pub name: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub words: &'static [&'static str],
    /// How many changed inputs a short run has.
    pub short: u32,
    /// Takes an input. What it answers is the same for inputs that go the same way: numbers and quoted parts are left out.
    pub take: fn(&[u8]) -> String,
}

/// Longer than any input may take, also on a machine with much else to do.
const LONGEST: Duration = Duration::from_secs(60);
/// Bytes of an input of a short run, and of a long one.
const LONGEST_INPUT: [usize; 2] = [1 << 12, 1 << 16];
/// Inputs that are kept because they led to something new.
const MOST_KEPT: usize = 20_000;

/// Makes a test of a target: `target!(name, seeds, words, short, take)`.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! target {
    ($name:ident, $seeds:expr, $words:expr, $short:expr, $take:expr) => {
        #[test]
        fn $name() {
            let (seeds, words, short, take) = ($seeds, $words, $short, $take);
            $crate::run(&$crate::Target { name: stringify!($name), seeds, words, short, take });
        }
    };
}

/// The same for a run that is guided by coverage.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! target {
    ($name:ident, $seeds:expr, $words:expr, $short:expr, $take:expr) => {
        #[test]
        fn $name() {
            let (seeds, words, short, take) = ($seeds, $words, $short, $take);
            $crate::write_seeds(&$crate::Target { name: stringify!($name), seeds, words, short, take });
            $crate::bolero::check!(name = stringify!($name)).for_each(|bytes: &[u8]| {
                $take(bytes);
            });
        }
    };
}

/// Runs a target as long as the environment says.
///
/// # Panics
/// If a promise is broken: the input is in the file that is named.
pub fn run(target: &Target) {
    let seconds = std::env::var("LEANPOOL_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let seed = if end.is_some() { fastrand::u64(..) } else { 1 };
    let mut guard = Guard::new(target.name);
    let mut changer = Changer::new(seed, target.words, LONGEST_INPUT[usize::from(end.is_some())]);
    let (mut pool, mut seen) = ((target.seeds)(), HashSet::new());
    for bytes in &pool {
        seen.insert(guard.watch(bytes, target.take));
    }
    let (mut count, seeds) = (0_u64, pool.len());
    while end.map_or(count < u64::from(target.short), |end| Instant::now() < end) {
        let bytes = changer.changed(&pool);
        count += 1;
        if seen.insert(guard.watch(&bytes, target.take)) && pool.len() < MOST_KEPT {
            pool.push(bytes);
        }
    }
    if end.is_some() {
        eprintln!(
            "{}: {count} inputs from {seed}, {} kept beside {seeds} seeds",
            target.name,
            pool.len() - seeds
        );
    }
}

/// Writes the seeds into the folder `$LEANPOOL_FUZZ_CORPUS`, if it is named.
///
/// # Panics
/// If they can't be written.
pub fn write_seeds(target: &Target) {
    let Some(folder) = std::env::var_os("LEANPOOL_FUZZ_CORPUS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).expect("the folder of seeds");
    for (number, bytes) in (target.seeds)().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number}")), bytes).expect("a seed is written");
    }
}

/// Does `work`, which may allocate `each` bytes for each byte of an input of `length`, and `always` besides. All that it allocates counts, whether or not it is freed, so
/// that work which grows with the square of an input is seen, too.
///
/// # Panics
/// If it allocates more.
pub fn within<R>(length: usize, each: u64, always: u64, work: impl FnOnce() -> R) -> R {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(work()));
    let most = each * length as u64 + always;
    assert!(
        info.bytes_total <= most,
        "{} bytes are allocated for an input of {length}, more than {most}",
        info.bytes_total
    );
    result.expect("it was measured")
}

/// What an error says without what it quotes: words alone, so that errors of one kind are one.
///
/// # Panics
/// If it has a control character, which an error must not show raw, or is much longer than its input was.
#[must_use]
pub fn kind(error: &str, length: usize) -> String {
    let control = error.chars().find(|c| c.is_control() && *c != '\n');
    assert!(control.is_none(), "an error has {control:?} in it: {error:?}");
    assert!(error.len() < 4000 + 8 * length, "an error of {} bytes for an input of {length}", error.len());
    error
        .split('\'')
        .step_by(2)
        .flat_map(str::chars)
        .filter(|c| c.is_ascii_alphabetic() || *c == ' ')
        .take(300)
        .collect()
}

/// Keeps the input that runs in a file, and ends the process if it does not come to an end.
struct Guard {
    path: PathBuf,
    begun: std::sync::mpsc::Sender<()>,
}

impl Guard {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("leanpool-fuzz-{name}-{}", std::process::id()));
        let (begun, heard) = channel::<()>();
        let named = path.clone();
        std::thread::spawn(move || {
            loop {
                match heard.recv_timeout(LONGEST) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("an input takes more than {LONGEST:?}: {}", named.display());
                        std::process::abort();
                    }
                }
            }
        });
        Self { path, begun }
    }

    fn watch(&mut self, bytes: &[u8], take: fn(&[u8]) -> String) -> String {
        let _ = self.begun.send(());
        std::fs::write(&self.path, bytes).expect("the input is kept");
        take(bytes)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is in {}", self.path.display());
        } else {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_run_is_the_same_each_time_and_finds_what_is_one_change_away() {
        use std::sync::Mutex;
        static SEEN: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
        let take = |bytes: &[u8]| {
            SEEN.lock().unwrap().push(bytes.to_vec());
            String::new()
        };
        let target =
            Target { name: "own", seeds: || vec![b"abc".to_vec()], words: &["magic"], short: 500, take };
        run(&target);
        let first = std::mem::take(&mut *SEEN.lock().unwrap());
        run(&target);
        assert!(first == *SEEN.lock().unwrap() && first.len() == 501);
        assert!(first.iter().any(|bytes| String::from_utf8_lossy(bytes).contains("magic")));
    }

    #[test]
    #[should_panic = "more than 120"]
    fn what_allocates_more_than_it_may_is_seen() {
        within(10, 2, 100, || drop(vec![0_u8; 1000]));
    }

    #[test]
    fn errors_of_one_kind_are_one() {
        assert_eq!(kind("line 7: 'x' is no number", 1), kind("line 12: 'yy' is no number", 1));
    }
}
