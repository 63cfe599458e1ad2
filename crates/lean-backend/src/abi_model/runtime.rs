//! The symbols of the Lean runtime: starting it, attaching threads, and what makes, marks and releases objects.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use lean_sys::{lean_box, lean_inc, lean_is_exclusive, lean_is_scalar, lean_object, lean_unbox};

use super::given::Given;
use super::ledger;
use super::violation::violation;
use super::{objects, threads};

/// The calls that start the runtime, in their order.
const START: [&str; 4] = [
    "lean_initialize",
    "initialize_leanpool_LeanpoolBackend",
    "lean_io_mark_end_initialization",
    "lean_init_task_manager",
];

/// How many of them were made.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// The runtime itself: enough for objects.
pub(super) const RUNTIME: usize = 1;
/// And the package's modules: enough for what the package says of itself.
pub(super) const PACKAGE: usize = 2;
/// And all the rest.
pub(super) const COMPLETE: usize = START.len();

/// Ends the process unless so much of the start is done, and this thread is attached.
pub(super) fn require(function: &'static str, started: usize) {
    threads::note_call(function);
    if STARTED.load(SeqCst) < started {
        violation(&format!("{function} was called before the runtime was started"));
    }
    threads::require_attached(function);
}

/// The start's call number `place` is made.
pub(super) fn step(place: usize) {
    let function = START[place];
    if let Err(done) = STARTED.compare_exchange(place, place + 1, SeqCst, SeqCst) {
        let fault = if done > place { "started twice" } else { "started out of order" };
        violation(&format!("{function}: the runtime is {fault}"));
    }
    if place == 0 {
        threads::attach_for_good();
    }
    threads::require_attached(function);
}

/// A part of what `lean_initialize` does. Whoever calls it besides starts libuv's loop twice.
#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_initialize_runtime_module() {
    violation(
        "lean_initialize_runtime_module: lean_initialize alone starts the runtime, and with both it is started twice",
    );
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_initialize() {
    step(0);
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_io_mark_end_initialization() {
    step(2);
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_init_task_manager() {
    step(3);
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_initialize_thread() {
    if STARTED.load(SeqCst) < RUNTIME {
        violation("lean_initialize_thread was called before the runtime was started");
    }
    threads::attach();
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_finalize_thread() {
    threads::detach();
}

/// # Safety
///
/// There are `size` bytes at `text`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn lean_mk_string_from_bytes(text: *const u8, size: usize) -> *mut lean_object {
    require("lean_mk_string_from_bytes", RUNTIME);
    if size == 0 {
        return objects::string("");
    }
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(text, size) };
    // As Lean does with what is not UTF-8.
    objects::string(&String::from_utf8_lossy(bytes))
}

/// `size` times `value`; both are owned.
#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_mk_array(size: *mut lean_object, value: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "lean_mk_array";
    require(NAME, RUNTIME);
    if !lean_is_scalar(size) {
        violation(&format!("{NAME}: expected a boxed number, found {}", ledger::look(NAME, size).name()));
    }
    let size = lean_unbox(size);
    if !lean_is_scalar(value) {
        ledger::look(NAME, value);
    }
    // SAFETY: a boxed scalar, or alive and this thread's to use. There is one reference already.
    (1..size).for_each(|_| unsafe { lean_inc(value) });
    if size == 0 {
        ledger::release(NAME, value);
    }
    objects::array(&vec![value; size], size)
}

/// Answers with a new object as long as the array is small, so that whoever keeps the old pointer is found out. From then
/// on only where the room is not enough, as Lean does: else a list of ten thousand would take minutes.
#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_array_push(
    array: *mut lean_object,
    value: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "lean_array_push";
    const SMALL: usize = 64;
    require(NAME, RUNTIME);
    let given = Given::array(NAME, array);
    if !lean_is_scalar(value) {
        ledger::look(NAME, value);
    }
    // SAFETY: alive, as `given` owns a reference.
    let mut items = if unsafe { lean_is_exclusive(array) } {
        // SAFETY: that reference is the only one; the one to `value` goes into the array.
        if unsafe { objects::push_in_place(array, value) } {
            return given.into_object();
        }
        // SAFETY: as above.
        unsafe { objects::take_items(array) }
    } else {
        let items = given.items();
        for item in items.iter().copied().filter(|item| !lean_is_scalar(*item)) {
            ledger::look(NAME, item);
            // SAFETY: alive and this thread's to use, as was just looked up.
            unsafe { lean_inc(item) };
        }
        items
    };
    items.push(value);
    let capacity = if items.len() < SMALL { items.len() } else { items.len() * 2 };
    objects::array(&items, capacity)
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_io_error_to_string(error: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "lean_io_error_to_string";
    require(NAME, RUNTIME);
    objects::string(&Given::io_error(NAME, error).text())
}

/// What lean-sys' inline `lean_dec` ends in: the last reference, or an object that is marked.
#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_dec_ref_cold(object: *mut lean_object) {
    const NAME: &str = "lean_dec_ref_cold";
    require(NAME, RUNTIME);
    ledger::release(NAME, object);
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn lean_mark_mt(object: *mut lean_object) {
    const NAME: &str = "lean_mark_mt";
    require(NAME, RUNTIME);
    ledger::mark(NAME, object);
}

/// Ends the process unless `world` is what stands for the world.
pub(super) fn require_world(function: &str, world: *mut lean_object) {
    if world != lean_box(0) {
        violation(&format!("{function}: expected box(0) as the world, found {world:p}"));
    }
}
