//! Importing an environment, and holding one: on its thread, or on any.

use std::sync::Arc;

use crate::error::LeanError;
use crate::exclusion;
use crate::ffi;
use crate::memory::private_bytes;
use crate::object::{Owned, SharedObject};
use crate::options::{ImportOptions, Regions, split_header};
use crate::progress::Watch;
use crate::runtime::{LeanRuntime, shares_regions};
use crate::thread::LeanThread;
use crate::workers::Workers;

/// An imported Lean environment: the modules of one import list and all that they declare. It stays on its thread; see
/// [`SharedEnvironment`] for one that does not.
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
    facts: Facts,
}

/// An imported Lean environment that any thread may hold and use, several at once.
///
/// A clone counts a reference and calls no Lean. A thread that is attached takes a reference of its own by [`on`], and
/// drops that before it is detached; a thread that is not asks through [`ask`]. Where the last one is dropped on a thread that is
/// not attached, that thread is attached for it.
///
/// [`on`]: SharedEnvironment::on
/// [`ask`]: SharedEnvironment::ask
#[derive(Clone)]
pub struct SharedEnvironment {
    object: Arc<SharedObject>,
    facts: Facts,
}

/// What is known of an environment besides what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The extensions and attributes that were registered when it was imported.
    pub(crate) epoch: u64,
    /// Private bytes that its import took.
    pub(crate) taken: u64,
    pub(crate) regions: Regions,
    /// Whether its extensions were loaded.
    pub(crate) extensions: bool,
    /// Whether the process keeps it for good, whoever drops it.
    pub(crate) stays: Stays,
}

/// Why an environment is never freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// It is: the last reference frees it.
    No,
    /// It was asked for ([`ImportOptions::pinned`]).
    Pinned,
    /// Its import was the first to run some module's initialisers. What those leave in the process's tables (attributes, parsers,
    /// extensions, interpreted) refers to it.
    InitialisersKeepIt,
}

impl<'lean> Environment<'lean> {
    /// Imports `imports`, in order; 0.1–5 seconds. Waits until no other import, check or question runs in the process, and
    /// holds back those that come meanwhile.
    ///
    /// An import is `[public ][meta ][all ]Module.Name`. A first element `module` says that the header began with
    /// that word; only then do the words before a name count, as in Lean. [`header`](crate::header) gives just that.
    ///
    /// Runs on a thread with a large stack. If this is not one (see [`LeanRuntime::run`]) the environment has to be marked
    /// to come back here, which takes a fifth of the time again.
    ///
    /// # Errors
    ///
    /// [`LeanError::LeanException`] if a module is not found, its file changed since this process read it
    /// ([`Regions::Shared`] only), or an initialiser throws. [`LeanError::ResourceExhausted`] if the system has no
    /// more files, memory or threads for it.
    pub fn import(
        thread: &'lean LeanThread,
        options: &ImportOptions,
        imports: &[&str],
    ) -> Result<Self, LeanError> {
        Self::import_watched(thread, options, imports, &Watch::default())
    }

    /// As [`import`](Environment::import), with somebody who may break it off and hears of it.
    ///
    /// # Errors
    ///
    /// [`LeanError::Cancelled`] if it was cancelled before Lean began to import, and those of
    /// [`import`](Environment::import).
    pub fn import_watched(
        thread: &'lean LeanThread,
        options: &ImportOptions,
        imports: &[&str],
        watch: &Watch<'_>,
    ) -> Result<Self, LeanError> {
        watch.phase("import", imports.len() as u64, || {
            if Workers::is_current() {
                return import_here(thread, options, imports, watch);
            }
            import_shared(LeanRuntime::of_objects(), options, imports, watch).map(|shared| shared.on(thread))
        })
    }

    /// The same environment for any thread. Marks it, which takes 119 ms for one of `Lean` that nothing was elaborated in, and
    /// else nothing.
    #[must_use]
    pub fn to_shared(&self) -> SharedEnvironment {
        SharedEnvironment { object: Arc::new(SharedObject::new(self.object.clone())), facts: self.facts }
    }

    /// How many extensions and attributes were registered in the process when this environment was imported. It only
    /// grows, by imports of libraries that register more.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.facts.epoch
    }

    /// Whether no extension was registered since this environment was imported; 80 ns.
    ///
    /// One imported before is too short for what was registered after: elaborating in it would print `invalid environment
    /// extension has been accessed` and give wrong diagnostics. Drop it and import again.
    ///
    /// # Errors
    ///
    /// What Lean threw while it was asked.
    pub fn is_current(&self) -> Result<bool, LeanError> {
        Ok(exclusion::epoch(self.object.thread())? == self.facts.epoch)
    }

    /// Private bytes that the import took: what the process has dirtied after it, less what it had before.
    ///
    /// An estimate. 0 where the system does not tell (anything but Linux). What other threads allocated meanwhile
    /// counts; what Lean's allocator had kept of an environment dropped before, and used again, does not.
    #[must_use]
    pub fn bytes_taken(&self) -> u64 {
        self.facts.taken
    }

    /// How its regions were read: not shared where that was not asked for, or can't be had ([`LeanRuntime::shares_regions`]).
    #[must_use]
    pub fn regions(&self) -> Regions {
        self.facts.regions
    }

    /// A reference to the object, to be given away.
    pub(crate) fn object(&self) -> Owned<'lean> {
        self.object.clone()
    }

    pub(crate) fn thread(&self) -> &'lean LeanThread {
        self.object.thread()
    }

    pub(crate) fn facts(&self) -> Facts {
        self.facts
    }

    /// Asks something that may recurse deeply, on a thread with a large stack.
    pub(crate) fn ask_deeply<T: Send>(
        &self,
        question: impl FnOnce(&Environment<'_>) -> Result<T, LeanError> + Send,
    ) -> Result<T, LeanError> {
        if Workers::is_current() { question(self) } else { self.to_shared().run(question) }
    }
}

