//! One string's life, run against an **ABI model in small**, not against Lean: this file defines the runtime symbols
//! that it needs, with a ledger of what was made and freed. Left out where a real Lean is linked.
#![cfg(not(lean_linked))]

use std::thread;

use lean_backend::{LeanRuntime, LeanThread, Owned, STACK_BYTES};

#[test]
fn on_the_abi_model_a_string_is_freed_exactly_once() {
    let thread = LeanRuntime::init().unwrap().attach();
    for text in ["", "a", "nul \0 inside", "∀ é 😀"] {
        let before = model::ledger();
        let string = Owned::string(&thread, text);
        let copy = string.clone();
        assert_eq!(string.as_borrowed().text().as_deref(), Some(text));
        drop(string);
        assert_eq!(copy.as_borrowed().text().as_deref(), Some(text), "a clone keeps it alive");
        assert_eq!(
            model::ledger(),
            (before.0 + 1, before.1),
            "made once, not freed while a reference is left"
        );
        drop(copy);
        assert_eq!(model::ledger(), (before.0 + 1, before.1 + 1), "freed with the last reference");
    }
}

#[test]
fn on_the_abi_model_a_thread_is_attached_by_its_first_token_and_detached_by_its_last() {
    let runtime = LeanRuntime::init().unwrap();
    let body = move || {
        assert!(!model::attached());
        let first = runtime.attach();
        assert!(model::attached());
        let second: LeanThread = runtime.attach();
        drop(first);
        assert!(model::attached(), "a token is left");
        drop(Owned::string(&second, "x"));
        drop(second);
        assert!(!model::attached());
        drop(runtime.attach());
        assert!(!model::attached(), "may be attached again");
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(body).unwrap().join().unwrap();
}

/// The symbols, and what they check. Each aborts the test's process by panicking where Lean's behaviour is undefined.
mod model {
    use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
    use std::cell::Cell;
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use lean_sys::{LeanString, lean_object, lean_string_object};

    /// How far the start has come: its calls must come in this order, and once.
    static STARTED: AtomicUsize = AtomicUsize::new(0);

    /// `IO` result `ok ()`: tag 0, and one field, a boxed 0. Its count is 0, as of all that lives for ever.
    #[repr(C)]
    struct IoResult(lean_object, usize);
    static OK: IoResult = IoResult(lean_object { m_rc: 0, m_cs_sz: 0, m_other: 1, m_tag: 0 }, 1);

    thread_local! {
        static ATTACHED: Cell<bool> = const { Cell::new(false) };
        /// Strings made and freed on this thread.
        static LEDGER: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn attached() -> bool {
        ATTACHED.get()
    }

    pub(super) fn ledger() -> (usize, usize) {
        LEDGER.get()
    }

    fn step(expected: usize) {
        assert_eq!(STARTED.swap(expected + 1, SeqCst), expected, "the runtime is started out of order");
    }

    /// A runtime that has been started, on a thread that is attached.
    fn ready() {
        assert!(
            STARTED.load(SeqCst) == 5 && attached(),
            "called before the start or on a thread not attached"
        );
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size_of::<lean_string_object>() + size, 8).unwrap()
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_initialize_runtime_module() {
        step(0);
        ATTACHED.set(true);
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_initialize() {
        step(1);
    }

    #[unsafe(no_mangle)]
    extern "C" fn initialize_leanpool_LeanPool(builtin: u8, world: *mut lean_object) -> *mut lean_object {
        assert!(builtin == 1 && world == lean_sys::lean_box(0));
        step(2);
        (&raw const OK).cast_mut().cast()
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_io_mark_end_initialization() {
        step(3);
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_init_task_manager() {
        step(4);
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_initialize_thread() {
        assert!(!ATTACHED.replace(true), "attached twice");
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_finalize_thread() {
        assert!(ATTACHED.replace(false), "detached twice");
    }

    #[unsafe(no_mangle)]
    extern "C" fn lean_io_error_to_string(_: *mut lean_object) -> *mut lean_object {
        unreachable!("nothing throws here");
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn lean_mk_string_from_bytes(text: *const u8, size: usize) -> *mut lean_object {
        ready();
        // SAFETY: the layout is not empty; all that is written lies inside it, and `text` has `size` bytes.
        unsafe {
            let object = alloc(layout(size + 1)).cast::<lean_string_object>();
            if object.is_null() {
                handle_alloc_error(layout(size + 1));
            }
            (&raw mut (*object).m_header).write(lean_object {
                m_rc: 1,
                m_cs_sz: 0,
                m_other: 0,
                m_tag: LeanString,
            });
            (&raw mut (*object).m_size).write(size + 1);
            (&raw mut (*object).m_capacity).write(size + 1);
            (&raw mut (*object).m_length).write(size);
            let bytes = (&raw mut (*object).m_data).cast::<u8>();
            bytes.copy_from_nonoverlapping(text, size);
            bytes.add(size).write(0);
            LEDGER.set((ledger().0 + 1, ledger().1));
            object.cast()
        }
    }

    /// What `lean_dec` ends in with the last reference.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn lean_dec_ref_cold(object: *mut lean_object) {
        ready();
        // SAFETY: only strings are counted here, and each is freed at count 1 only, then set to one that never occurs.
        unsafe {
            let count: *mut c_int = &raw mut (*object).m_rc;
            assert_eq!(
                (*count, (*object).m_tag),
                (1, LeanString),
                "released once too often, or not a string"
            );
            *count = c_int::MIN;
            let size = (*object.cast::<lean_string_object>()).m_capacity;
            LEDGER.set((ledger().0, ledger().1 + 1));
            dealloc(object.cast(), layout(size));
        }
    }
}
