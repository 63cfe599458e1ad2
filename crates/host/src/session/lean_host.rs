//! What a session is opened over: a Lake project, or the toolchain alone.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use lean_backend::{ImportOptions, InternedOptions, LeanError, LeanResult, LeanRuntime, Sysroot};

use super::LeanCapabilities;
use crate::lake::LakeProject;

/// The runtime, and the folders in which modules are searched.
///
/// Neither `Send` nor `Sync`, as in lean-rs-host; for threads see
/// [`SharedEnvironment`](lean_backend::SharedEnvironment).
pub struct LeanHost<'lean> {
    runtime: &'lean LeanRuntime,
    search_path: Vec<String>,
    stays: PhantomData<*mut ()>,
}

impl<'lean> LeanHost<'lean> {
    /// Over the Lake project in the folder `path`: its modules, those of all packages in its `lake-manifest.json`, and the
    /// toolchain's. They have to be built (`lake build`); that is not looked at before an import needs them.
    ///
    /// # Errors
    /// [`LeanError::Toolchain`] if that is no Lake project, its manifest can't be read, or a path is not UTF-8.
    pub fn from_lake_project(runtime: &'lean LeanRuntime, path: impl AsRef<Path>) -> LeanResult<Self> {
        let project = LakeProject::open(path).map_err(|error| LeanError::toolchain(&error.to_string()))?;
        let search_path = project.search_path().map(text).collect::<LeanResult<_>>()?;
        Ok(Self { runtime, search_path, stays: PhantomData })
    }

    /// Over the toolchain's own modules: `Init`, `Std`, `Lean`.
    #[must_use]
    pub fn from_toolchain(runtime: &'lean LeanRuntime) -> Self {
        Self { runtime, search_path: Vec::new(), stays: PhantomData }
    }

    /// With a further folder of compiled modules, to be searched after those that it has.
    ///
    /// # Errors
    /// [`LeanError::Toolchain`] if the path is not UTF-8.
    pub fn with_folder(mut self, folder: impl AsRef<Path>) -> LeanResult<Self> {
        let folder = std::path::absolute(&folder).unwrap_or_else(|_| folder.as_ref().to_owned());
        self.search_path.push(text(folder)?);
        Ok(self)
    }

    /// What sessions need besides this. Finds the toolchain ([`Sysroot::find`]); compiles and loads nothing.
    ///
    /// # Errors
    /// [`LeanError::Toolchain`] if no Lean is found.
    pub fn load_shims_only<'h>(&'h self) -> LeanResult<LeanCapabilities<'lean, 'h>> {
        Ok(self.load_over(Sysroot::find()?))
    }

    /// As [`load_shims_only`](LeanHost::load_shims_only), over a toolchain that is known.
    #[must_use]
    pub fn load_over<'h>(&'h self, sysroot: Sysroot) -> LeanCapabilities<'lean, 'h> {
        let search_path = self.search_path.clone();
        let options = ImportOptions { search_path, ..ImportOptions::new(sysroot) };
        LeanCapabilities::new(self, InternedOptions::from(options))
    }

    /// As [`load_shims_only`](LeanHost::load_shims_only), for a project's library: an error says now, and not at the first
    /// import, that it is not built. `package` is not needed, and its compiled code is not loaded: what of it runs in Lean is
    /// interpreted.
    ///
    /// # Errors
    /// [`LeanError::Toolchain`] if no module `lib_name` is built, or no Lean is found.
    pub fn load_capabilities<'h>(
        &'h self,
        package: &str,
        lib_name: &str,
    ) -> LeanResult<LeanCapabilities<'lean, 'h>> {
        let file = format!("{}.olean", lib_name.replace('.', "/"));
        if self.search_path.iter().any(|folder| Path::new(folder).join(&file).is_file()) {
            return self.load_shims_only();
        }
        Err(LeanError::toolchain(&format!(
            "no {file} of package {package} in {}: run `lake build {lib_name}` in the project",
            self.search_path.join(", ")
        )))
    }

    pub(super) fn runtime(&self) -> &'lean LeanRuntime {
        self.runtime
    }
}

impl fmt::Debug for LeanHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeanHost").field("search_path", &self.search_path).finish_non_exhaustive()
    }
}

/// Lean takes paths as text.
fn text(path: impl AsRef<Path>) -> LeanResult<String> {
    let path = path.as_ref();
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| LeanError::toolchain(&format!("{} is not UTF-8, which Lean needs", path.display())))
}
