//! What an import list becomes: an environment of some size, or an error.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::modules::{self, File, Module, Traits};
use super::outcome::{Facts, Thrown};

/// What `leanpool_import` is asked for.
pub(super) struct Request {
    pub(super) sysroot: String,
    pub(super) paths: Vec<String>,
    pub(super) imports: Vec<String>,
    pub(super) is_module: bool,
    pub(super) load_extensions: bool,
    pub(super) shared: bool,
    pub(super) pinned: bool,
}

/// Modules with what belongs to them, and their constants. Measured for those in LEAN.md's table and the transcript;
/// of the others what matters is the order of their sizes.
const LIBRARY: [(&str, u64, u64); 7] = [
    ("Init", 502, 44_973),
    ("Lean", 1826, 145_494),
    ("Std", 1000, 80_000),
    ("Batteries", 1268, 114_355),
    ("Init.Core", 10, 2000),
    ("Init.Prelude", 1, 1000),
    ("Lean.Data.Json", 700, 60_000),
];
/// `Init` as a file sees it that begins with `module`.
const INIT_FOR_MODULES: (u64, u64) = (501, 41_969);
/// First components that the toolchain has, so that what is missing below them is a missing file.
const PREFIXES: [&str; 4] = ["Init", "Lean", "Std", "Batteries"];
/// Constants of any other module.
const CONSTANTS_OF_A_SMALL_MODULE: u64 = 10;
/// A toolchain that is not there.
const NO_SYSROOT: &str = "/no/such";

/// The epoch before any import.
const FIRST_EPOCH: u64 = 369;

static SHARED_MODULES: AtomicU64 = AtomicU64::new(0);

pub(super) fn epoch() -> u64 {
    FIRST_EPOCH + modules::grown()
}

/// Modules that are kept read: as many as the largest import had that shared them.
pub(super) fn shared_modules() -> u64 {
    SHARED_MODULES.load(SeqCst)
}

pub(super) fn import(request: &Request) -> Result<Facts, Thrown> {
    let names: Vec<_> = request.imports.iter().map(|words| module_name(words)).collect();
    if names.iter().any(|name| is_anonymous(name)) {
        return Err(Thrown::user_error("import failed, trying to import module with anonymous name"));
    }
    let (mut modules, mut constants) = (0, 0);
    let (mut small, mut seen) = (Vec::new(), BTreeSet::new());
    for name in names.iter().filter(|name| seen.insert(**name)) {
        match find(request, name)? {
            Found::Library(its_modules, its_constants) => {
                modules = modules.max(its_modules);
                constants = constants.max(its_constants);
            }
            Found::Small(module) => {
                small.push(module);
                constants = constants.max(CONSTANTS_OF_A_SMALL_MODULE);
            }
        }
    }
    if request.is_module && request.imports == ["public Init"] {
        (modules, constants) = INIT_FOR_MODULES;
    }
    modules += small.len() as u64;
    if request.shared {
        modules::share(&small)?;
        SHARED_MODULES.fetch_max(modules, SeqCst);
    }
    // After everything was read, and in order: what one registers stays, also if the next one throws.
    if request.load_extensions {
        modules::initialise(&small)?;
    }
    Ok(Facts { modules, constants, epoch: epoch() })
}

/// The last word, as the package takes it; the words before it change nothing that the model tells apart.
fn module_name(words: &str) -> &str {
    words.split(' ').rfind(|word| !word.is_empty()).unwrap_or("")
}

/// Whether Lean's `String.toName` makes the anonymous name of it.
fn is_anonymous(name: &str) -> bool {
    name.split('.').any(str::is_empty) || name.contains(['\0', '/'])
}

enum Found {
    Library(u64, u64),
    /// One module that brings no others.
    Small(Module),
}

fn find(request: &Request, name: &str) -> Result<Found, Thrown> {
    let unknown_prefix = || {
        let first = name.split('.').next().unwrap_or(name);
        let library = format!("{}/lib/lean", request.sysroot);
        let entries: Vec<_> = request.paths.iter().chain([&library]).map(String::as_str).collect();
        Thrown::user_error(&format!(
            "unknown module prefix '{first}'\n\nNo directory '{first}' or file '{first}.olean' in the search path \
             entries:\n{}",
            entries.join("\n")
        ))
    };
    if request.sysroot == NO_SYSROOT {
        return Err(unknown_prefix());
    }
    if let Some((_, modules, constants)) = LIBRARY.iter().find(|(known, ..)| *known == name) {
        return Ok(Found::Library(*modules, *constants));
    }
    let file = format!("{}.olean", name.replace('.', "/"));
    let found = request.paths.iter().find_map(|path| File::read(Path::new(path).join(&file)));
    if let Some(file) = found {
        let traits = Traits::read(file.text());
        return Ok(Found::Small(Module { name: name.to_owned(), file: Some(file), traits }));
    }
    if let Some(traits) = traits_of_the_model(name) {
        return Ok(Found::Small(Module { name: name.to_owned(), file: None, traits }));
    }
    if PREFIXES.iter().any(|prefix| name.split('.').next() == Some(prefix)) {
        return Err(Thrown::user_error(&format!(
            "object file '{}/lib/lean/{file}' of module {name} does not exist",
            request.sysroot
        )));
    }
    Err(unknown_prefix())
}

/// What is known of a module that needs no file; `None` if there is none of that name.
fn traits_of_the_model(name: &str) -> Option<Traits> {
    let is_numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if name.starts_with("Model.Extends") {
        return Some(Traits { initialises: true, extends: true, throws: None });
    }
    if let Some(tag) = throws(name) {
        let throws = Some((tag, format!("thrown by the model (tag {tag})")));
        return Some(Traits { initialises: true, extends: false, throws });
    }
    name.strip_prefix("Model.M").is_some_and(is_numbered).then(Traits::default)
}

/// The constructor of `IO.Error` that the module's initialiser throws.
fn throws(name: &str) -> Option<u8> {
    name.strip_prefix("Model.Throws.")?.parse().ok().filter(|tag| *tag <= lean_sys::LeanMaxCtorTag)
}
