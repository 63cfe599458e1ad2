//! Risk: an import is done more often than it must, kept where it is stale, or more is kept than may be.
#![cfg(target_os = "linux")]

mod support;

use std::num::NonZero;
use std::sync::Arc;

use lean_worker::{CheckTimes, Ending, Engine, Kept, Limits, Surroundings, Workers};
use support::{Own, around, check, check_all, check_around, file, said, until, watchdog, workers};

#[test]
fn many_who_ask_at_once_share_one_import() {
    let _watchdog = watchdog();
    let workers = workers(Limits::default());
    std::thread::scope(|scope| {
        for number in 0..16 {
            let workers = &workers;
            scope.spawn(move || {
                let verdict = check(workers, &format!("import A\n-- say {number}\n"));
                assert_eq!(said(&verdict), [number.to_string()]);
            });
        }
    });
    assert_eq!(workers.stats().zygotes, 1);
}

#[test]
fn other_words_order_options_or_search_path_mean_another_zygote() {
    let _watchdog = watchdog();
    let workers = Workers::new(Kept { zygotes: 100, memory: 1 << 30 }, Limits::default(), None);
    let texts = [
        "import A\nimport B",
        "import B\nimport A",
        "module\nimport A\nimport B",
        "import A\nimport B\n-- more",
        "public import A\nimport B",
    ];
    for text in texts {
        assert_eq!(check(&workers, text).ending, Ending::Done);
    }
    assert_eq!(workers.stats().zygotes, 4, "comments are no words");
    let other = [
        Surroundings { options: vec!["a=1".into()], ..Surroundings::clone(&around()) },
        Surroundings { search_path: vec!["/a".into()], ..Surroundings::clone(&around()) },
        Surroundings { setup: Some("{}".into()), ..Surroundings::clone(&around()) },
        Surroundings { sysroot: "/a".into(), ..Surroundings::clone(&around()) },
    ];
    for around in other {
        check_around(&workers, &Arc::new(around), texts[0], CheckTimes::default());
    }
    assert_eq!(workers.stats().zygotes, 8);
}

#[test]
fn zygotes_are_evicted_with_their_children_and_come_back() {
    let _watchdog = watchdog();
    let own = Own::new();
    let workers = Workers::new(Kept { zygotes: 2, memory: 1 << 30 }, Limits::default(), None);
    for round in 0..3 {
        for header in ["A", "B", "C", "D"] {
            let text = format!("import {header}\n-- say {header}{round}\n");
            let verdict = check_around(&workers, &own.around(), &text, CheckTimes::default());
            assert_eq!(said(&verdict), [format!("{header}{round}")]);
            let me = std::process::id().to_string();
            let zygotes = own.processes().iter().filter(|(_, parent)| *parent == me).count();
            assert!(zygotes <= 2, "{zygotes}");
            assert!(own.processes().len() <= 4, "and a child of each");
        }
    }
    assert!(workers.stats().zygotes > 4);
    drop(workers);
    until(|| own.processes().is_empty());
}

#[test]
fn heavy_zygotes_are_not_kept_beyond_the_limit_on_memory() {
    let _watchdog = watchdog();
    // The scripted one says that it has 1 GiB of its own.
    let workers = Workers::new(Kept { zygotes: 100, memory: 5 << 29 }, Limits::default(), None);
    for header in ["A", "B", "C"] {
        check(&workers, &format!("import Script.Heavy\nimport {header}\n"));
        assert!(workers.stats().pool.usage.idle <= 2);
    }
    assert_eq!(workers.stats().zygotes, 3);
}

#[test]
fn changed_module_means_a_new_zygote() {
    let _watchdog = watchdog();
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("A.olean");
    std::fs::write(&module, "1").unwrap();
    let search_path = vec![folder.path().to_str().unwrap().to_owned()];
    let around = Arc::new(Surroundings { search_path, ..Surroundings::clone(&around()) });
    let workers = workers(Limits::default());
    let again = || {
        check_around(&workers, &around, "import A\n", CheckTimes::default());
        workers.stats().zygotes
    };
    assert_eq!((again(), again()), (1, 1));
    std::fs::write(&module, "two").unwrap();
    // Files are looked at every 100 ms.
    until(|| again() == 2);
    assert_eq!(again(), 2);
    std::fs::remove_file(&module).unwrap();
    until(|| again() == 3);
}

#[test]
fn children_are_forked_ahead_where_a_processor_is_idle() {
    let _watchdog = watchdog();
    if std::thread::available_parallelism().map_or(1, NonZero::get) < 2 {
        return;
    }
    let workers = workers(Limits { files_a_child: 1, ..Limits::default() });
    let files: Vec<_> =
        (0..20).map(|number| file(&format!("{number}.lean"), "import A\n-- checks\n")).collect();
    let engine = Engine::Worker { workers: &workers, lean: None };
    check_all(engine, &around(), &files, 1, |_, verdict| {
        assert_eq!(said(&verdict), ["1"], "each has a process of its own");
    });
    let stats = workers.stats();
    assert_eq!((stats.children, stats.forked_ahead), (20, 19), "all but the first, and none for nobody");
}

#[test]
fn import_that_dies_is_refused_for_all_its_files_and_one_that_was_killed_for_none_but_the_first() {
    let _watchdog = watchdog();
    let endings = |import: &str| {
        let folder = tempfile::tempdir().unwrap();
        let around = Surroundings {
            search_path: vec![folder.path().to_str().unwrap().to_owned()],
            ..Surroundings::clone(&around())
        };
        let workers = workers(Limits::default());
        let files: Vec<_> =
            (0..10).map(|number| file(&number.to_string(), &format!("import {import}\n"))).collect();
        let engine = Engine::Worker { workers: &workers, lean: None };
        let mut done = 0;
        check_all(engine, &Arc::new(around), &files, 1, |_, verdict| match verdict.ending {
            Ending::Done => done += 1,
            Ending::Failed(words) => assert!(words.contains("while it was starting"), "{words}"),
            other => panic!("{other:?}"),
        });
        (done, workers.stats().zygote_deaths)
    };
    assert_eq!(endings("Script.Dies"), (0, 3), "it was tried three times in all, not for each file");
    assert_eq!(endings("Script.KilledThrice"), (9, 3), "who killed it says nothing of the next file");
}
