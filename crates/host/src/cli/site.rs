//! Which Lean, which worker and which folders of compiled modules: what the arguments and the environment say of it.

use std::error::Error;
use std::path::{Path, PathBuf};

use leanpool::lake::LakeProject;
use leanpool::lean_worker::{Cache, Places, Surroundings};

use super::worker::ensure;
use super::wrong_usage;

/// What the arguments say.
pub(super) struct Asked<'a> {
    pub(super) project: Option<&'a Path>,
    pub(super) paths: &'a [PathBuf],
    pub(super) worker: Option<&'a Path>,
    pub(super) cache: Option<&'a Path>,
    /// Without a word on standard error.
    pub(super) quiet: bool,
}

/// What is to be imported in, all paths absolute: the folders of LEAN_PATH first, as for `lean`, then the project's, then the others. The
/// worker is built if it is not there.
pub(super) fn surroundings(asked: &Asked<'_>) -> Result<Surroundings, Box<dyn Error>> {
    let project =
        asked.project.map(|root| LakeProject::open(root).unwrap_or_else(|error| wrong_usage(&error)));
    if let Some(path) = asked.paths.iter().find(|path| !path.is_dir()) {
        wrong_usage(&format_args!(
            "{} is no folder: give --path a folder of compiled modules",
            path.display()
        ));
    }
    let toolchain = Places::from_env().toolchain(asked.project)?;
    let worker = match asked.worker {
        Some(program) if program.is_file() => std::path::absolute(program)?,
        Some(program) => {
            wrong_usage(&format_args!("{} is no file: give --worker a program", program.display()))
        }
        None => ensure(&Cache::new(asked.cache.map(Path::to_owned))?, &toolchain, asked.quiet)?,
    };
    let lean_path = std::env::var_os("LEAN_PATH").unwrap_or_default();
    let lean_path = std::env::split_paths(&lean_path).filter(|path| !path.as_os_str().is_empty());
    let of_project = project.iter().flat_map(LakeProject::search_path);
    let all = lean_path.chain(of_project).chain(asked.paths.iter().cloned());
    // A worker works in another folder.
    let search_path = all.map(|path| {
        let path = std::path::absolute(&path).unwrap_or(path);
        path.into_os_string().into_string().map_err(|path| {
            format!("{} is not UTF-8, which Lean needs: rename the folder", path.to_string_lossy())
        })
    });
    Ok(Surroundings {
        worker,
        stack_size: toolchain.stack_size(),
        sysroot: toolchain.sysroot.clone(),
        search_path: search_path.collect::<Result<_, _>>()?,
        setup: None,
        options: Vec::new(),
        project: asked.project.map(|root| std::path::absolute(root).unwrap_or_else(|_| root.to_owned())),
    })
}
