//! How sessions are opened: the toolchain, the search path, the options of imports.

use std::fmt;

use lean_backend::{
    ImportOptions, InternedOptions, LeanCancellationToken, LeanProgressSink, LeanResult, Regions,
    SharedEnvironment, Watch,
};

use super::{LeanHost, LeanSession};

/// What sessions are opened with. Loading it costs nothing that is worth keeping; equal ones share what is in a pool.
///
/// Neither `Send` nor `Sync`, as in lean-rs-host.
pub struct LeanCapabilities<'lean, 'h> {
    host: &'h LeanHost<'lean>,
    options: InternedOptions,
}

impl<'lean, 'h> LeanCapabilities<'lean, 'h> {
    pub(super) fn new(host: &'h LeanHost<'lean>, options: InternedOptions) -> Self {
        Self { host, options }
    }

    /// The same with other options of imports: with [`Regions::Isolated`], say, as plain `importModules` does.
    #[must_use]
    pub fn with_regions(&self, regions: Regions) -> Self {
        let options = ImportOptions { regions, ..(*self.options).clone() };
        Self { host: self.host, options: options.into() }
    }

    /// How its sessions import.
    #[must_use]
    pub fn options(&self) -> &InternedOptions {
        &self.options
    }

    /// Imports `imports` and opens a session on them, without a pool.
    ///
    /// An import is a module's name, or what a header says of it: `[public ][meta ][all ]Module.Name`, where a first
    /// `module` says that the header began so.
    ///
    /// # Errors
    /// Those of [`SharedEnvironment::import`].
    pub fn session<'c>(
        &'c self,
        imports: &[&str],
        cancellation: Option<&LeanCancellationToken>,
        progress: Option<&dyn LeanProgressSink>,
    ) -> LeanResult<LeanSession<'lean, 'c>> {
        Ok(LeanSession::new(self, self.import(imports, cancellation, progress)?))
    }

    pub(super) fn import(
        &self,
        imports: &[&str],
        cancellation: Option<&LeanCancellationToken>,
        progress: Option<&dyn LeanProgressSink>,
    ) -> LeanResult<SharedEnvironment> {
        let _span = tracing::info_span!(
            target: "lean_rs",
            "lean_rs.host.session.import",
            profile = profile(imports),
            imports_len = imports.len(),
        )
        .entered();
        let watch = Watch { cancellation, progress };
        SharedEnvironment::import(self.host.runtime(), &self.options, imports, &watch)
    }
}

/// In lean-rs-host's words, what of the modules is seen: a file that begins with `module` sees what is exported.
pub(super) fn profile(imports: &[&str]) -> &'static str {
    if imports.first() == Some(&"module") { "exported-public" } else { "private" }
}

impl fmt::Debug for LeanCapabilities<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeanCapabilities").field("options", &*self.options).finish_non_exhaustive()
    }
}
