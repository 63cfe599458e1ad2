//! Where a file is checked: in which project, with which Lean, in which set-up, under which module's name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use lean_worker::building::BuildError;
use lean_worker::{Header, Places, Surroundings, Toolchain, ToolchainError, name_parts};

use crate::bounded;
use crate::lake::{Answers, AskError, Asking, LakeError, LakeProject};

/// Which project files belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Belongs {
    /// Each to the nearest folder upwards with a lakefile, if there is one.
    #[default]
    ToNearest,
    /// All to this one.
    To(PathBuf),
    /// None to any.
    ToNone,
}

/// What holds for all files.
#[derive(Clone, Debug, Default)]
pub struct SiteOptions {
    /// Which project files belong to.
    pub belongs: Belongs,
    /// Further folders of compiled modules.
    pub paths: Vec<PathBuf>,
    /// Options of Lean, `name=value`.
    pub options: Vec<String>,
    /// A file with a set-up as `lean --setup` takes it, instead of what Lake says.
    pub setup: Option<PathBuf>,
    /// A file's module is named by its path below this; by default below the working folder, or as Lake says.
    pub root: Option<PathBuf>,
    /// Where Lake's answers are kept.
    pub answers: Option<PathBuf>,
    /// How Lake is asked.
    pub asking: Asking,
}

/// Why a file can't be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// There is no Lean.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// There is no worker for it.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The project is none.
    #[error(transparent)]
    Project(#[from] LakeError),
    /// Lake does not say what is needed.
    #[error(transparent)]
    Lake(#[from] AskError),
    /// The set-up can't be read.
    #[error("{}: {error}: give --setup a file as `lake setup-file` prints it", path.display())]
    Setup {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A file before this one could not be checked for the same reason.
    #[error("{0}")]
    Same(Arc<SiteError>),
    /// A folder has a name that Lean can't be given.
    #[error("{} is not UTF-8, which Lean needs: rename the folder", .0.display())]
    NotUtf8(PathBuf),
}

impl SiteError {
    /// Whether it is that there is no Lean, or no worker for it.
    #[must_use]
    pub fn is_no_lean(&self) -> bool {
        match self {
            Self::Same(error) => error.is_no_lean(),
            error => matches!(error, Self::Toolchain(_) | Self::Build(_)),
        }
    }
}

/// Where a file is checked.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it shares with other files.
    pub around: Arc<Surroundings>,
    /// The parts of the name of its module; none if it has no name.
    pub module: Vec<String>,
}

type Program<'p> = dyn FnMut(&Toolchain) -> Result<PathBuf, BuildError> + Send + 'p;

/// Finds the sites of files, and keeps what it has found out.
pub struct Sites<'p> {
    options: SiteOptions,
    places: Places,
    /// The worker program for a Lean; an empty path if none is needed.
    program: Box<Program<'p>>,
    /// What is wrong with one is looked at once, too.
    projects: HashMap<Option<PathBuf>, Result<Project, Arc<SiteError>>>,
    /// One for all files that have equal ones.
    known: Vec<Arc<Surroundings>>,
    setup: Option<(String, Vec<String>)>,
}

/// What files of a project have in common.
struct Project {
    toolchain: Toolchain,
    program: PathBuf,
    answers: Option<Answers>,
    /// When Lake last gave no answer in time.
    late: Option<(Instant, Arc<SiteError>)>,
    search_path: Vec<String>,
}

impl<'p> Sites<'p> {
    /// Nothing is looked at yet, but the set-up. `program` finds or builds the worker for a Lean, once for each.
    ///
    /// # Errors
    /// If there is a set-up that is none.
    pub fn new(
        options: SiteOptions,
        program: impl FnMut(&Toolchain) -> Result<PathBuf, BuildError> + Send + 'p,
    ) -> Result<Self, SiteError> {
        let setup = options.setup.as_ref().map(|path| read_setup(path)).transpose()?;
        Ok(Self {
            options,
            places: Places::from_env(),
            program: Box::new(program),
            projects: HashMap::new(),
            known: Vec::new(),
            setup,
        })
    }

