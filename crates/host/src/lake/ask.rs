//! What Lake says of a project: where its modules are, and with which options, plugins and libraries a file of it is compiled.
//!
//! `lake env` and `lake setup-file --no-build` take from a tenth of a second to seconds, so they are asked once for each library root of a project as
//! it is (its lakefiles, manifest and toolchain), and the answers are kept in the cache folder.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use lean_worker::launch::Launcher;
use lean_worker::{CancelToken, Toolchain};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::LakeProject;
use super::library::{Library, Setup, source_folder};
use super::state::{lakefiles, precompiles, state};
use crate::bounded;

/// How long Lake may take for an answer if nobody says so. It elaborates a lakefile, and builds nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// What Lake ends with if something would have to be built first (`noBuildCode`), and it may not.
const NOT_BUILT: i32 = 3;
/// The header of a file that needs nothing built.
const NO_IMPORTS: &str = r#"{"imports":[],"isModule":false}"#;

/// Why Lake has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The toolchain has no `lake`, or it can't be started.
    #[error("{} can't be run ({error}): install that Lean again, or check with --no-project", lake.display())]
    NoLake {
        /// The program.
        lake: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It refuses the project.
    #[error("Lake refuses the project in {}: {said}", root.display())]
    Refused {
        /// The project.
        root: PathBuf,
        /// What Lake said.
        said: String,
    },
    /// It does not answer.
    #[error(
        "`lake {asked}` in {} has not answered within {} s: run `lake env true` there to see what it waits for, give it more time with --lake-timeout, or check with \
         --no-project", root.display(), limit.as_secs_f64()
    )]
    Late {
        /// The project.
        root: PathBuf,
        /// What was asked.
        asked: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It says something that is not understood.
    #[error("what `lake {asked}` says in {} is not understood ({error})", root.display())]
    Unknown {
        /// The project.
        root: PathBuf,
        /// What was asked.
        asked: &'static str,
        /// What is wrong with it.
        error: String,
    },
}

/// How Lake is asked.
#[derive(Clone, Debug)]
pub struct Asking {
    /// What it is started by, so that it ends with this process.
    pub launcher: Option<Launcher>,
    /// How long it may take for an answer.
    pub limit: Duration,
}

impl Default for Asking {
    /// Two minutes, and it is started by nothing.
    fn default() -> Self {
        Self { launcher: None, limit: PATIENCE }
    }
}

/// What is known of a project: what Lake said, for this state of it.
#[derive(Debug)]
pub struct Answers {
    root: PathBuf,
    lake: PathBuf,
    asking: Asking,
    /// What the project's lakefiles say.
    lakefiles: String,
    /// Whether something is loaded for modules that are imported: then no file's set-up stands for another's.
    precompiles: bool,
    known: Known,
    /// What is not the same for all files of a library, by header.
    of_headers: HashMap<(PathBuf, String), Setup>,
    /// Where the answers are kept; nowhere if it can't be written.
    kept: Option<PathBuf>,
    not_built: Vec<String>,
    asked: u64,
}

/// What is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    search_path: Vec<String>,
    libraries: Vec<Library>,
}

/// How a file is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSetup {
    /// For the worker, as JSON; the same text for files of a library. It names no module and no imports.
    pub setup: String,
    /// The parts of the name of its module; `None` if Lake does not know it as one.
    pub module: Option<Vec<String>>,
}

impl Answers {
    /// For the project as it is now. `cache` is where answers are kept.
    ///
    /// # Errors
    /// If Lake can't be run, does not answer, or refuses the project.
    pub fn new(
        project: &LakeProject,
        toolchain: &Toolchain,
        cache: Option<&Path>,
        asking: Asking,
    ) -> Result<Self, AskError> {
        let root = project.roots()[0].clone();
        let lake = toolchain.sysroot.join("bin").join(format!("lake{}", std::env::consts::EXE_SUFFIX));
        let kept = cache.map(|cache| cache.join(state(project, toolchain)).with_extension("json"));
        let known =
            kept.as_ref().and_then(|kept| serde_json::from_slice(&bounded::plain_file(kept).ok()?).ok());
        let lakefiles = lakefiles(&root);
        let precompiles = project.roots().iter().any(|root| precompiles(&super::state::lakefiles(root)));
        let mut answers = Self {
            root,
            lake,
            asking,
            lakefiles,
            precompiles,
            known: Known::default(),
            of_headers: HashMap::new(),
            kept,
            not_built: Vec::new(),
            asked: 0,
        };
        match known {
            Some(known) => answers.known = known,
            None => {
                answers.known.search_path = answers.search_path_by_lake()?;
                answers.keep();
            }
        }
        Ok(answers)
    }

