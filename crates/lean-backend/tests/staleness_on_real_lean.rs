//! Risk: an environment goes on to be used after an import has registered an extension, and gives wrong diagnostics. On real Lean
//! alone, with a library that does so, built here by Lean's own `lake`. (On the model: `tests/checking.rs`, `tests/pooling.rs`.)
#![cfg(all(lean_library, not(feature = "abi-model")))]

mod support;

mod on_real_lean {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use lean_backend::{
        CheckOptions, EnvironmentKey, EnvironmentQuery, ImportOptions, InternedOptions, LeanError,
        SharedEnvironment, Watch,
    };
    use pool_core::capacity::MaxIdle;
    use pool_core::{Health, MissReason, Resource, local};

    use crate::support::{begin, options, runtime, shared, sysroot};

    const LIBRARY: &str = "\
import Lean
open Lean

initialize leanpoolTestExtension : SimplePersistentEnvExtension Name (Array Name) ←
  registerSimplePersistentEnvExtension {
    addEntryFn := fun names name => names.push name
    addImportedFn := fun _ => #[]
  }
";

    /// The folder of compiled modules of a library with an extension.
    fn build(project: &Path) -> String {
        fs::write(project.join("lakefile.toml"), "name = \"extends\"\n\n[[lean_lib]]\nname = \"Extends\"\n")
            .unwrap();
        fs::write(project.join("Extends.lean"), LIBRARY).unwrap();
        let bin = Path::new(sysroot().as_str()).join("bin");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new(bin.join("lake"))
            .args(["build", "Extends"])
            .current_dir(project)
            .env("PATH", format!("{}:{path}", bin.display()))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        project.join(".lake/build/lib/lean").to_str().unwrap().to_owned()
    }

    #[test]
    fn import_that_registers_an_extension_makes_what_was_there_stale() {
        let _one_at_a_time = begin();
        let project = tempfile::tempdir().unwrap();
        let search_path = vec![build(project.path())];
        let options: InternedOptions = ImportOptions { search_path, ..options() }.into();
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> =
            local::Pool::builder().capacity(MaxIdle(4)).shared().build();
        let open = |key: &EnvironmentKey| {
            SharedEnvironment::import(runtime(), &key.options, &key.words(), &Watch::default())
        };
        let acquire =
            |imports: &[&str]| pool.acquire(EnvironmentQuery { options: &options, imports }, open).unwrap();

        let mut before = shared(&["Lean"]);
        drop(acquire(&["Lean"]));
        assert_eq!((before.is_current(), before.health()), (Ok(true), Health::Reusable));
        let extends = acquire(&["Extends"]);
        assert!(extends.epoch() > before.epoch(), "{} and {}", extends.epoch(), before.epoch());
        assert_eq!((before.is_current(), before.health()), (Ok(false), Health::Stale));
        let error = before.check("#check Nat", &CheckOptions::new()).unwrap_err();
        assert!(matches!(error, LeanError::Stale { .. }), "{error}");

        // The pool imports anew, and what comes of that is sound.
        let again = acquire(&["Lean"]);
        assert!(!pool_core::pool::LeaseOf::was_hit(&again));
        assert_eq!(pool.stats().misses.get(MissReason::Stale), 1);
        let checked =
            again.check("namespace A\ndef x := 1\nend A\n#check A.x", &CheckOptions::new()).unwrap();
        assert!(checked.is_ok(), "{checked:?}");
        // The second import of the library registers nothing any more.
        drop(extends);
        assert_eq!(pool.drain(), 1);
        drop(acquire(&["Extends"]));
        assert!(again.is_current().unwrap());
    }
}
