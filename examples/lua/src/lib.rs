//! Lua states that take long to load, kept by their script. They are not `Send`: a pool for each thread. What the
//! threads share is the bytecode. Copy what you need; `main.rs` uses it from threads and from tasks.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlua::{ChunkMode, Function, Lua, LuaOptions, StdLib};
use pool_core::capacity::{Both, MaxIdleWeight, MaxLive};
use pool_core::{AcquireError, Health, Hooks, local, sync};

// ANCHOR: key
/// The file of a script. Looked up by `&Path`, without allocating.
pub type Key = PathBuf;
// ANCHOR_END: key

// ANCHOR: compiled
/// Bytecode, compiled once for all threads.
pub type Compiled = sync::Pool<Key, Arc<[u8]>, Hooks<Arc<[u8]>, Error>>;

/// The bytecode of at most `most` scripts. Leases of a script share it: who asks while it is being compiled waits for that.
#[must_use]
pub fn compiled(most: u64) -> Compiled {
    let hooks = Hooks::new().weight(|code: &Arc<[u8]>| code.len() as u64);
    sync::Pool::hooks_builder(hooks).capacity(MaxLive(most)).shared().build()
}

fn compile(path: &Key) -> Result<Arc<[u8]>, Error> {
    let (source, lua) = (std::fs::read(path)?, Lua::new_with(StdLib::NONE, LuaOptions::default())?);
    let chunk = lua.load(source).set_name(format!("@{}", path.display())).set_mode(ChunkMode::Text);
    Ok(chunk.into_function()?.dump(false).into())
}
// ANCHOR_END: compiled

// ANCHOR: pool
/// The type is mlua's own: hooks tell the pool what it must know.
pub type States = local::Pool<Key, Lua, Hooks<Lua, Error>>;

/// At most `most` states at a time. Those that are idle have at most `idle_bytes`, as Lua itself counts them.
#[must_use]
pub fn states(most: u64, idle_bytes: u64) -> States {
    let hooks = Hooks::new().reset(reset).weight(|lua: &Lua| lua.used_memory() as u64);
    local::Pool::hooks_builder(hooks).capacity(Both(MaxLive(most), MaxIdleWeight(idle_bytes))).build()
}

/// A state that has run its script. A lease uses it through `&Lua`: what outlives the lease (a clone of the state, a function)
/// would still reach it.
///
/// # Errors
/// The script can't be read, is no Lua, or raised an error.
pub fn load(compiled: &Compiled, path: &Path) -> Result<Lua, Error> {
    let code = compiled.acquire(path, compile)?;
    let lua = Lua::new_with(StdLib::MATH | StdLib::STRING | StdLib::TABLE, LuaOptions::default())?;
    // Lua does not verify bytecode: load none that others made.
    lua.load(&code[..]).set_mode(ChunkMode::Binary).exec()?;
    let restore: Function = lua.load(include_str!("restore.lua")).call(())?;
    lua.set_named_registry_value(RESTORE, restore)?;
    lua.gc_collect()?; // so that it weighs what it keeps
    Ok(lua)
}

const RESTORE: &str = "restore";

/// At each return: all that can be reached from the globals becomes what it was after the load. Takes time in proportion to
/// that. See `restore.lua` for what it can't reach.
fn reset(lua: &mut Lua) -> Health {
    lua.gc_restart();
    let restored = lua.named_registry_value::<Function>(RESTORE).and_then(|restore| restore.call::<()>(()));
    match restored.and_then(|()| lua.gc_collect()) {
        Ok(()) => Health::Reusable,
        Err(_) => Health::Broken,
    }
}
// ANCHOR_END: pool

// ANCHOR: error
/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The script can't be read.
    #[error("the script can't be read")]
    Read(#[from] std::io::Error),
    /// The script is no Lua (`mlua::Error::SyntaxError`), or it, or a call, raised an error (`RuntimeError`, `CallbackError`).
    #[error(transparent)]
    Lua(#[from] mlua::Error),
    /// There is no state, or no bytecode. The message of the pool says for which script, and what to do.
    #[error(transparent)]
    Acquire(#[from] AcquireError<Error>),
}

impl Error {
    /// What Lua said: to a call, to the load of a state, or to the compiler. `None` if it was not Lua.
    #[must_use]
    pub fn lua(&self) -> Option<&mlua::Error> {
        match self {
            Self::Lua(error) => Some(error),
            Self::Acquire(error) => error.open_error()?.lua(),
            Self::Read(_) => None,
        }
    }
}
// ANCHOR_END: error
