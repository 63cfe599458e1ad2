//! Where files of a service are checked: which Lean, which worker, which folders. One function decides.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leanpool::lake::LakeProject;
use leanpool::lean_worker::{Cache, Places, Surroundings};
use leanpool_serve::settings::Site;

use super::worker::ensure;

/// What is said on the command line of where files are checked.
#[derive(Clone, clap::Args)]
pub(super) struct SiteArgs {
    /// A Lake project whose modules can be imported, with all that it depends on; may be given several times: a request names one by its
    /// folder's name, and gets the first if it names none
    #[arg(long = "project", value_name = "DIR")]
    pub(super) projects: Vec<PathBuf>,

    /// A further folder of compiled modules (.olean) to search; may be given several times
    #[arg(long = "path", value_name = "DIR")]
    paths: Vec<PathBuf>,

    /// A worker program that is there, instead of the one that is built for the Lean
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,

    /// Where workers are kept [default: leanpool in XDG_CACHE_HOME]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// The place for files of `project`, or of none.
fn site(args: &SiteArgs, project: Option<&Path>) -> Result<Site, Box<dyn Error>> {
    let lake = project.map(LakeProject::open).transpose()?;
    let toolchain = Places::from_env().toolchain(project)?;
    let worker = match &args.worker {
        Some(program) if program.is_file() => std::path::absolute(program)?,
        Some(program) => {
            return Err(format!("{} is no file: give --worker a program", program.display()).into());
        }
        None => ensure(&Cache::new(args.cache.clone())?, &toolchain, false)?,
    };
    let lean_path = std::env::var_os("LEAN_PATH").unwrap_or_default();
    let lean_path = std::env::split_paths(&lean_path).filter(|path| !path.as_os_str().is_empty());
    let all =
        lean_path.chain(lake.iter().flat_map(LakeProject::search_path)).chain(args.paths.iter().cloned());
    let search_path = all.map(|path| {
        let path = std::path::absolute(&path).unwrap_or(path);
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| format!("{} is not UTF-8, which Lean needs: rename the folder", path.display()))
    });
    let root = project.map(std::path::absolute).transpose()?;
    Ok(Site {
        name: root
            .as_deref()
            .and_then(Path::file_name)
            .map_or_else(|| "lean".to_owned(), |name| name.to_string_lossy().into_owned()),
        version: toolchain.version.clone(),
        around: Arc::new(Surroundings {
            worker,
            stack_size: toolchain.stack_size(),
            sysroot: toolchain.sysroot.clone(),
            search_path: search_path.collect::<Result<_, _>>()?,
            setup: None,
            options: Vec::new(),
            project: root,
        }),
    })
}

/// All places, at least one, with different names.
pub(super) fn sites(args: &SiteArgs) -> Result<Vec<Site>, Box<dyn Error>> {
    if args.projects.is_empty() {
        return Ok(vec![site(args, None)?]);
    }
    let sites: Vec<Site> =
        args.projects.iter().map(|project| site(args, Some(project))).collect::<Result<_, _>>()?;
    for (number, site) in sites.iter().enumerate() {
        if sites[..number].iter().any(|other| other.name == site.name) {
            return Err(
                format!("two projects are called {}: requests could not tell them apart", site.name).into()
            );
        }
    }
    Ok(sites)
}