    /// Where `file` is checked, which holds `text`. For a text that is no file: the folder's `<stdin>`.
    ///
    /// # Errors
    /// If it can't be checked.
    pub fn of(&mut self, file: &Path, text: &str) -> Result<Site, SiteError> {
        let root = match &self.options.belongs {
            Belongs::ToNearest => LakeProject::around(file)?.map(|project| project.roots()[0].clone()),
            Belongs::To(root) => Some(std::path::absolute(root).unwrap_or_else(|_| root.clone())),
            Belongs::ToNone => None,
        };
        let known = match self.projects.remove(&root) {
            Some(known) => known,
            None => self.open(root.as_deref()).map_err(Arc::new),
        };
        let project = match self.projects.entry(root.clone()).insert_entry(known).into_mut() {
            Ok(project) => project,
            Err(error) => return Err(SiteError::Same(error.clone())),
        };
        let (mut setup, mut module) = (None, None);
        if let Some((text, name)) = &self.setup {
            (setup, module) = (Some(text.clone()), Some(name.clone()));
        } else if let Some(answers) = &mut project.answers {
            let limit = self.options.asking.limit;
            if let Some((_, error)) = project.late.as_ref().filter(|(since, _)| since.elapsed() < limit) {
                return Err(SiteError::Same(error.clone()));
            }
            let said = match answers.of_file(file, &Header::of(text).to_string()) {
                Ok(said) => said,
                // It is not waited for once for each file; but a service asks again some day.
                Err(error @ AskError::Late { .. }) => {
                    let error = Arc::new(SiteError::Lake(error));
                    project.late = Some((Instant::now(), error.clone()));
                    return Err(SiteError::Same(error));
                }
                Err(error) => return Err(error.into()),
            };
            (setup, module) = (Some(said.setup), said.module);
        }
        let module = module.or_else(|| module_below(file, self.options.root.as_deref())).unwrap_or_default();
        let around = Surroundings {
            sysroot: project.toolchain.sysroot.clone(),
            worker: project.program.clone(),
            search_path: project.search_path.clone(),
            setup,
            options: self.options.options.clone(),
            project: root,
            stack_size: project.toolchain.stack_size(),
            saves_headers: project.toolchain.saves_headers(),
        };
        let around = match self.known.iter().find(|known| ***known == around) {
            Some(known) => known.clone(),
            None => {
                let around = Arc::new(around);
                self.known.push(around.clone());
                around
            }
        };
        Ok(Site { around, module })
    }

    /// The Lean for files of the project in `root`, or of none.
    ///
    /// # Errors
    /// If there is none.
    pub fn toolchain(&mut self, root: Option<&Path>) -> Result<Toolchain, SiteError> {
        Ok(self.places.toolchain(root)?)
    }

    /// What has to be built before all is as Lake would have it: folders of projects, and what Lake has named there.
    pub fn not_built(&self) -> impl Iterator<Item = (&Path, &[String])> {
        let projects = self.projects.iter().filter_map(|(root, project)| {
            Some((root.as_deref()?, project.as_ref().ok()?.answers.as_ref()?.not_built()))
        });
        projects.filter(|(_, names)| !names.is_empty())
    }

    fn open(&mut self, root: Option<&Path>) -> Result<Project, SiteError> {
        let toolchain = self.places.toolchain(root)?;
        let program = (self.program)(&toolchain)?;
        let answers = match root {
            // A set-up that is given stands for what Lake says.
            Some(root) if self.setup.is_none() => {
                let project = LakeProject::open(root)?;
                Some(Answers::new(
                    &project,
                    &toolchain,
                    self.options.answers.as_deref(),
                    self.options.asking.clone(),
                )?)
            }
            _ => None,
        };
        let from_lake =
            answers.as_ref().map(|answers| answers.search_path().iter().map(PathBuf::from).collect());
        // Lake has put those of LEAN_PATH behind its own.
        let first: Vec<PathBuf> = from_lake.unwrap_or_else(|| {
            let lean_path = std::env::var_os("LEAN_PATH").unwrap_or_default();
            std::env::split_paths(&lean_path).filter(|path| !path.as_os_str().is_empty()).collect()
        });
        // A worker may work in another folder.
        let all = first.into_iter().chain(self.options.paths.iter().cloned());
        let search_path = all
            .map(|path| {
                let path = std::path::absolute(&path).unwrap_or(path);
                path.to_str().map(str::to_owned).ok_or(SiteError::NotUtf8(path))
            })
            .collect::<Result<_, _>>()?;
        Ok(Project { toolchain, program, answers, late: None, search_path })
    }
}

/// What a file with a set-up says, and the parts of the name that it has for the module.
fn read_setup(path: &Path) -> Result<(String, Vec<String>), SiteError> {
    let wrong = |error: String| SiteError::Setup { path: path.to_owned(), error };
    // A pipe may be meant: `--setup <(lake setup-file …)`.
    let bytes = std::fs::File::open(path).and_then(|file| bounded::all_of(file, bounded::LARGEST));
    let text = bytes.and_then(bounded::text).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON ({error})")))?;
    let Some(name) = value["name"].as_str() else {
        return Err(wrong("it has no \"name\" of a module".to_owned()));
    };
    Ok((text.clone(), name_parts(name)))
}

/// The parts of the path of `file` below `root` (by default the working folder), without its ending; `None` if it is not there. The command `lean`
/// names the module by it.
fn module_below(file: &Path, root: Option<&Path>) -> Option<Vec<String>> {
    let folder = match root {
        Some(root) => root.canonicalize().ok()?,
        None => std::env::current_dir().ok()?.canonicalize().ok()?,
    };
    let file = file.canonicalize().ok()?;
    let path = file.strip_prefix(folder).ok()?.with_extension("");
    Some(path.iter().map(|part| part.to_string_lossy().into_owned()).collect())
}
