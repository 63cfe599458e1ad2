//! Where files of a service are checked: which Lean, which worker, which set-up. One function decides.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use leanpool::lean_worker::{Header, Surroundings};
use leanpool::site::{Belongs, Sites};
use leanpool_serve::settings::Site;

use super::folders::Folders;

/// How long it is taken for true what a project's set-up is for a header.
const KNOWN_FOR: Duration = Duration::from_secs(2);
/// Of how many headers that is kept.
const KNOWN: usize = 1000;

/// What is said on the command line of where files are checked.
#[derive(Clone, clap::Args)]
pub(super) struct ServiceSiteArgs {
    /// A Lake project whose modules can be imported, with all that it depends on; may be given several times: a request names one by its
    /// folder's name, and gets the first if it names none
    #[arg(long = "project", value_name = "DIR")]
    pub(super) projects: Vec<PathBuf>,

    #[command(flatten)]
    folders: Folders,
}

/// The place for files of `project`, or of none. Its Lean, worker and set-up are looked for now, so that a mistake is said at once.
fn site(args: &ServiceSiteArgs, project: Option<&Path>) -> Result<Site, Box<dyn Error>> {
    let root = project.map(std::path::absolute).transpose()?;
    let options = args.folders.site_options(root.clone().map_or(Belongs::ToNone, Belongs::To));
    let folders = args.folders.clone();
    let mut sites = Sites::new(options, move |toolchain| folders.program(toolchain, false))?;
    // A text that is no file.
    let file = root.as_deref().unwrap_or(Path::new("")).join("<stdin>");
    let version = sites.toolchain(root.as_deref())?.version;
    let sysroot = sites.of(&file, "")?.around.sysroot.clone();
    let name = root.as_deref().and_then(Path::file_name);
    let name = name.map_or_else(|| "lean".to_owned(), |name| name.to_string_lossy().into_owned());
    let resolver = Mutex::new((sites, HashMap::<Header, (Instant, Arc<Surroundings>)>::new()));
    let around = move |header: &Header| {
        let (sites, known) = &mut *resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, around)) = known.get(header).filter(|(since, _)| since.elapsed() < KNOWN_FOR) {
            return Ok(around.clone());
        }
        let around = sites.of(&file, &header.text()).map_err(|error| error.to_string())?.around;
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(header.clone(), (Instant::now(), around.clone()));
        Ok(around)
    };
    Ok(Site { name, version, sysroot, root, around: Arc::new(around) })
}

/// All places, at least one, with different names.
pub(super) fn sites(args: &ServiceSiteArgs) -> Result<Vec<Site>, Box<dyn Error>> {
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
