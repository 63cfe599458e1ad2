//! Risk: what an import runs and registers in the process is used where it should not be. On real Lean alone, with a library built here by
//! Lean's own `lake`. (On the model: `tests/one_file_a_name.rs`; on the official runtime: `tests/official_runtime.rs`.)
#![cfg(all(lean_library, not(feature = "abi-model")))]

mod support;

mod on_real_lean {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use lean_backend::{CheckOptions, ImportOptions, LeanError, Regions, SharedEnvironment, Watch};
    use pool_core::Resource as _;

    use crate::support::{begin, options, runtime, shared, sysroot};

    /// A module whose initialiser makes a value of some type.
    fn makes(value: &str) -> String {
        format!("module\npublic import Init\npublic section\ninitialize twin : {value}\n")
    }

    const LINTER: &str = "\
import Lean
open Lean Elab Command

initialize addLinter {
  name := `leanpoolTestLinter
  run := fun stx => logWarningAt stx \"said by the linter of the test\"
}

def leanpoolTestLinter := 1
";

    const FAILS: &str = "initialize throw (IO.userError \"an initialiser that fails\")\n";

    /// Builds modules as a project of the name `project`, and returns the folder of what was compiled.
    fn build(folder: &Path, project: &str, modules: &[(&str, &str)]) -> PathBuf {
        let root = folder.join(project);
        fs::create_dir_all(&root).unwrap();
        let libraries = modules.iter().map(|(name, _)| format!("[[lean_lib]]\nname = \"{name}\"\n"));
        fs::write(
            root.join("lakefile.toml"),
            format!("name = \"{project}\"\n{}", libraries.collect::<String>()),
        )
        .unwrap();
        for (name, text) in modules {
            fs::write(root.join(format!("{name}.lean")), text).unwrap();
        }
        let bin = Path::new(sysroot().as_str()).join("bin");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new(bin.join("lake"))
            .arg("build")
            .args(modules.iter().map(|(name, _)| name))
            .current_dir(&root)
            .env("PATH", format!("{}:{path}", bin.display()))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        root.join(".lake/build/lib/lean")
    }

    fn over(folders: &[&Path]) -> ImportOptions {
        let search_path = folders.iter().map(|folder| folder.to_str().unwrap().to_owned()).collect();
        ImportOptions { search_path, ..options() }
    }

    fn import(options: &ImportOptions, imports: &[&str]) -> Result<SharedEnvironment, String> {
        SharedEnvironment::import(runtime(), options, imports, &Watch::default()).map_err(|error| match error
        {
            LeanError::LeanException { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn second_file_of_a_name_is_refused_and_both_are_named() {
        let _one_at_a_time = begin();
        let folder = tempfile::tempdir().unwrap();
        let one = build(folder.path(), "one", &[("LeanpoolTwin", &makes("IO.Ref Nat ← IO.mkRef 1"))]);
        let two = build(folder.path(), "two", &[("LeanpoolTwin", &makes("IO.Ref String ← IO.mkRef \"1\""))]);
        let first = import(&over(&[&one]), &["LeanpoolTwin"]).unwrap();
        assert_eq!((first.weight(), first.residue()), (0, first.bytes_taken()), "its initialisers keep it");
        for regions in [Regions::Shared, Regions::Isolated] {
            let error = import(&ImportOptions { regions, ..over(&[&two]) }, &["LeanpoolTwin"]).unwrap_err();
            for folder in [&one, &two] {
                assert!(error.contains(folder.to_str().unwrap()), "{error}");
            }
            assert!(error.contains("restart the process") && !error.contains("isolated"), "{error}");
        }
        import(&ImportOptions { extensions: false, ..over(&[&two]) }, &["LeanpoolTwin"]).unwrap();
    }

    #[test]
    fn file_that_was_only_touched_stays_usable_and_one_that_changed_does_not() {
        let _one_at_a_time = begin();
        let folder = tempfile::tempdir().unwrap();
        let module = [("LeanpoolBuilt", "def leanpoolBuilt := 1\n")];
        let lib = build(folder.path(), "built", &module);
        import(&over(&[&lib]), &["LeanpoolBuilt"]).unwrap();
        touch(&lib.join("LeanpoolBuilt.olean"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        import(&over(&[&lib]), &["LeanpoolBuilt"]).unwrap();
        build(folder.path(), "built", &[("LeanpoolBuilt", "def leanpoolBuilt := \"another\"\n")]);
        let error = import(&over(&[&lib]), &["LeanpoolBuilt"]).unwrap_err();
        assert!(error.contains("changed since this process read it"), "{error}");
    }

    /// Gives the file another time, and returns the one that it had.
    fn touch(path: &Path, time: SystemTime) -> SystemTime {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        before
    }

    #[test]
    fn every_part_of_a_module_is_watched() {
        let _one_at_a_time = begin();
        let folder = tempfile::tempdir().unwrap();
        let text = "module\npublic import Init\npublic def leanpoolParts := 1\ndef leanpoolHidden := 2\n";
        let lib = build(folder.path(), "parts", &[("LeanpoolParts", text)]);
        let parts: Vec<PathBuf> = ["olean", "olean.server", "olean.private", "ir"]
            .map(|ending| lib.join(format!("LeanpoolParts.{ending}")))
            .into_iter()
            .filter(|part| part.is_file())
            .collect();
        assert!(parts.len() > 1, "a file that begins with `module` is compiled to several: {parts:?}");
        for part in &parts {
            // Without Lake's note another time is another file.
            let _ = fs::remove_file(format!("{}.hash", part.display()));
        }
        import(&over(&[&lib]), &["LeanpoolParts"]).unwrap();
        for part in &parts {
            let before = touch(part, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
            let error = import(&over(&[&lib]), &["LeanpoolParts"]).unwrap_err();
            assert!(error.starts_with(&format!("'{}' of module", part.display())), "{error}");
            touch(part, before);
            import(&over(&[&lib]), &["LeanpoolParts"]).unwrap();
        }
    }

    /// How often the file at `path` is opened while `work` runs.
    #[cfg(target_os = "linux")]
    fn opens(path: &Path, work: impl FnOnce()) -> usize {
        use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

        let listening = inotify::init(CreateFlags::NONBLOCK).unwrap();
        // The ends, too: beginnings in a row would be told as one.
        inotify::add_watch(&listening, path, WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE).unwrap();
        work();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut told = Reader::new(&listening, &mut buffer);
        let mut count = 0;
        while let Ok(event) = told.next() {
            count += usize::from(event.events().contains(ReadFlags::OPEN));
        }
        count
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn import_looks_once_at_a_module_however_many_import_it() {
        let _one_at_a_time = begin();
        let folder = tempfile::tempdir().unwrap();
        let modules = [
            ("LeanpoolBase", "def leanpoolBase := 1\n"),
            ("LeanpoolLeft", "import LeanpoolBase\n"),
            ("LeanpoolRight", "import LeanpoolBase\n"),
            ("LeanpoolTop", "import LeanpoolLeft\nimport LeanpoolRight\nimport LeanpoolBase\n"),
        ];
        let lib = build(folder.path(), "diamond", &modules);
        let note = lib.join("LeanpoolBase.olean.hash");
        let read = || drop(fs::read(&note).unwrap());
        assert_eq!(opens(&note, || (0..3).for_each(|_| read())), 3, "each is told");
        import(&over(&[&lib]), &["LeanpoolTop"]).unwrap();
        // From now on each look at the file is one into the note, too.
        touch(&lib.join("LeanpoolBase.olean"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        let looks = opens(&note, || drop(import(&over(&[&lib]), &["LeanpoolTop"]).unwrap()));
        assert_eq!(looks, 1);
    }

    #[test]
    fn module_whose_initialiser_failed_is_refused_from_then_on_with_the_reason() {
        let _one_at_a_time = begin();
        let folder = tempfile::tempdir().unwrap();
        let lib = build(folder.path(), "fails", &[("LeanpoolFails", FAILS)]);
        let error = import(&over(&[&lib]), &["LeanpoolFails"]).unwrap_err();
        assert!(error.contains("an initialiser that fails"), "{error}");
        let error = import(&over(&[&lib]), &["LeanpoolFails"]).unwrap_err();
        assert!(
            error.contains("initialisers failed") && error.contains("an initialiser that fails"),
            "{error}"
        );
    }

    #[test]
    fn linter_of_a_library_runs_where_the_library_is_imported_and_nowhere_else() {
        let _one_at_a_time = begin();
        let folder = tempfile::tempdir().unwrap();
        let lib = build(folder.path(), "lints", &[("LeanpoolLints", LINTER)]);
        let with = import(&over(&[&lib]), &["LeanpoolLints"]).unwrap();
        let said = |environment: &SharedEnvironment| {
            let checked = environment.check("def here := 1", &CheckOptions::new()).unwrap();
            checked.diagnostics.iter().filter(|said| said.message().contains("linter of the test")).count()
        };
        assert_eq!(said(&with), 1);
        assert_eq!(said(&shared(&["Lean"])), 0);
    }

    #[test]
    fn solver_of_bv_decide_is_the_toolchains() {
        let _one_at_a_time = begin();
        let source =
            "open Lean Elab Command in\nrun_cmd logInfo m!\"{(← getOptions).getString `sat.solver}\"";
        let checked = shared(&["Lean"]).check(source, &CheckOptions::new()).unwrap();
        let solver = Path::new(sysroot().as_str())
            .join("bin")
            .join(format!("cadical{}", std::env::consts::EXE_SUFFIX));
        if solver.is_file() {
            assert_eq!(checked.diagnostics[0].message(), solver.to_str().unwrap(), "{checked:?}");
        }
    }

    #[test]
    fn pinned_environment_is_as_good_as_another() {
        let _one_at_a_time = begin();
        let pinned = import(&ImportOptions { pinned: true, ..options() }, &["Init"]).unwrap();
        let other = shared(&["Init"]);
        for source in ["#check Nat.add_comm", "example : 1 + 1 = 3 := by decide"] {
            let check =
                |environment: &SharedEnvironment| environment.check(source, &CheckOptions::new()).unwrap();
            assert_eq!(check(&pinned), check(&other), "{source}");
        }
    }
}
