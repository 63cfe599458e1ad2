//! Whose memory the package's own code uses: Lean's, also in a program that has an allocator of the same make.
//!
//! The inlined functions of `lean.h` in Lean 4.27 (no more in 4.35) take small objects from `mi_malloc_small` and give them to `mi_free`, by name. In a
//! program whose global allocator is the crate mimalloc these names may be the program's own functions, and Lean's runtime, which frees with
//! its own, would free what it never had. So the build script gives the names in the package a prefix, and here they are defined, by what
//! Lean's library has under them. Where it could not, their addresses are compared.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::error::LeanError;

static ALLOCATE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static FREE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

type Allocate = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

/// `mi_malloc_small` of Lean's library, under the name that the build script gives it in the package.
///
/// # Safety
///
/// As there: `size` is at most 1024.
#[unsafe(no_mangle)]
unsafe extern "C" fn leanpool_mi_malloc_small(size: usize) -> *mut c_void {
    let function = found(&ALLOCATE);
    // SAFETY: `resolve` found it under that name in Lean's library, whose signature this is.
    unsafe { std::mem::transmute::<*mut c_void, Allocate>(function)(size) }
}

/// `mi_free` of Lean's library, likewise.
///
/// # Safety
///
/// As there: `object` came from the function above or from Lean's runtime, and is not used any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn leanpool_mi_free(object: *mut c_void) {
    let function = found(&FREE);
    // SAFETY: as above.
    unsafe { std::mem::transmute::<*mut c_void, Free>(function)(object) }
}

fn found(function: &AtomicPtr<c_void>) -> *mut c_void {
    let function = function.load(Ordering::Relaxed);
    if function.is_null() {
        // Only code of the package calls these, and that runs after `resolve`. No panic: the caller is foreign code.
        eprintln!(
            "lean-backend: this Lean has no allocator of its own, and the package was compiled for one that has"
        );
        std::process::abort();
    }
    function
}

/// Whether the package still refers to the names as `lean.h` has them.
const NAMES_ARE_KEPT: bool = option_env!("LEANPOOL_INLINED_NAMES").is_some();

/// Looks the functions up in Lean's library, before any code of the package runs.
///
/// # Errors
///
/// If the package would call others than Lean's.
pub(crate) fn resolve() -> Result<(), LeanError> {
    let Some(library) = Library::of_lean() else { return Ok(()) };
    for (name, function) in [(c"mi_malloc_small", &ALLOCATE), (c"mi_free", &FREE)] {
        let leans = function_of(library.0, name);
        require_one(NAMES_ARE_KEPT, leans, function_of(libc::RTLD_DEFAULT, name))?;
        function.store(leans, Ordering::Relaxed);
    }
    Ok(())
}

/// An error if the package calls what the program has under a name, and that is not what Lean has. (Null where there is nothing.)
fn require_one(names_are_kept: bool, leans: *mut c_void, programs: *mut c_void) -> Result<(), LeanError> {
    if !names_are_kept || leans == programs {
        return Ok(());
    }
    Err(LeanError::toolchain(
        "the package in lean/ would take its memory from another allocator than Lean's, this program's own mimalloc: install binutils or \
         LLVM, whose objcopy lean-backend's build script tells the two apart with, and build again",
    ))
}

/// Lean's library in this process.
struct Library(*mut c_void);

impl Library {
    /// `None` where Lean is no library of its own (the model).
    fn of_lean() -> Option<Self> {
        // A function whose address is not taken anywhere: else the program might have an entry of its own under its name.
        let function = function_of(libc::RTLD_DEFAULT, c"lean_io_error_to_string");
        let mut info = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: it is compared with the addresses of what is loaded, and `info` has room for what is found.
        if function.is_null() || unsafe { libc::dladdr(function, info.as_mut_ptr()) } == 0 {
            return None;
        }
        // SAFETY: `dladdr` succeeded, so it is filled in, and its name is that under which the file was loaded.
        let handle =
            unsafe { libc::dlopen(info.assume_init().dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        (!handle.is_null()).then_some(Self(handle))
    }
}

/// What is found under `name`, null if nothing is.
fn function_of(handle: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: an open handle, whose own symbols come before those of what it depends on, or the default one; and a C string.
    unsafe { libc::dlsym(handle, name.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_that_would_call_another_allocator_is_refused_in_one_line() {
        let [lean, program] = [0x1000, 0x2000].map(ptr::without_provenance_mut);
        for (kept, leans, programs) in
            [(false, lean, program), (true, lean, lean), (true, ptr::null_mut(), ptr::null_mut())]
        {
            assert_eq!(require_one(kept, leans, programs), Ok(()));
        }
        let error = require_one(true, lean, program).unwrap_err().to_string();
        assert!(
            error.contains("mimalloc") && error.contains("objcopy") && error.lines().count() == 1,
            "{error}"
        );
    }
}
