//! What the process remembers of modules: which file was read under which path, what each name stands for, whose initialisers
//! ran, and whose failed. As `lean/LeanpoolBackend/Import.lean` keeps it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::outcome::Thrown;

/// A module that an import has found.
#[derive(Clone, Debug, Default)]
pub(super) struct Module {
    pub(super) name: String,
    /// `None` for those that the model knows without a file.
    pub(super) file: Option<File>,
    pub(super) traits: Traits,
}

/// A file, and which state of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    path: PathBuf,
    modified: Option<SystemTime>,
    text: String,
    /// What Lake noted of its contents beside it.
    hash: Option<String>,
}

/// What a module does when it is imported with extensions for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// It has declarations with `initialize`.
    pub(super) initialises: bool,
    /// One of them registers an environment extension.
    pub(super) extends: bool,
    /// One of them throws the `IO.Error` with this constructor and message.
    pub(super) throws: Option<(u8, String)>,
}

impl Traits {
    /// What the text of a file of the model says, a line each: `initialises`, `extends`, `throws WORDS`.
    pub(super) fn read(text: &str) -> Self {
        let extends = text.lines().any(|line| line == "extends");
        let throws = text.lines().find_map(|line| Some((18, line.strip_prefix("throws ")?.to_owned())));
        let initialises = extends || throws.is_some() || text.lines().any(|line| line == "initialises");
        Self { initialises, extends, throws }
    }
}

impl File {
    pub(super) fn read(path: PathBuf) -> Option<Self> {
        let hash = fs::read_to_string(path.with_extension("olean.hash")).ok();
        let modified = fs::metadata(&path).ok()?.modified().ok();
        let bytes = fs::read(&path).ok()?;
        Some(Self { path, modified, text: String::from_utf8_lossy(&bytes).into_owned(), hash })
    }

    /// Whether it is as it was, or was only touched.
    fn is_same(&self, before: &Self) -> bool {
        let is_untouched = self.modified == before.modified;
        let is_noted = self.hash.is_some() && self.hash == before.hash;
        self.path == before.path && self.text.len() == before.text.len() && (is_untouched || is_noted)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

struct Known {
    file: Option<File>,
    initialises: bool,
    ran: bool,
    spoiled: Option<String>,
}

#[derive(Default)]
struct Table {
    /// By path: what was read for imports that share regions.
    read: BTreeMap<PathBuf, File>,
    /// By name: what an import with extensions had.
    known: BTreeMap<String, Known>,
    /// Extensions registered, and modules whose initialisers ran.
    grown: u64,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn with_table<T>(look: impl FnOnce(&mut Table) -> T) -> T {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    look(table.get_or_insert_with(Table::default))
}

/// By how much the epoch has grown.
pub(super) fn grown() -> u64 {
    with_table(|table| table.grown)
}

/// Keeps what was read, or refuses what differs from it.
pub(super) fn share(modules: &[Module]) -> Result<(), Thrown> {
    with_table(|table| {
        for Module { name, file, .. } in modules {
            let Some(file) = file else { continue };
            match table.read.get(&file.path) {
                Some(before) if !file.is_same(before) => {
                    return Err(Thrown::user_error(&format!(
                        "'{}' of module {name} changed since this process read it: restart the process",
                        file.path.display()
                    )));
                }
                Some(_) => {}
                None => drop(table.read.insert(file.path.clone(), file.clone())),
            }
        }
        Ok(())
    })
}

/// Refuses modules that are known by another file, if initialisers matter in either, and those whose initialisers failed; then
/// runs the initialisers of those that are new.
pub(super) fn initialise(modules: &[Module]) -> Result<(), Thrown> {
    with_table(|table| {
        modules.iter().try_for_each(|module| table.admit(module))?;
        for Module { name, file, traits } in modules {
            let known = table.known.entry(name.clone()).or_insert_with(|| Known {
                file: file.clone(),
                initialises: false,
                ran: false,
                spoiled: None,
            });
            known.file.clone_from(file);
            known.initialises |= traits.initialises;
        }
        modules.iter().try_for_each(|module| table.run(module))
    })
}

impl Table {
    fn admit(&self, Module { name, file, traits }: &Module) -> Result<(), Thrown> {
        let Some(known) = self.known.get(name) else { return Ok(()) };
        if let Some(why) = &known.spoiled {
            return Err(Thrown::user_error(&format!(
                "module {name} cannot be imported with extensions any more, because its initialisers failed in this process and \
                 would be passed over: restart the process ({why})"
            )));
        }
        let (Some(old), Some(new)) = (&known.file, file) else { return Ok(()) };
        if new.is_same(old) || !(known.initialises || traits.initialises) {
            return Ok(());
        }
        let (old, new) = (old.path.display(), new.path.display());
        let what = if old.to_string() == new.to_string() {
            format!("'{new}' of module {name} changed since it was imported from '{old}'")
        } else {
            format!("module {name} was imported from '{old}', and cannot be from '{new}', too")
        };
        Err(Thrown::user_error(&format!(
            "{what}, because initialisers run once a process for each name: restart the process, or import without extensions"
        )))
    }

    /// Lean marks a module before it runs its initialisers, so one that throws counts, too.
    fn run(&mut self, Module { name, traits, .. }: &Module) -> Result<(), Thrown> {
        let Some(known) = self.known.get_mut(name).filter(|known| traits.initialises && !known.ran) else {
            return Ok(());
        };
        known.ran = true;
        self.grown += 1 + u64::from(traits.extends);
        if let Some((tag, message)) = traits.throws.clone() {
            known.spoiled = Some(message.clone());
            return Err(Thrown { tag, message });
        }
        Ok(())
    }
}
