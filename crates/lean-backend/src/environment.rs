//! Importing an environment, and what one can be asked.

use std::sync::{Mutex, PoisonError};

use crate::error::LeanError;
use crate::ffi;
use crate::memory::private_bytes;
use crate::object::Owned;
use crate::options::{ImportOptions, Regions, split_header};
use crate::thread::LeanThread;

/// Held during an import: Lean's search path, its flag that allows initialisers and its flag that an import runs are
/// all global.
static IMPORTING: Mutex<()> = Mutex::new(());

/// An imported Lean environment: the modules of one import list and all that they declare.
///
/// A clone is one more reference to the same environment. It is a value: nothing changes it, elaborating in it
/// included. It may become stale, though, see [`is_current`](Environment::is_current).
///
/// It cannot outlive its thread's attachment:
///
/// ```compile_fail,E0597
/// use lean_backend::{Environment, ImportOptions, LeanRuntime, Sysroot};
///
/// let options = ImportOptions::new(Sysroot::at("/lean"));
/// let environment = {
///     let thread = LeanRuntime::init().unwrap().attach();
///     Environment::import(&thread, &options, &["public Init"]).unwrap()
/// };
/// environment.modules();
/// ```
#[derive(Clone, Debug)]
pub struct Environment<'lean> {
    object: Owned<'lean>,
    epoch: u64,
    taken: u64,
    regions: Regions,
}

impl<'lean> Environment<'lean> {
    /// Imports `imports`, in order, on this thread; 0.1–5 seconds. Imports of other threads wait for each other.
    ///
    /// An import is `[public ][meta ][all ]Module.Name`. A first element `module` says that the header began with
    /// that word; only then do the words before a name count, as in Lean.
    ///
    /// No import may run while another thread elaborates: it may register extensions, which harms a running check.
    ///
    /// # Errors
    ///
    /// [`LeanError::LeanException`] if a module is not found, its file changed since this process read it
    /// ([`Regions::Shared`] only), or an initialiser throws. [`LeanError::ResourceExhausted`] if the system has no
    /// more files or memory for it.
    pub fn import(
        thread: &'lean LeanThread,
        options: &ImportOptions,
        imports: &[&str],
    ) -> Result<Self, LeanError> {
        let (is_module, imports) = split_header(imports);
        // A panic under the lock leaves nothing half-done: it guards Lean's globals, and each import sets those anew.
        let _importing = IMPORTING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = private_bytes();
        let sysroot = Owned::string(thread, options.sysroot.as_str());
        let paths = Owned::string_array(thread, &options.search_path);
        let imports = Owned::string_array(thread, imports);
        // SAFETY: attached, as the token proves. The objects are a `String` and two `Array String`, each given away,
        // as an export takes them owned; the scalars are `Bool`s; the function is in `IO`.
        let object = unsafe {
            let result = ffi::leanpool_import(
                sysroot.into_raw(),
                paths.into_raw(),
                imports.into_raw(),
                is_module.into(),
                options.extensions.into(),
                (options.regions == Regions::Shared).into(),
                ffi::world(),
            );
            Owned::from_io_result(thread, result)
        }?;
        let taken = match (before, private_bytes()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => 0,
        };
        // After the import, which may itself have registered extensions: those this environment has.
        let epoch = extension_epoch(thread)?;
        Ok(Environment { object, epoch, taken, regions: options.regions })
    }

    /// Number of modules, imported ones of imported ones included.
    #[must_use]
    pub fn modules(&self) -> u64 {
        // SAFETY: attached, as `self` borrows from the token. The object is an `Environment`, and the clone is given
        // away, as an export takes it owned.
        unsafe { ffi::leanpool_environment_modules(self.object.clone().into_raw()) }
    }

    /// Number of constants. Walks all of them: milliseconds for a large environment.
    #[must_use]
    pub fn constants(&self) -> u64 {
        // SAFETY: as in `modules`.
        unsafe { ffi::leanpool_environment_constants(self.object.clone().into_raw()) }
    }

    /// How many extensions and attributes were registered in the process when this environment was imported. It only
    /// grows, by imports of libraries that register more.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether no extension was registered since this environment was imported; 80 ns.
    ///
    /// One imported before is too short for what was registered after: elaborating in it prints `invalid environment
    /// extension has been accessed` and gives wrong diagnostics. Drop it and import again.
    ///
    /// # Errors
    ///
    /// What Lean threw while it was asked.
    pub fn is_current(&self) -> Result<bool, LeanError> {
        Ok(extension_epoch(self.object.thread())? == self.epoch)
    }

    /// Private bytes that the import took: what the process has dirtied after it, less what it had before.
    ///
    /// An estimate. 0 where the system does not tell (anything but Linux). What other threads allocated meanwhile
    /// counts; what Lean's allocator had kept of an environment dropped before, and used again, does not.
    #[must_use]
    pub fn bytes_taken(&self) -> u64 {
        self.taken
    }

    /// How its regions were read.
    #[must_use]
    pub fn regions(&self) -> Regions {
        self.regions
    }
}

fn extension_epoch(thread: &LeanThread) -> Result<u64, LeanError> {
    // SAFETY: attached, as the token proves; the function is in `IO` and takes nothing else.
    let epoch = unsafe { Owned::from_io_result(thread, ffi::leanpool_extension_epoch(ffi::world())) }?;
    // SAFETY: the function is an `IO UInt64`, so the value of its result is a boxed `UInt64`.
    Ok(unsafe { epoch.as_borrowed().unbox_u64() })
}
