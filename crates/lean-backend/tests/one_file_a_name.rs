//! Risk: a module's initialisers run once a process for each *name*, and their values are found by name. So a second file of one
//! name, a file that changed, or a module whose initialisers failed would be used as if it were another: type confusion from safe
//! code. (On real Lean: `tests/initialisers_on_real_lean.rs`; on the official runtime: `tests/official_runtime.rs`.)
#![cfg(feature = "abi-model")]

mod support;

mod on_the_abi_model {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use lean_backend::{
        EnvironmentKey, EnvironmentQuery, ImportOptions, LeanError, Regions, SharedEnvironment, Watch,
    };
    use pool_core::pool::LeaseOf;
    use pool_core::{AcquireError, MissReason, local};

    use crate::support::{begin, options, runtime, shared};

    /// Folders of compiled modules, which say what they do.
    struct Library(tempfile::TempDir);

    impl Library {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, folder: &str, name: &str) -> PathBuf {
            let file = if name.contains('.') { name.to_owned() } else { format!("{name}.olean") };
            self.0.path().join(folder).join(file)
        }

        /// Writes the module `name` (or a file of that name) into `folder`, as a new file.
        fn write(&self, folder: &str, name: &str, text: &str) {
            let path = self.path(folder, name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path.with_extension("new"), text).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }

        /// Gives it another time.
        fn touch(&self, folder: &str, name: &str) {
            let file = File::options().write(true).open(self.path(folder, name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        }

        fn options(&self, folders: &[&str]) -> ImportOptions {
            let path = |folder: &&str| self.0.path().join(folder).to_str().unwrap().to_owned();
            ImportOptions { search_path: folders.iter().map(path).collect(), ..options() }
        }
    }

    fn import(options: &ImportOptions, name: &str) -> Result<SharedEnvironment, String> {
        SharedEnvironment::import(runtime(), options, &[name], &Watch::default()).map_err(|error| match error
        {
            LeanError::LeanException { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    fn names_both(message: &str, library: &Path, folders: [&str; 2]) {
        for folder in folders {
            assert!(message.contains(library.join(folder).to_str().unwrap()), "{message}");
        }
        assert!(message.contains("restart the process") && !message.contains("isolated"), "{message}");
    }

    #[test]
    fn second_file_of_a_name_is_refused_and_both_are_named_however_it_is_imported() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("one", "Twin", "initialises");
        library.write("two", "Twin", "");
        let (one, two) = (library.options(&["one"]), library.options(&["two"]));
        import(&one, "Twin").unwrap();
        for regions in [Regions::Shared, Regions::Isolated] {
            let error = import(&ImportOptions { regions, ..two.clone() }, "Twin").unwrap_err();
            names_both(&error, library.0.path(), ["one", "two"]);
        }
        // Without extensions nothing is initialised, and the first one is as good as before.
        import(&ImportOptions { extensions: false, ..two }, "Twin").unwrap();
        import(&one, "Twin").unwrap();
    }

    #[test]
    fn two_files_of_a_name_without_initialisers_are_no_danger() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("one", "Plain", "");
        library.write("two", "Plain", "-- another");
        import(&library.options(&["one"]), "Plain").unwrap();
        import(&library.options(&["two"]), "Plain").unwrap();
    }

    #[test]
    fn file_that_changed_is_refused_with_what_to_do() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("lib", "Built", "");
        let options = library.options(&["lib"]);
        import(&options, "Built").unwrap();
        library.write("lib", "Built", "-- anew");
        let error = import(&options, "Built").unwrap_err();
        assert!(
            error.contains("Built.olean") && error.contains("changed since this process read it"),
            "{error}"
        );
        assert!(error.contains("restart the process") && !error.contains("isolated"), "{error}");
    }

    #[test]
    fn file_that_was_only_touched_stays_usable_where_lake_noted_its_contents() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("lib", "Touched", "initialises");
        library.write("lib", "Touched.olean.hash", "0123456789abcdef");
        let options = library.options(&["lib"]);
        import(&options, "Touched").unwrap();
        library.touch("lib", "Touched");
        import(&options, "Touched").unwrap();
        // Built anew, with as many bytes.
        library.write("lib", "Touched", "INITIALISES");
        library.write("lib", "Touched.olean.hash", "fedcba9876543210");
        let error = import(&options, "Touched").unwrap_err();
        assert!(error.contains("changed since this process read it"), "{error}");
        // Without a note nobody can tell.
        library.write("lib", "Unnoted", "");
        import(&options, "Unnoted").unwrap();
        library.touch("lib", "Unnoted");
        let error = import(&options, "Unnoted").unwrap_err();
        assert!(error.contains("changed since this process read it"), "{error}");
    }

    #[test]
    fn module_whose_initialiser_failed_is_refused_from_then_on_with_the_reason() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("lib", "Good", "initialises");
        library.write("lib", "Fails", "throws no such resource");
        let options = library.options(&["lib"]);
        assert_eq!(import(&options, "Fails").unwrap_err(), "no such resource");
        // Lean would pass over its initialisers now.
        let error = import(&options, "Fails").unwrap_err();
        assert!(error.contains("initialisers failed") && error.contains("(no such resource)"), "{error}");
        import(&options, "Good").unwrap();
    }

    #[test]
    fn module_without_extensions_that_initialises_makes_what_was_there_stale() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("lib", "Quiet", "");
        library.write("lib", "Sets", "initialises");
        let options = library.options(&["lib"]);
        let before = shared(&["Init"]);
        import(&options, "Quiet").unwrap();
        assert_eq!(before.is_current(), Ok(true), "a module without initialisers changes nothing");
        import(&options, "Sets").unwrap();
        assert_eq!(before.is_current(), Ok(false));
    }

    #[test]
    fn pool_says_why_a_refused_import_was_refused_and_goes_on() {
        let _one_at_a_time = begin();
        let library = Library::new();
        library.write("one", "Pooled", "initialises");
        library.write("two", "Pooled", "initialises");
        let pool: local::Pool<EnvironmentKey, SharedEnvironment> = local::Pool::with_max_idle(4);
        let acquire = |folder: &str| {
            let options = library.options(&[folder]).into();
            let query = EnvironmentQuery { options: &options, imports: &["Pooled"] };
            let open = |key: &EnvironmentKey| {
                SharedEnvironment::import(runtime(), &key.options, &key.words(), &Watch::default())
            };
            pool.acquire(query, open).map(|lease| LeaseOf::was_hit(&lease))
        };
        assert!(!acquire("one").unwrap());
        let AcquireError::Open { error, .. } = acquire("two").unwrap_err() else {
            panic!("not from the import")
        };
        names_both(&error.to_string(), library.0.path(), ["one", "two"]);
        assert!(acquire("one").unwrap(), "{:?}", pool.stats().misses.get(MissReason::Stale));
    }
}
