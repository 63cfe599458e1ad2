//! The exports of the package in `lean/`. Each releases every object that it is given, once, on every path.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use lean_sys::{lean_box, lean_object};

use super::answers;
use super::elaboration::{self, Text};
use super::given::Given;
use super::imports::{self, Request};
use super::outcome::Thrown;
use super::running::{self, Check, Import};
use super::runtime::{COMPLETE, PACKAGE, require, require_world, step};
use super::violation::violation;
use super::{header, objects};

static VERSION: Mutex<Cow<'static, str>> = Mutex::new(Cow::Borrowed("4.27.0"));

pub(super) fn set_version(version: &str) {
    *VERSION.lock().unwrap_or_else(PoisonError::into_inner) = Cow::Owned(version.to_owned());
}

static SHARES: AtomicBool = AtomicBool::new(true);

pub(super) fn set_shares_regions(shares: bool) {
    SHARES.store(shares, SeqCst);
}

/// The result of an `IO` function that returns what `make` makes of a value.
fn io<T>(outcome: Result<T, Thrown>, make: impl FnOnce(T) -> *mut lean_object) -> *mut lean_object {
    match outcome {
        Ok(value) => objects::ok(make(value)),
        Err(Thrown { tag, message }) => objects::thrown(tag, &message),
    }
}

#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "Lake makes it of the names of package and library")]
pub(super) extern "C" fn initialize_leanpool_LeanpoolBackend(
    builtin: u8,
    world: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "initialize_leanpool_LeanpoolBackend";
    step(1);
    require_world(NAME, world);
    if builtin != 1 {
        violation(&format!("{NAME}: expected 1 as builtin, found {builtin}"));
    }
    objects::ok(lean_box(0))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_version(world: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "leanpool_version";
    require(NAME, PACKAGE);
    require_world(NAME, world);
    objects::ok(objects::string(&VERSION.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_import(
    sysroot: *mut lean_object,
    paths: *mut lean_object,
    imports: *mut lean_object,
    is_module: u8,
    load_exts: u8,
    shared: u8,
    pinned: u8,
    world: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "leanpool_import";
    require(NAME, COMPLETE);
    let _running = Import::begin();
    let sysroot = Given::string(NAME, sysroot);
    let paths = Given::array(NAME, paths);
    let imports = Given::array(NAME, imports);
    require_world(NAME, world);
    let request = Request {
        sysroot: sysroot.text(),
        paths: paths.texts(),
        imports: imports.texts(),
        is_module: boolean(NAME, is_module),
        load_extensions: boolean(NAME, load_exts),
        shared: boolean(NAME, shared) && SHARES.load(SeqCst),
        pinned: boolean(NAME, pinned),
    };
    running::linger();
    io(imports::import(&request), |facts| objects::environment(facts, request.pinned))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_shares_regions(world: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "leanpool_shares_regions";
    require(NAME, COMPLETE);
    require_world(NAME, world);
    objects::ok(lean_box(SHARES.load(SeqCst).into()))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_shared_modules(world: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "leanpool_shared_modules";
    require(NAME, COMPLETE);
    require_world(NAME, world);
    objects::ok(objects::boxed_u64(imports::shared_modules()))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_environment_modules(env: *mut lean_object) -> u64 {
    const NAME: &str = "leanpool_environment_modules";
    require(NAME, COMPLETE);
    let (_env, facts) = Given::environment(NAME, env);
    facts.modules
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_environment_constants(env: *mut lean_object) -> u64 {
    const NAME: &str = "leanpool_environment_constants";
    require(NAME, COMPLETE);
    let (_env, facts) = Given::environment(NAME, env);
    facts.constants
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_extension_epoch(world: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "leanpool_extension_epoch";
    require(NAME, COMPLETE);
    require_world(NAME, world);
    objects::ok(objects::boxed_u64(imports::epoch()))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_declaration_kind(env: *mut lean_object, name: *mut lean_object) -> u8 {
    const NAME: &str = "leanpool_declaration_kind";
    require(NAME, COMPLETE);
    let (_env, facts) = Given::environment(NAME, env);
    answers::declaration_kind(facts, &Given::string(NAME, name).text())
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_declaration_type(
    env: *mut lean_object,
    name: *mut lean_object,
    world: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "leanpool_declaration_type";
    require(NAME, COMPLETE);
    let (_env, facts) = Given::environment(NAME, env);
    let name = Given::string(NAME, name);
    require_world(NAME, world);
    io(answers::declaration_type(facts, &name.text()), |text| objects::string(&text))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_declarations(
    env: *mut lean_object,
    root: *mut lean_object,
    limit: u64,
) -> *mut lean_object {
    const NAME: &str = "leanpool_declarations";
    require(NAME, COMPLETE);
    let (_env, facts) = Given::environment(NAME, env);
    let root = Given::string(NAME, root);
    objects::strings(&answers::declarations(facts, &root.text(), limit))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_header(
    source: *mut lean_object,
    file_name: *mut lean_object,
    world: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "leanpool_header";
    require(NAME, COMPLETE);
    let source = Given::string(NAME, source);
    let file_name = Given::string(NAME, file_name);
    require_world(NAME, world);
    io(header::header(&source.text(), &file_name.text()), |words| objects::strings(&words))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_cancel_token_new(world: *mut lean_object) -> *mut lean_object {
    const NAME: &str = "leanpool_cancel_token_new";
    require(NAME, COMPLETE);
    require_world(NAME, world);
    objects::ok(objects::cancel_token())
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_cancel_token_set(
    token: *mut lean_object,
    world: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "leanpool_cancel_token_set";
    require(NAME, COMPLETE);
    let (_token, flag) = Given::cancel_token(NAME, token);
    require_world(NAME, world);
    flag.store(true, SeqCst);
    objects::ok(lean_box(0))
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn leanpool_check(
    env: *mut lean_object,
    file_name: *mut lean_object,
    module_path: *mut lean_object,
    source: *mut lean_object,
    max_heartbeats: u64,
    token: *mut lean_object,
    world: *mut lean_object,
) -> *mut lean_object {
    const NAME: &str = "leanpool_check";
    require(NAME, COMPLETE);
    let _running = Check::begin();
    let (_env, facts) = Given::environment(NAME, env);
    let _file_name = Given::string(NAME, file_name);
    let module_path = Given::string(NAME, module_path);
    let source = Given::string(NAME, source);
    let (_token, flag) = Given::cancel_token(NAME, token);
    require_world(NAME, world);
    let (module_path, source) = (module_path.text(), source.text());
    let text = Text { module_path: &module_path, source: &source, max_heartbeats };
    objects::ok(objects::string(&elaboration::check(facts, &text, &flag)))
}

/// A `Bool`, which is 0 or 1.
fn boolean(function: &str, value: u8) -> bool {
    match value {
        0 => false,
        1 => true,
        _ => violation(&format!("{function}: expected a Bool, found {value}")),
    }
}
