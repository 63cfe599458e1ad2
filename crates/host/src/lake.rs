//! A Lake project: where its modules are, those of all it depends on, and what Lake says of its files.

mod ask;
mod library;
mod state;

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bounded;
pub use ask::{Answers, AskError, Asking, FileSetup};

/// The packages whose modules a project can import: itself first, then those that its `lake-manifest.json` lists, in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeProject {
    roots: Vec<PathBuf>,
}

/// Why a folder is of no use as a Lake project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// It has no lakefile.
    #[error("{} has no lakefile.toml or lakefile.lean: name the root folder of a Lake project", path.display())]
    NoLakefile {
        /// The folder.
        path: PathBuf,
    },
    /// Its manifest can't be read.
    #[error("{} can't be read ({error}): run `lake update` there", path.display())]
    Unreadable {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Its manifest is not one.
    #[error("{}: not a Lake manifest ({error}): run `lake update` there", path.display())]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it, and at which line.
        error: serde_json::Error,
    },
}

impl LakeProject {
    /// Looks at the project in the folder `root`. Without a manifest it depends on nothing. Paths are absolute, so that one
    /// project is the same however it was named.
    ///
    /// # Errors
    /// If it is no Lake project, or its manifest is no manifest.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, LakeError> {
        let root = &std::path::absolute(&root).unwrap_or_else(|_| root.as_ref().to_owned());
        if !["lakefile.toml", "lakefile.lean"].iter().any(|file| root.join(file).is_file()) {
            return Err(LakeError::NoLakefile { path: root.to_owned() });
        }
        let path = root.join("lake-manifest.json");
        let mut roots = vec![root.to_owned()];
        match bounded::plain_file(&path).and_then(bounded::text) {
            Ok(text) => {
                let manifest: Manifest = serde_json::from_str(&text)
                    .map_err(|error| LakeError::BadManifest { path: path.clone(), error })?;
                let folder = manifest.packages_dir.unwrap_or_else(|| PathBuf::from(".lake/packages"));
                roots.extend(manifest.packages.iter().map(|package| package.root(root, &folder)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(LakeError::Unreadable { path, error }),
        }
        Ok(Self { roots })
    }

    /// The project that `file` is in: the nearest folder upwards with a lakefile.
    ///
    /// # Errors
    /// If there is one, and its manifest is none.
    pub fn around(file: &Path) -> Result<Option<Self>, LakeError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        for folder in file.ancestors().skip(1) {
            match Self::open(folder) {
                Err(LakeError::NoLakefile { .. }) => {}
                project => return project.map(Some),
            }
        }
        Ok(None)
    }

    /// The folders of the packages.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The Lean that the project is built with, as its `lean-toolchain` says: `leanprover/lean4:v4.27.0`.
    #[must_use]
    pub fn toolchain(&self) -> Option<String> {
        let bytes = bounded::plain_file(&self.roots[0].join("lean-toolchain")).ok()?;
        Some(bounded::text(bytes).ok()?.trim().to_owned())
    }

    /// Where Lake puts the compiled modules of each package, whether they are built or not: what `Lean.importModules` searches.
    pub fn search_path(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.roots.iter().map(|root| root.join(".lake/build/lib/lean"))
    }
}

/// What of `lake-manifest.json` matters here.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "packagesDir")]
    packages_dir: Option<PathBuf>,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Of a package of type `path`: relative to the project.
    dir: Option<PathBuf>,
    /// Of one that is not at the root of its repository.
    #[serde(rename = "subDir")]
    sub_dir: Option<PathBuf>,
}

impl Package {
    fn root(&self, project: &Path, packages_dir: &Path) -> PathBuf {
        if let ("path", Some(dir)) = (self.kind.as_str(), &self.dir) {
            return project.join(dir);
        }
        // Names that are no plain identifiers are quoted as in Lean, and their folders are not.
        let name = self.name.trim_matches(['«', '»']);
        let root = project.join(packages_dir).join(name);
        match &self.sub_dir {
            Some(sub_dir) => root.join(sub_dir),
            None => root,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn project(manifest: Option<&str>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lakefile.toml"), "").unwrap();
        if let Some(manifest) = manifest {
            fs::write(folder.path().join("lake-manifest.json"), manifest).unwrap();
        }
        folder
    }

    #[test]
    fn every_kind_of_dependency_is_found_where_lake_puts_it() {
        let manifest = r#"{"version": "1.1.0", "packagesDir": ".lake/packages", "name": "example", "packages": [
            {"url": "https://example.org/batteries", "type": "git", "subDir": null, "scope": "leanprover-community",
             "rev": "1", "name": "batteries", "inherited": false, "configFile": "lakefile.toml"},
            {"type": "git", "subDir": "lean/inner", "name": "«doc-gen4»", "rev": "2"},
            {"type": "path", "dir": "../sibling", "name": "sibling"}]}"#;
        let folder = project(Some(manifest));
        let root = folder.path();
        let found: Vec<PathBuf> = LakeProject::open(root).unwrap().search_path().collect();
        let lib = ".lake/build/lib/lean";
        assert_eq!(
            found,
            [
                root.join(lib),
                root.join(".lake/packages/batteries").join(lib),
                root.join(".lake/packages/doc-gen4/lean/inner").join(lib),
                root.join("../sibling").join(lib),
            ]
        );
    }

    #[test]
    fn project_without_a_manifest_depends_on_nothing() {
        let folder = project(None);
        assert_eq!(LakeProject::open(folder.path()).unwrap().roots(), [folder.path()]);
    }

    #[cfg(unix)]
    #[test]
    fn manifest_that_does_not_end_or_is_too_large_is_an_error_and_a_toolchain_file_like_that_says_nothing() {
        let folder = project(None);
        let manifest = folder.path().join("lake-manifest.json");
        for name in ["lake-manifest.json", "lean-toolchain"] {
            std::os::unix::fs::symlink("/dev/zero", folder.path().join(name)).unwrap();
        }
        let error = LakeProject::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("lake-manifest.json can't be read (it is no plain file)"), "{error}");
        fs::remove_file(&manifest).unwrap();
        assert_eq!(LakeProject::open(folder.path()).unwrap().toolchain(), None);
        fs::File::create(&manifest).unwrap().set_len(bounded::LARGEST + 1).unwrap();
        let error = LakeProject::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it has more than 16 MiB"), "{error}");
    }

    #[test]
    fn what_is_no_project_or_no_manifest_is_named_with_what_to_do() {
        let nothing = tempfile::tempdir().unwrap();
        let error = LakeProject::open(nothing.path()).unwrap_err().to_string();
        assert!(error.contains("no lakefile.toml") && error.contains("name the root folder"), "{error}");

        let folder = project(Some("{\n \"packages\": 1}"));
        let error = LakeProject::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("lake-manifest.json") && error.contains("line 2") && error.contains("lake update"),
            "{error}"
        );
    }
}
