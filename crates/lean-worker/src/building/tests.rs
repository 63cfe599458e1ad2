//! Risk: a build is done twice or left half-done, another Lean's worker is taken, or what is wrong is not told.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A toolchain whose `lake` does as a script says, and a cache.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new(lake: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.path("lean/bin")).unwrap();
        fs::write(machine.path("lean/bin/cadical"), "").unwrap();
        machine.lake(lake);
        machine
    }

    fn lake(&self, script: &str) {
        let path = self.path("lean/bin/lake");
        // A program that is being started can't be written to.
        let fresh = self.path("lake");
        fs::write(&fresh, format!("#!/bin/sh\necho build >>'{}'\n{script}\n", self.path("builds").display()))
            .unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn toolchain(&self) -> Toolchain {
        Toolchain {
            sysroot: self.path("lean"),
            version: "4.99.0".into(),
            identity: "Lean (version 4.99.0, commit 1)".into(),
        }
    }

    fn cache(&self) -> Cache {
        Cache::new(Some(self.path("cache"))).unwrap()
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.path("builds")).unwrap_or_default().lines().count()
    }

    fn ensure(&self) -> Result<PathBuf, BuildError> {
        ensure(&self.cache(), &self.toolchain(), None, &mut |_| ())
    }

    /// What lies in the folder of workers but the locks.
    fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.cache().workers())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

/// What a build does: all sources must be there.
const GOOD: &str =
    "test \"$1\" = build && test -f lakefile.lean -a -f LeanpoolWorker/Check.lean -a -f c/system.c || exit 5
mkdir -p .lake/build/bin && echo '#!/bin/sh' >.lake/build/bin/leanpool-worker";

#[test]
fn worker_is_built_once_and_lies_beside_a_link_to_the_solver() {
    let machine = Machine::new(GOOD);
    let mut said = Vec::new();
    let mut told = |what: Building<'_>| said.push(format!("{what:?}"));
    let program = ensure(&machine.cache(), &machine.toolchain(), None, &mut told).unwrap();
    assert_eq!((said, program.is_file()), (vec!["Begun".to_owned()], true));
    assert!(program.with_file_name("cadical").is_file());
    assert_eq!(program, place(&machine.cache(), &machine.toolchain()));
    assert_eq!((machine.ensure().unwrap(), machine.builds(), machine.left().len()), (program, 1, 1));
    let [built] = &built(&machine.cache())[..] else { panic!() };
    assert_eq!((built.version.as_str(), &built.sysroot), ("4.99.0", &machine.path("lean")));
}

#[test]
fn another_lean_or_another_place_of_it_has_another_worker() {
    let machine = Machine::new(GOOD);
    let one = machine.toolchain();
    let commit = Toolchain { identity: "Lean (version 4.99.0, commit 2)".into(), ..one.clone() };
    let elsewhere = Toolchain { sysroot: "/elsewhere".into(), ..one.clone() };
    let places = [one, commit, elsewhere].map(|toolchain| place(&machine.cache(), &toolchain));
    assert!(places[0] != places[1] && places[0] != places[2] && places[1] != places[2], "{places:?}");
}

#[test]
fn many_at_once_build_it_once() {
    let machine = Machine::new(GOOD);
    let (begun, machine) = (AtomicU32::new(0), &machine);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut told = |what: Building<'_>| {
                    begun.fetch_add(u32::from(what == Building::Begun), Ordering::Relaxed);
                };
                assert!(ensure(&machine.cache(), &machine.toolchain(), None, &mut told).unwrap().is_file());
            });
        }
    });
    assert_eq!((begun.into_inner(), machine.builds()), (1, 1));
}

#[test]
fn failed_build_leaves_no_worker_and_tells_the_compiler_s_words() {
    let machine = Machine::new("echo one; echo 'Main.lean:3:4: error: oops' >&2; exit 1");
    let words = machine.ensure().unwrap_err().to_string();
    assert!(words.contains("one\nMain.lean:3:4: error: oops") && words.contains("exit status: 1"), "{words}");
    assert!(words.contains("--engine lean"), "{words}");
    assert!(built(&machine.cache()).is_empty());
    machine.lake("exit 0");
    assert!(machine.ensure().is_err(), "it says that all is well, and has built nothing");
    machine.lake(GOOD);
    assert!(machine.ensure().is_ok(), "and what was left does not disturb");
    assert_eq!(machine.left().len(), 1);
}

#[test]
fn killed_build_leaves_nothing_half_done() {
    // As if all had ended in the middle: the half is there, and nobody holds the lock.
    let machine = Machine::new(GOOD);
    let folder = machine.ensure().unwrap().parent().unwrap().to_owned();
    for what in ["building", "finished"] {
        fs::rename(&folder, beside(&folder, what)).unwrap();
        assert!(built(&machine.cache()).is_empty());
        assert!(machine.ensure().unwrap().is_file());
        assert_eq!(machine.left().len(), 1, "{what}");
    }
    assert_eq!(machine.builds(), 3);
}

#[test]
fn cache_that_can_t_be_written_is_named_with_what_to_do() {
    let machine = Machine::new(GOOD);
    // A file is where a folder should be: that stops root, too.
    fs::write(machine.path("cache"), "").unwrap();
    let words = machine.ensure().unwrap_err().to_string();
    assert!(words.contains("can't be written") && words.contains("--cache"), "{words}");
    fs::remove_file(machine.path("cache")).unwrap();
    // What is there is used without writing.
    let program = machine.ensure().unwrap();
    fs::set_permissions(machine.path("cache/workers"), fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(machine.ensure().unwrap(), program);
    fs::set_permissions(machine.path("cache/workers"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn toolchain_without_lake_is_named() {
    let machine = Machine::new(GOOD);
    fs::remove_file(machine.path("lean/bin/lake")).unwrap();
    let words = machine.ensure().unwrap_err().to_string();
    assert!(words.contains("lean/bin/lake") && words.contains("install that Lean again"), "{words}");
}

#[test]
fn clean_removes_workers_what_killed_builds_left_and_headers() {
    let machine = Machine::new(GOOD);
    let folder = machine.ensure().unwrap().parent().unwrap().to_owned();
    fs::create_dir_all(beside(&folder, "building")).unwrap();
    fs::create_dir_all(machine.cache().snapshots()).unwrap();
    assert_eq!(clean(&machine.cache()).unwrap(), 1);
    assert_eq!((machine.left().len(), machine.cache().snapshots().exists()), (0, false));
    assert_eq!(clean(&machine.cache()).unwrap(), 0, "nor is it an error where nothing is");
    assert!(machine.ensure().is_ok());
}
