//! A model of the Lean runtime and of the package in `lean/`, for tests on a machine that has no Lean.
//!
//! It defines, under the names that the linker looks for, every symbol that this crate calls: objects have Lean's
//! layouts, the package's exports answer as `lean/TRANSCRIPT.md` says that Lean did. A ledger has each object that was
//! made. What would corrupt a real Lean's heap, or is wrong on some other day only, ends the process here, at once,
//! with one line on standard error that begins with `ABI model: `:
//!
//! - **The start**: out of order, twice, or a call before it.
//! - **Threads**: a call on a thread that is not attached; attaching twice; an object that is not marked on another
//!   thread than the one that made it.
//! - **Ownership**: a reference released once too often, an object used or touched after its release, a leak (see
//!   [`settled`]). Every object parameter of an export is owned, so a pointer that was passed and only borrowed shows as
//!   one of these.
//! - **Types**: an argument of another kind than the export takes.
//! - **Exclusion**: an import beside an import or a check.
//!
//! What it cannot see: code of lean-sys that is inlined and only reads, or raises the count of, an object that was
//! released long ago (ten thousand releases or 64 MiB), or that another thread made.
//!
//! # What the model knows beside the transcript
//!
//! - Modules: `Init`, `Lean`, `Std`, `Batteries` and some below them; `Model.M<number>`; whatever has an `.olean` file on
//!   the search path, whose lines say what it does: `initialises`, `extends` (registers an environment extension), `throws WORDS`.
//!   `Model.Extends…` extends, too, and `Model.Throws.<tag>` throws the `IO.Error` with that constructor. All of this happens when a
//!   module is first imported with extensions, makes all environments before it stale, and is kept as the package keeps it.
//! - Sources: a line is a command. `oops` is an unknown identifier, `sorry` a warning, `#check Nat` an answer, `-- model: main
//!   module` the module's name. After 100 errors a check ends, as `lean` does. At a line with `-- until cancelled` a check waits
//!   until its token is set, and at one with `-- model: deaf` for ever. `-- model: exit` ends the process with 0. With `-- model: broken
//!   json` the report is cut off.

mod answers;
mod elaboration;
mod given;
mod header;
mod imports;
mod ledger;
mod modules;
mod objects;
mod outcome;
mod package;
mod running;
mod runtime;
mod settled;
#[cfg(test)]
mod tests;
mod threads;
mod violation;

pub use settled::{Settled, settled};

/// How many objects are alive in the process.
#[must_use]
pub fn live() -> usize {
    ledger::live()
}

/// Whether the current thread is attached to the runtime.
#[must_use]
pub fn is_attached() -> bool {
    threads::is_attached()
}

/// How often `leanpool_import` was called in the process so far, whether it succeeded or not.
#[must_use]
pub fn imports() -> u64 {
    running::counts().imports
}

/// How often `leanpool_check` was called in the process so far.
#[must_use]
pub fn checks() -> u64 {
    running::counts().checks
}

/// How many imports and how many checks run at this moment.
#[must_use]
pub fn running() -> (u64, u64) {
    let counts = running::counts();
    (counts.importing, counts.checking)
}

/// How many checks have come to a line with `-- until cancelled` and wait there: what they found before is certain to be
/// reported.
#[must_use]
pub fn waiting() -> u64 {
    running::counts().waiting
}

/// The name of the thread that called the export `function` last, if it has one and was called.
#[must_use]
pub fn last_caller(function: &str) -> Option<String> {
    threads::last_caller(function)
}

/// Sets what `leanpool_version` answers from now on; at the beginning it is `4.27.0`.
pub fn set_version(version: &str) {
    package::set_version(version);
}

/// Whether imports can share regions from now on; at the beginning they can. Where they can't, those that are to share are plain.
pub fn set_shares_regions(shares: bool) {
    package::set_shares_regions(shares);
}