    /// Folders with compiled modules, in the order in which Lake has Lean look there.
    #[must_use]
    pub fn search_path(&self) -> &[String] {
        &self.known.search_path
    }

    /// Modules that have to be built before all is as it should be, as far as Lake was asked.
    #[must_use]
    pub fn not_built(&self) -> &[String] {
        &self.not_built
    }

    /// How often Lake was asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// How `file`, a path in the project, is to be checked, whose header is `header`.
    ///
    /// # Errors
    /// If Lake has no answer.
    pub fn of_file(&mut self, file: &Path, header: &str) -> Result<FileSetup, AskError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let may_be_root = self.may_be_root(&file);
        let library = match self.known.libraries.iter().find(|library| library.has(&file, may_be_root)) {
            Some(library) => library.clone(),
            None => {
                let library = self.ask(&file)?;
                // What is typed in stands for no file.
                if file.is_file() {
                    self.known.libraries.push(library.clone());
                    self.keep();
                }
                library
            }
        };
        let module = library.module(&file);
        if library.is_plain {
            return Ok(FileSetup { setup: library.setup.text(), module });
        }
        let key = (library.below, header.to_owned());
        if let Some(setup) = self.of_headers.get(&key) {
            return Ok(FileSetup { setup: setup.text(), module });
        }
        let setup = match file.is_file().then(|| self.setup_file(&file, None)).transpose() {
            Ok(Some(Said::Setup(setup))) => setup.without(&["name", "imports"]),
            Ok(Some(Said::NotBuilt) | None) | Err(AskError::Refused { .. }) => library.setup,
            Err(error) => return Err(error),
        };
        let text = setup.text();
        self.of_headers.insert(key, setup);
        Ok(FileSetup { setup: text, module })
    }

    /// What Lake says of the library that `file` is in.
    fn ask(&mut self, file: &Path) -> Result<Library, AskError> {
        let mut is_half = !file.is_file();
        let header = is_half.then_some(NO_IMPORTS);
        let setup = match self.setup_file(file, header) {
            Ok(Said::Setup(setup)) => setup,
            Err(error) if !(matches!(error, AskError::Refused { .. }) && header.is_none()) => {
                return Err(error);
            }
            // Then what it imports is left out: nothing has to be built for the options, and what is wrong with an import Lean says.
            Ok(Said::NotBuilt) | Err(_) => match self.setup_file(file, Some(NO_IMPORTS))? {
                Said::Setup(setup) => {
                    is_half = true;
                    setup
                }
                Said::NotBuilt => {
                    let said =
                        "something has to be built before files can be checked: run `lake build`".to_owned();
                    return Err(AskError::Refused { root: self.root.clone(), said });
                }
            },
        };
        let is_plain = !is_half
            && !self.precompiles
            && setup.is_plain(&self.known.search_path, self.lake.parent().and_then(Path::parent));
        let source_folder = setup.module().and_then(|name| source_folder(file, &name));
        let below = match &source_folder {
            Some((folder, first)) => folder.join(first),
            None if self.may_be_root(file) || setup.module().is_some() => file.to_owned(),
            // What is in no library has its folder's options.
            None => file.parent().unwrap_or(&self.root).to_owned(),
        };
        Ok(Library {
            below,
            source_folder: source_folder.map(|(folder, _)| folder),
            setup: setup.without(&["name", "imports", "importArts", "isModule"]),
            is_plain,
            is_half,
        })
    }

    /// Whether Lake may take the file for something else than others of its folder: the lakefile, and what a lakefile names, which may be a library's root.
    fn may_be_root(&self, file: &Path) -> bool {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        stem == "lakefile" || self.lakefiles.contains(&*stem)
    }

    fn setup_file(&mut self, file: &Path, header: Option<&str>) -> Result<Said, AskError> {
        let mut command = self.command(&["setup-file", "--no-build"]);
        command.arg(file).args(header);
        let output = self.run("setup-file", command)?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        if output.status.code() == Some(NOT_BUILT) {
            if header.is_none() {
                self.note_what_is_not_built(&stdout, file);
            }
            return Ok(Said::NotBuilt);
        }
        if !output.status.success() {
            return Err(self.refused(&output));
        }
        let unknown =
            |error: String| AskError::Unknown { root: self.root.clone(), asked: "setup-file", error };
        let fields: Map<String, Value> =
            serde_json::from_str(stdout.trim()).map_err(|error| unknown(error.to_string()))?;
        match fields.get("setupOptions") {
            // So said Lake before Lean 4.22.
            Some(options) => {
                Ok(Said::Setup(Setup(Map::from_iter([("options".to_owned(), options.clone())]))))
            }
            None => Ok(Said::Setup(Setup(fields))),
        }
    }

    /// Newer ones name the imports; of older ones it is known only that there is something.
    fn note_what_is_not_built(&mut self, stdout: &str, file: &Path) {
        let stale: Value = serde_json::from_str(stdout.trim()).unwrap_or_default();
        let named = stale["directImports"].as_array().into_iter().flatten();
        let mut names: Vec<String> =
            named.filter_map(|import| import["module"].as_str().map(str::to_owned)).collect();
        if names.is_empty() {
            names.push(format!("what {} imports", file.display()));
        }
        for name in names {
            if !self.not_built.contains(&name) {
                self.not_built.push(name);
            }
        }
    }

    fn search_path_by_lake(&mut self) -> Result<Vec<String>, AskError> {
        let output = self.run("env", self.command(&["env", "printenv", "LEAN_PATH"]))?;
        if !output.status.success() {
            return Err(self.refused(&output));
        }
        let path = String::from_utf8(output.stdout).map_err(|_| AskError::Unknown {
            root: self.root.clone(),
            asked: "env",
            error: "a folder whose name is not UTF-8, which Lean needs".to_owned(),
        })?;
        let folders = std::env::split_paths(path.trim_end_matches(['\r', '\n']));
        let folders = folders.filter(|folder| !folder.as_os_str().is_empty());
        Ok(folders.map(|folder| self.root.join(folder).to_string_lossy().into_owned()).collect())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Launcher::ending_with_us(self.asking.launcher.as_ref(), &self.lake);
        command.args(args).current_dir(&self.root);
        // Those of another toolchain, if we were started by its Lake.
        for name in ["LEAN_SYSROOT", "LEAN", "LAKE", "LAKE_HOME", "ELAN_TOOLCHAIN"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&mut self, asked: &'static str, command: Command) -> Result<Output, AskError> {
        self.asked += 1;
        let no_lake = |error| AskError::NoLake { lake: self.lake.clone(), error };
        // A launcher would say it in other words.
        fs::metadata(&self.lake).map_err(no_lake)?;
        let limit = self.asking.limit;
        match lean_worker::launch::output(command, limit, &CancelToken::new()) {
            Ok(output) => output.ok_or_else(|| AskError::Late { root: self.root.clone(), asked, limit }),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(AskError::Unknown { root: self.root.clone(), asked, error: error.to_string() })
            }
            Err(error) => Err(no_lake(error)),
        }
    }

    fn refused(&self, output: &Output) -> AskError {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let said = if said.is_empty() { format!("it ended with {}", output.status) } else { said };
        AskError::Refused { root: self.root.clone(), said }
    }

    /// Who comes at the same time says the same, so the last one wins. What can't be kept is asked again.
    fn keep(&self) {
        let Some(kept) = &self.kept else { return };
        let whole = self.known.libraries.iter().filter(|library| !library.is_half).cloned().collect();
        let known = Known { search_path: self.known.search_path.clone(), libraries: whole };
        let write = || {
            let folder = kept.parent()?;
            fs::create_dir_all(folder).ok()?;
            let part = kept.with_extension(format!("{}.part", std::process::id()));
            fs::write(&part, serde_json::to_vec(&known).ok()?).ok()?;
            fs::rename(&part, kept).ok()
        };
        let _ = write();
    }
}

enum Said {
    Setup(Setup),
    NotBuilt,
}