impl SharedEnvironment {
    /// As [`Environment::import_watched`], on whichever thread: this one need not be attached.
    ///
    /// # Errors
    ///
    /// Those of [`Environment::import_watched`].
    pub fn import(
        runtime: &LeanRuntime,
        options: &ImportOptions,
        imports: &[&str],
        watch: &Watch<'_>,
    ) -> Result<Self, LeanError> {
        watch.phase("import", imports.len() as u64, || import_shared(runtime, options, imports, watch))
    }

    /// A reference for this thread.
    #[must_use]
    pub fn on<'lean>(&self, thread: &'lean LeanThread) -> Environment<'lean> {
        Environment { object: self.object.on(thread), facts: self.facts }
    }

    /// Asks something of the environment: on this thread if it is attached, else on one that the backend has.
    ///
    /// # Errors
    ///
    /// What `question` returns; [`LeanError::ResourceExhausted`] if the system gives no thread.
    pub fn ask<T: Send>(
        &self,
        question: impl FnOnce(&Environment<'_>) -> Result<T, LeanError> + Send,
    ) -> Result<T, LeanError> {
        if LeanThread::is_attached() {
            let runtime = LeanRuntime::of_objects();
            return question(&self.on(&runtime.attach()));
        }
        self.run(question)
    }

    /// As [`Environment::is_current`].
    ///
    /// # Errors
    ///
    /// What Lean threw while it was asked; [`LeanError::ResourceExhausted`] if the system gives no thread.
    pub fn is_current(&self) -> Result<bool, LeanError> {
        Ok(self.live_epoch()? == self.facts.epoch)
    }

    /// How many extensions and attributes are registered in the process now.
    ///
    /// # Errors
    ///
    /// What Lean threw while it was asked; [`LeanError::ResourceExhausted`] if the system gives no thread.
    pub fn live_epoch(&self) -> Result<u64, LeanError> {
        self.ask(|environment| exclusion::epoch(environment.thread()))
    }

    /// As [`Environment::epoch`].
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.facts.epoch
    }

    /// As [`Environment::bytes_taken`].
    #[must_use]
    pub fn bytes_taken(&self) -> u64 {
        self.facts.taken
    }

    /// As [`Environment::regions`].
    #[must_use]
    pub fn regions(&self) -> Regions {
        self.facts.regions
    }

    pub(crate) fn facts(&self) -> Facts {
        self.facts
    }

    fn run<T: Send>(
        &self,
        question: impl FnOnce(&Environment<'_>) -> Result<T, LeanError> + Send,
    ) -> Result<T, LeanError> {
        let runtime = LeanRuntime::of_objects();
        runtime.run(|thread| question(&self.on(thread)))?
    }
}

impl std::fmt::Debug for SharedEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedEnvironment").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// Imports on a thread with a large stack, and marks what came of it, so that it may leave that thread.
fn import_shared(
    runtime: &LeanRuntime,
    options: &ImportOptions,
    imports: &[&str],
    watch: &Watch<'_>,
) -> Result<SharedEnvironment, LeanError> {
    runtime.run(|thread| {
        import_here(thread, options, imports, watch).map(|environment| environment.to_shared())
    })?
}

fn import_here<'lean>(
    thread: &'lean LeanThread,
    options: &ImportOptions,
    imports: &[&str],
    watch: &Watch<'_>,
) -> Result<Environment<'lean>, LeanError> {
    let (is_module, imports) = split_header(imports);
    let _exclusive = exclusion::import();
    // That may have taken as long as a check takes.
    watch.go_on()?;
    let epoch_before = exclusion::epoch(thread)?;
    let regions = if shares_regions(thread)? { options.regions } else { Regions::Isolated };
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
            (regions == Regions::Shared).into(),
            options.pinned.into(),
            ffi::world(),
        );
        Owned::from_io_result(thread, result)
    };
    // Whether it succeeded or not, it may have registered extensions.
    let epoch = exclusion::epoch(thread);
    let object = object?;
    let taken = match (before, private_bytes()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => 0,
    };
    let epoch = epoch?;
    let stays = match (options.pinned, epoch > epoch_before) {
        (true, _) => Stays::Pinned,
        (false, true) => Stays::InitialisersKeepIt,
        (false, false) => Stays::No,
    };
    let extensions = options.extensions;
    Ok(Environment { object, facts: Facts { epoch, taken, regions, extensions, stays } })
}
