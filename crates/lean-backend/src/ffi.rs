//! Every foreign symbol that this crate calls, and no others.
//!
//! Rules of the ABI, which each caller's SAFETY comment refers to:
//!
//! - **Owned**: an object parameter of an export is owned, the callee releases it. What a function returns is owned
//!   by the caller. (`@&` changes nothing on an export; the generated C releases all the same.)
//! - **World**: an `IO` export of Lean 4.27 takes no world token; the one of Lean 4.23, which lean-sys describes, took
//!   it last. Passing [`world`] as an extra last argument is right for both under the C ABIs of x86-64 and AArch64.
//! - **Scalars** are passed and returned unboxed, but boxed inside an `IO` result.
//! - **Allocation**: lean-sys' inline allocators (`lean_alloc_*`, `lean_mk_empty_array*`, `lean_box_uint64`, …) are
//!   never used: an official Lean frees with an allocator of its own, and only the runtime's own code knows it.
//! - **Attached**: no function here but the four that start the runtime may run before it is started, nor on a thread
//!   that is not attached. (4.35.0 was seen to bear a thread that is not: `tests/official-lean/wrong-calls.c`. Nothing promises it.)
//! - **Unwinding**: Lean's runtime throws C++ exceptions (deep recursion, no memory). Nothing can be done about one, but where one
//!   may come through the ABI is `C-unwind`: what happens then is defined, and ends the process.
//! - **One thread**: an object belongs to the thread that made it until `lean_mark_mt` marks it and all that it holds;
//!   from then on its counts are atomic, and any attached thread may touch it.

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("lean-backend: the extra world argument is known to be harmless on x86-64 and AArch64 only");

// Inline: these read an object or its reference count and allocate nothing (`lean_dec` ends in `lean_dec_ref_cold`,
// which the runtime defines).
pub(crate) use lean_sys::{
    lean_array_get_core, lean_array_size, lean_box, lean_ctor_get, lean_dec, lean_inc, lean_is_array,
    lean_is_scalar, lean_is_string, lean_obj_tag, lean_object, lean_string_cstr, lean_string_size,
    lean_unbox, lean_unbox_uint64,
};

// Out of line: these live in the Lean runtime. Declared here, and not taken from lean-sys, because there they are declared as if no
// exception could come through.
unsafe extern "C-unwind" {
    /// Starts the runtime and all of Lean's own modules. Includes `lean_initialize_runtime_module`: calling both starts libuv twice.
    pub(crate) fn lean_initialize();
    pub(crate) fn lean_io_mark_end_initialization();
    pub(crate) fn lean_init_task_manager();
    pub(crate) fn lean_initialize_thread();
    pub(crate) fn lean_finalize_thread();
    pub(crate) fn lean_mark_mt(object: *mut lean_object);
    pub(crate) fn lean_mk_string_from_bytes(text: *const u8, size: usize) -> *mut lean_object;
    /// `Array`, of as many as the boxed number says; both are owned.
    pub(crate) fn lean_mk_array(size: *mut lean_object, value: *mut lean_object) -> *mut lean_object;
    pub(crate) fn lean_array_push(array: *mut lean_object, value: *mut lean_object) -> *mut lean_object;
    /// `String`, from an `IO.Error`, which is owned.
    pub(crate) fn lean_io_error_to_string(error: *mut lean_object) -> *mut lean_object;
}

// Both blocks are what they have to be, or this does not compile.
const _: unsafe extern "C-unwind" fn() = lean_initialize;
const _: unsafe extern "C-unwind" fn(*mut lean_object) -> *mut lean_object = leanpool_version;

/// The world token, passed last to every `IO` export.
pub(crate) fn world() -> *mut lean_object {
    lean_box(0)
}

// The package in `lean/`; its README has the same list with the Lean types.
unsafe extern "C-unwind" {
    /// Initialises every module of the package: `IO Unit`.
    pub(crate) fn initialize_leanpool_LeanpoolBackend(
        builtin: u8,
        world: *mut lean_object,
    ) -> *mut lean_object;

    /// `IO String`: the version of the Lean that runs.
    pub(crate) fn leanpool_version(world: *mut lean_object) -> *mut lean_object;

    /// `IO Environment`, from `String`, `Array String`, `Array String` and four `Bool`s.
    pub(crate) fn leanpool_import(
        sysroot: *mut lean_object,
        paths: *mut lean_object,
        imports: *mut lean_object,
        is_module: u8,
        load_exts: u8,
        shared: u8,
        pinned: u8,
        world: *mut lean_object,
    ) -> *mut lean_object;

    /// `IO Bool`: whether imports that are to share regions do; boxed inside the result.
    pub(crate) fn leanpool_shares_regions(world: *mut lean_object) -> *mut lean_object;

    /// `IO UInt64`: modules that the process keeps read for sharing.
    pub(crate) fn leanpool_shared_modules(world: *mut lean_object) -> *mut lean_object;

    /// `UInt64`, from an `Environment`.
    pub(crate) fn leanpool_environment_modules(env: *mut lean_object) -> u64;

    /// `UInt64`, from an `Environment`.
    pub(crate) fn leanpool_environment_constants(env: *mut lean_object) -> u64;

    /// `IO UInt64`: boxed inside the result.
    pub(crate) fn leanpool_extension_epoch(world: *mut lean_object) -> *mut lean_object;

    /// `UInt8`, from an `Environment` and a `String`.
    pub(crate) fn leanpool_declaration_kind(env: *mut lean_object, name: *mut lean_object) -> u8;

    /// `IO String`, from an `Environment` and a `String`.
    pub(crate) fn leanpool_declaration_type(
        env: *mut lean_object,
        name: *mut lean_object,
        world: *mut lean_object,
    ) -> *mut lean_object;

    /// `Array String`, from an `Environment`, a `String` and a `UInt64`.
    pub(crate) fn leanpool_declarations(
        env: *mut lean_object,
        root: *mut lean_object,
        limit: u64,
    ) -> *mut lean_object;

    /// `IO (Array String)`, from the source and the file's name.
    pub(crate) fn leanpool_header(
        source: *mut lean_object,
        file_name: *mut lean_object,
        world: *mut lean_object,
    ) -> *mut lean_object;

    /// `IO CancelToken`.
    pub(crate) fn leanpool_cancel_token_new(world: *mut lean_object) -> *mut lean_object;

    /// `IO Unit`, from a marked `CancelToken`.
    pub(crate) fn leanpool_cancel_token_set(
        token: *mut lean_object,
        world: *mut lean_object,
    ) -> *mut lean_object;

    /// `IO String`, from an `Environment`, three `String`s, a `UInt64` and a `CancelToken`.
    pub(crate) fn leanpool_check(
        env: *mut lean_object,
        file_name: *mut lean_object,
        module_path: *mut lean_object,
        source: *mut lean_object,
        max_heartbeats: u64,
        token: *mut lean_object,
        world: *mut lean_object,
    ) -> *mut lean_object;
}
