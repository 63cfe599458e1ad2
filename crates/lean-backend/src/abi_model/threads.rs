//! Which threads are attached, and a number for each.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::violation::violation;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attachment {
    No,
    /// By `lean_initialize_thread`.
    Yes,
    /// By starting the runtime; there is no undoing that.
    ForGood,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

// Neither has a destructor, so both can be read while a thread ends: values in thread-locals are dropped then, and
// may release objects.
thread_local! {
    static ATTACHMENT: Cell<Attachment> = const { Cell::new(Attachment::No) };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// By function: the name of the thread that called it last.
static CALLERS: Mutex<BTreeMap<&'static str, Option<String>>> = Mutex::new(BTreeMap::new());

/// `function` is called here. Only the package's exports are noted, which may recurse deeply.
pub(super) fn note_call(function: &'static str) {
    if function.starts_with("leanpool_") {
        let name = thread::current().name().map(str::to_owned);
        CALLERS.lock().unwrap_or_else(PoisonError::into_inner).insert(function, name);
    }
}

pub(super) fn last_caller(function: &str) -> Option<String> {
    CALLERS.lock().unwrap_or_else(PoisonError::into_inner).get(function)?.clone()
}

/// A number of this thread's own, never used again.
pub(super) fn this_thread() -> u64 {
    if NUMBER.get() == 0 {
        NUMBER.set(NEXT_NUMBER.fetch_add(1, Relaxed));
    }
    NUMBER.get()
}

pub(super) fn is_attached() -> bool {
    ATTACHMENT.get() != Attachment::No
}

pub(super) fn require_attached(function: &str) {
    if !is_attached() {
        violation(&format!("{function} was called on a thread that is not attached"));
    }
}

/// The first thread, which starting the runtime attaches.
pub(super) fn attach_for_good() {
    ATTACHMENT.set(Attachment::ForGood);
}

pub(super) fn attach() {
    if is_attached() {
        violation("lean_initialize_thread: this thread was attached twice");
    }
    ATTACHMENT.set(Attachment::Yes);
}

pub(super) fn detach() {
    match ATTACHMENT.get() {
        Attachment::Yes => ATTACHMENT.set(Attachment::No),
        Attachment::No => violation("lean_finalize_thread: this thread was detached though not attached"),
        Attachment::ForGood => violation(
            "lean_finalize_thread: this thread started the runtime, so it was attached for good and may not be \
             detached",
        ),
    }
}
