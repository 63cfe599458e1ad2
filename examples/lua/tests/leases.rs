//! Risk: what one lease does to a state is seen by the next; or a script that is wrong spoils the pool, or is an error that nobody
//! can tell from others.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use lua_pool_example::{Compiled, Error, States, compiled, load, states};
use mlua::{Function, Lua};
use pool_core::AcquireError;
use pool_core::local::Lease;
use tempfile::TempDir;

struct Site {
    folder: TempDir,
    compiled: Compiled,
    states: States,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), compiled: compiled(8), states: states(2, 64 << 20) }
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs `chunk` in a state of the script.
    fn run<T: mlua::FromLuaMulti>(&self, script: &Path, chunk: &str) -> Result<T, Error> {
        let lua = self.states.acquire(script, |path| load(&self.compiled, path))?;
        Ok(lua.load(chunk).eval()?)
    }

    fn assert_books(&self) {
        let stats = self.states.stats();
        assert_eq!((stats.usage.leased, stats.usage.opening), (0, 0));
        assert_eq!(stats.acquired(), stats.ended());
        assert_eq!(stats.opened(), stats.usage.idle + stats.dropped().total());
        self.states.assert_sound();
    }
}

const SCRIPT: &str = "
    counter = 0
    settings = { deep = { colour = 'blue' } }
    class = setmetatable({}, { __index = function() return 'found' end })
    function count() counter = counter + 1; return counter end
";

#[test]
fn what_one_lease_changes_the_next_does_not_see() {
    let site = Site::new();
    let script = site.script("a.lua", SCRIPT);
    // Each changes something, and answers what it was before.
    for change in [
        "return count()",
        "local was = leaked; leaked = 1; return was",
        "local was = settings.deep.colour; settings.deep.colour = 'red'; return was",
        "local was = settings.deep; settings.deep = nil; return was ~= nil",
        "local was = class.any; setmetatable(class, nil); return was",
        "local was = getmetatable(class).__index(); getmetatable(class).__index = print; return was",
        "local was = string.rep('ab', 2); string.rep = print; return was",
        "local was = ('ab'):rep(2); getmetatable('').__index = nil; return was",
        "local was = getmetatable(_G); setmetatable(_G, { __index = function() return 1 end, __newindex = print }); return was",
        "local was = type(print); print = nil; setmetatable = nil; next = nil; return was",
        "local was = collectgarbage('isrunning'); collectgarbage('stop'); return was",
    ] {
        let answers = [0, 1, 2].map(|_| site.run::<mlua::Value>(&script, change).unwrap());
        let texts = answers.map(|answer| answer.to_string().unwrap());
        assert!(texts[0] == texts[1] && texts[1] == texts[2], "{change}: {texts:?}");
    }
    assert_eq!(site.states.stats().opened(), 1, "all of that in one state");
    site.assert_books();
}

#[test]
fn a_state_that_can_not_be_made_what_it_was_is_dropped() {
    let site = Site::new();
    let script = site.script("a.lua", SCRIPT);
    let protect = "setmetatable(class, { __metatable = 'mine' }); return 1";
    assert_eq!(site.run::<u32>(&script, protect).unwrap(), 1);
    assert_eq!((site.states.len(), site.states.stats().released_dropped()), (0, 1));
    assert_eq!(site.run::<String>(&script, "return class.any").unwrap(), "found");
    site.assert_books();
}

#[test]
fn a_script_that_is_no_lua_is_a_syntax_error_with_its_file_and_line() {
    let site = Site::new();
    let (bad, good) = (site.script("bad.lua", "x = 1\nx = = 2"), site.script("good.lua", SCRIPT));
    for _ in 0..2 {
        let error = site.run::<u32>(&bad, "return 1").unwrap_err();
        let Some(mlua::Error::SyntaxError { message, .. }) = error.lua() else { panic!("{error:?}") };
        assert!(message.contains("bad.lua:2:"), "{message}");
        assert!(error.to_string().contains("bad.lua"), "{error}");
    }
    assert_eq!((site.states.stats().opens_failed, site.compiled.stats().opens_failed), (2, 2));
    assert_eq!(site.run::<u32>(&good, "return count()").unwrap(), 1);
    site.assert_books();
}

