//! Risk: what ends the process on Lean's official runtime does so in silence, or goes on with a broken heap; Lean is started twice, or
//! with a thread that nobody asked for. Each in a process of its own. Run by `.ci/official-lean`.
#![cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]

mod support;

mod on_official_runtime {
    use std::fs;
    use std::os::unix::process::ExitStatusExt as _;
    use std::thread;
    use std::time::Duration;

    use lean_backend::{CheckOptions, LeanRuntime, UNFINISHED, Unfinished, end_process};

    use crate::support::kit::{import, in_a_child, kit, options};
    use crate::support::runtime;

    const SIGABRT: i32 = 6;

    /// The names of this process's threads, sorted.
    fn threads() -> Vec<String> {
        let name =
            |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap().trim().to_owned();
        let mut names: Vec<_> =
            fs::read_dir("/proc/self/task").unwrap().map(|task| name(task.unwrap())).collect();
        names.sort();
        names
    }

    #[test]
    fn exception_that_nothing_catches_ends_the_process_and_says_why() {
        let name = "on_official_runtime::exception_that_nothing_catches_ends_the_process_and_says_why";
        let import_of_deep = || {
            let imported = import(&options(&["lib"]), &["public Kit", "public Deep"]);
            println!("came back with {:?}", imported.is_ok());
        };
        let Some(output) = in_a_child(name, &[], import_of_deep) else { return };
        assert_eq!(output.status.signal(), Some(SIGABRT));
        let (said, printed) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        let first = said.lines().next().unwrap_or_default();
        assert!(first.contains("uncaught exception") && first.contains("deep recursion"), "{first}");
        assert!(!printed.contains("came back"), "{printed}");
    }

    /// A file whose metaprogram calls `IO.Process.exit 0`.
    #[test]
    fn exit_that_a_file_runs_is_no_good_end() {
        let name = "on_official_runtime::exit_that_a_file_runs_is_no_good_end";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/official-lean/texts/ends/exit.lean");
        let check = || {
            let (environment, text) = (kit(), fs::read_to_string(path).unwrap());
            let _unfinished = Unfinished::new(|| {
                println!("unfinished");
                UNFINISHED
            });
            let checked = environment.check(&text, &CheckOptions::new());
            println!("came back with {:?}", checked.is_ok());
        };
        let Some(output) = in_a_child(name, &[], check) else { return };
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(UNFINISHED), "{printed}");
        assert!(printed.contains("unfinished") && !printed.contains("came back"), "{printed}");
    }

    /// A file whose metaprogram never ends, in interpreted code.
    #[test]
    fn check_that_never_comes_back_is_told_of_and_the_process_can_be_ended() {
        let name = "on_official_runtime::check_that_never_comes_back_is_told_of_and_the_process_can_be_ended";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/official-lean/texts/ends/spin.lean");
        let check = || {
            let (environment, text) = (kit(), fs::read_to_string(path).unwrap());
            let tell: &(dyn Fn() + Sync) = &|| {
                println!("spin.lean is overdue");
                end_process(UNFINISHED)
            };
            // Nobody else would end this child.
            thread::spawn(|| {
                thread::sleep(Duration::from_secs(60));
                println!("nobody was told");
                end_process(1)
            });
            let time = Duration::from_millis(200);
            let checked = environment.check(&text, &CheckOptions::new().timeout(time).overdue(time, tell));
            println!("came back with {:?}", checked.is_ok());
        };
        let Some(output) = in_a_child(name, &[], check) else { return };
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(UNFINISHED), "{printed}");
        assert!(printed.contains("spin.lean is overdue") && !printed.contains("came back"), "{printed}");
    }

    #[test]
    fn start_that_many_threads_ask_for_is_one_start() {
        let name = "on_official_runtime::start_that_many_threads_ask_for_is_one_start";
        let ask = || {
            let runtimes = thread::scope(|scope| {
                let asking: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| std::ptr::from_ref(runtime()).addr())).collect();
                asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(runtimes.iter().all(|runtime| *runtime == runtimes[0]));
            drop(kit());
            // libuv's loop, and the one thread that Lean runs on.
            let lean: Vec<_> = threads().into_iter().filter(|name| name == "lean").collect();
            assert_eq!(lean.len(), 2, "{:?}", threads());
        };
        let Some(output) = in_a_child(name, &[], ask) else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn kernel_thread_of_libuv_is_kept_away_by_the_variable_that_the_docs_name() {
        let name =
            "on_official_runtime::kernel_thread_of_libuv_is_kept_away_by_the_variable_that_the_docs_name";
        let list = || {
            LeanRuntime::init().unwrap();
            println!("threads: {}", threads().join(" "));
        };
        let Some(output) = in_a_child(name, &[("UV_USE_IO_URING", "0")], list) else { return };
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("threads: "), "{printed}");
        assert!(!printed.contains("iou-sqp"), "{printed}");
    }
}