#[test]
fn a_script_that_raises_when_it_is_loaded_is_a_runtime_error() {
    let site = Site::new();
    let script = site.script("a.lua", "error('no configuration')");
    let error = site.run::<u32>(&script, "return 1").unwrap_err();
    assert!(
        matches!(error.lua(), Some(mlua::Error::RuntimeError(text)) if text.contains("no configuration"))
    );
    assert!(matches!(error, Error::Acquire(AcquireError::Open { .. })), "{error:?}");
    assert_eq!(site.states.usage().live(), 0);
    site.assert_books();
}

#[test]
fn a_call_that_raises_half_way_leaves_the_state_as_it_was() {
    let site = Site::new();
    let script = site.script("a.lua", SCRIPT);
    for _ in 0..2 {
        let error = site.run::<u32>(&script, "counter = 7; string = nil; error('half-way')").unwrap_err();
        assert!(matches!(error, Error::Lua(mlua::Error::RuntimeError(_))), "{error:?}");
    }
    assert_eq!(site.run::<u32>(&script, "return count() + string.len('')").unwrap(), 1);
    assert_eq!((site.states.stats().opened(), site.states.stats().reused), (1, 2));
    site.assert_books();
}

#[test]
fn a_script_that_is_not_there_is_an_error_that_says_which() {
    let site = Site::new();
    let error = site.run::<u32>(Path::new("no/such.lua"), "return 1").unwrap_err();
    assert!(error.lua().is_none() && error.to_string().contains("no/such.lua"), "{error}");
    site.assert_books();
}

#[test]
fn a_state_weighs_what_lua_counts_and_a_lease_that_grows_does_not_make_it_heavier() {
    let site = Site::new();
    let script = site.script("a.lua", "data = string.rep('x', 1000000)");
    let counted = |lua: &Lua| lua.used_memory() as u64;
    let lease = site.states.acquire(&*script, |path| load(&site.compiled, path)).unwrap();
    let loaded = site.states.usage().leased_weight;
    assert_eq!(loaded, counted(&lease));
    assert!(loaded > 1_000_000, "{loaded}");
    lease.load("more = string.rep('y', 5000000)").exec().unwrap();
    assert!(counted(&lease) > 6_000_000);
    drop(lease);
    let idle = site.states.usage().idle_weight;
    assert!(idle.abs_diff(loaded) < 10_000, "{loaded} and then {idle}");
    // And so the bound in bytes holds.
    let states = states(8, idle * 5 / 2);
    let load = |path: &PathBuf| load(&site.compiled, path);
    drop([0; 4].map(|_| states.acquire(&*script, load).unwrap()));
    assert_eq!(states.len(), 2);
}

#[test]
fn threads_share_one_compilation_also_while_others_hold_it() {
    // A hang is a failure.
    let (_alive, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(300)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a test hangs");
            std::process::abort();
        }
    });
    let site = Site::new();
    let script = site.script("a.lua", SCRIPT);
    let (compiled, together) = (&site.compiled, Barrier::new(8));
    load(compiled, &script).unwrap();
    let held = compiled.acquire(&*script, |_| unreachable!("it is warm")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let states = states(2, 64 << 20);
                together.wait();
                let lua = states.acquire(&*script, |path| load(compiled, path)).unwrap();
                assert!(!Lease::was_hit(&lua));
                let count: Function = lua.globals().get("count").unwrap();
                assert_eq!(count.call::<u32>(()).unwrap(), 1);
            });
        }
    });
    drop(held);
    assert_eq!((compiled.stats().opened(), compiled.stats().reused), (1, 9));
}
