//! Risk: what holds on the model does not hold on Lean's official runtime, which has an allocator, threads, an unwinder and an
//! interpreter of its own. Run by `.ci/official-lean`.
#![cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]

mod support;

mod on_official_runtime {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    use lean_backend::{
        BUILT_FOR, CheckOptions, DeclarationKind, Ended, Environment, ImportOptions, LeanCancellationToken,
        LeanError, LeanExceptionKind, LeanSeverity, Owned, Regions, SharedEnvironment, header,
    };
    use pool_core::{Health, Resource as _};

    use crate::support::kit::{HEADER, import, kit, options};
    use crate::support::{begin, runtime};

    /// Takes seconds in the elaborator, which looks at its token.
    fn long() -> String {
        let long = include_str!("../../../tests/official-lean/texts/ends/long.lean");
        long.to_owned()
    }

    fn message(error: LeanError) -> String {
        match error {
            LeanError::LeanException { kind: LeanExceptionKind::UserError, message } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lean_that_it_was_built_for_is_the_one_that_runs() {
        let _one_at_a_time = begin();
        assert_eq!(BUILT_FOR, "4.35.0");
        assert_eq!(runtime().shares_regions(), Ok(true));
    }

    #[test]
    fn panic_in_user_code_is_caught_wherever_lean_runs_it() {
        let _one_at_a_time = begin();
        let environment = kit();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            runtime().run(|thread| {
                let _held = (environment.on(thread), Owned::string(thread, "held"));
                panic!("on a thread of Lean's");
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on a thread of Lean's"));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            environment.ask::<()>(|environment| {
                let _held = environment.clone();
                panic!("in a question");
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"in a question"));
        let attached = thread::spawn(|| {
            let thread = runtime().attach();
            let _held = Owned::string(&thread, "held");
            panic!("on an attached thread");
        });
        assert!(attached.join().is_err());
        assert_eq!(environment.ask(|environment| Ok(environment.modules())), Ok(5));
    }

    #[test]
    fn answers_are_leans() {
        let _one_at_a_time = begin();
        let environment = kit();
        let ask = |name: &str| environment.ask(|environment| Ok(environment.declaration_kind(name))).unwrap();
        for (name, kind) in [
            ("Nat", Some(DeclarationKind::Inductive)),
            ("Nat.succ", Some(DeclarationKind::Constructor)),
            ("Nat.rec", Some(DeclarationKind::Recursor)),
            ("Nat.add", Some(DeclarationKind::Definition)),
            ("Eq.symm", Some(DeclarationKind::Theorem)),
            ("sorryAx", Some(DeclarationKind::Axiom)),
            ("No.such", None),
            ("", None),
        ] {
            assert_eq!(ask(name), kind, "{name}");
        }
        assert_eq!(environment.ask(|environment| Ok(environment.constants())), Ok(741));
        let names = environment.ask(|environment| environment.declarations("Nat.b", 10)).unwrap();
        assert_eq!(names, [""; 0], "a prefix is a whole component");
        let names = environment.ask(|environment| environment.declarations("Nat.beq", 1)).unwrap();
        assert_eq!(names, ["Nat.beq"]);
    }

    #[test]
    fn header_is_what_leans_parser_reads() {
        let _one_at_a_time = begin();
        let read = |source: &str| header(runtime(), source, "f.lean");
        // The second is new since Lean 4.27.
        assert_eq!(read("import A.B").unwrap(), ["public Init", "public meta Init", "public A.B"]);
        assert_eq!(read("prelude\nimport A import B").unwrap(), ["public A", "public B"]);
        let words = ["module", "public A", "meta B", "all C"];
        assert_eq!(read("module\nprelude\npublic import A\nmeta import B\nimport all C\n").unwrap(), words);
        let error = message(read("import").unwrap_err());
        assert_eq!(error, "f.lean:1:6: unexpected end of input; expected identifier");
    }

    #[test]
    fn import_that_fails_says_what_lean_says_and_spoils_nothing() {
        let _one_at_a_time = begin();
        for regions in [Regions::Shared, Regions::Isolated] {
            let options = ImportOptions { regions, ..options(&["lib"]) };
            let error = message(import(&options, &["public Nope"]).unwrap_err());
            assert!(error.starts_with("unknown module prefix 'Nope'\n\nNo directory 'Nope'"), "{error}");
            let error = message(import(&options, &["a..b"]).unwrap_err());
            assert_eq!(error, "import failed, trying to import module with anonymous name");
            assert_eq!(
                import(&options, &["public Kit"]).unwrap().ask(|environment| Ok(environment.modules())),
                Ok(5)
            );
        }
    }

    #[test]
    fn check_says_what_lean_says_and_changes_nothing_for_the_next() {
        let _one_at_a_time = begin();
        let environment = kit();
        let source =
            HEADER.to_owned() + "def here := Nat.zero\n#check here\ntheorem t : Eq 1 2 := sorry\n#check oops";
        for _ in 0..3 {
            let checked = environment.check(&source, &CheckOptions::new()).unwrap();
            let said = checked
                .diagnostics
                .iter()
                .map(|said| (said.position().line(), said.severity(), said.message()));
            let expected = [
                (4, LeanSeverity::Info, "here : Nat"),
                (5, LeanSeverity::Warning, "declaration uses `sorry`"),
                (6, LeanSeverity::Error, "Unknown identifier `oops`"),
            ];
            assert_eq!(said.collect::<Vec<_>>(), expected);
            assert_eq!(checked.ended, Ended::Complete);
        }
    }

    #[test]
    fn objects_cross_threads_and_are_freed_on_others() {
        let _one_at_a_time = begin();
        for pinned in [false, true] {
            let environment =
                import(&ImportOptions { pinned, ..options(&["lib"]) }, &["public Kit"]).unwrap();
            let together = Barrier::new(4);
            thread::scope(|scope| {
                for number in 0..4 {
                    let (mine, together) = (environment.clone(), &together);
                    scope.spawn(move || {
                        together.wait();
                        for round in 0..25 {
                            if number % 2 == 0 {
                                // Attached for its whole life.
                                let thread = runtime().attach();
                                let copies = [mine.on(&thread), mine.on(&thread)];
                                assert!(copies[round % 2].contains("Nat.add"));
                                drop(Owned::string(&thread, &"é".repeat(round * 100)));
                            }
                            let checked = mine.check("prelude\nimport Kit\n#check Nat", &CheckOptions::new());
                            assert_eq!(checked.unwrap().diagnostics.len(), 1);
                        }
                        drop(mine);
                    });
                }
                drop(environment);
            });
        }
    }

    #[test]
    fn environment_is_made_on_one_thread_and_dropped_on_one_that_is_not_attached() {
        let _one_at_a_time = begin();
        for _ in 0..20 {
            let environment = thread::spawn(kit).join().unwrap();
            thread::spawn(move || drop(environment)).join().unwrap();
        }
        let here = runtime().run(|thread| {
            let environment = Environment::import(thread, &options(&["lib"]), &["public Kit"]).unwrap();
            environment.to_shared()
        });
        drop(here);
    }

    #[test]
    fn elaborator_and_kernel_are_interrupted_from_a_thread_that_is_not_attached() {
        let _one_at_a_time = begin();
        let environment = import(&options(&["lib"]), &["public Kit", "public Slow"]).unwrap();
        let kernel = include_str!("../../../tests/official-lean/texts/ends/spin-kernel.lean");
        for source in [&long(), kernel] {
            let token = LeanCancellationToken::new();
            let checked = thread::scope(|scope| {
                let check =
                    scope.spawn(|| environment.check(source, &CheckOptions::new().cancellation(&token)));
                // Lean does not say that it has begun, which takes milliseconds; either check would take seconds.
                thread::sleep(Duration::from_millis(300));
                token.cancel();
                check.join().unwrap().unwrap()
            });
            assert_eq!(checked.ended, Ended::Cancelled);
            assert_eq!(checked.diagnostics.len(), 1, "what was found before is kept: {checked:?}");
        }
    }

    #[test]
    fn deadline_ends_a_check_and_the_next_is_as_good_as_the_first() {
        let _one_at_a_time = begin();
        let environment = import(&options(&["lib"]), &["public Kit", "public Slow"]).unwrap();
        let options = CheckOptions::new().timeout(Duration::from_millis(200));
        let checked = environment.check(&long(), &options).unwrap();
        assert_eq!((checked.ended, checked.errors()), (Ended::TimedOut, 0));
        let checked =
            environment.check("prelude\nimport Kit\nimport Slow\n#check tree", &CheckOptions::new()).unwrap();
        assert_eq!((checked.ended, checked.diagnostics.len()), (Ended::Complete, 1));
    }

    #[test]
    fn heartbeats_are_limited() {
        let _one_at_a_time = begin();
        let environment = import(&options(&["lib"]), &["public Kit", "public Slow"]).unwrap();
        let source = "prelude\nimport Kit\nimport Slow\nset_option maxRecDepth 1000000\ntheorem long : Eq (countDown 20000) true := by decide";
        let checked = environment.check(source, &CheckOptions::new().max_heartbeats(10)).unwrap();
        assert!(checked.diagnostics[0].message().contains("(10) has been reached"), "{checked:?}");
    }

    #[test]
    fn module_is_named_by_its_path() {
        let _one_at_a_time = begin();
        let environment = kit();
        let source =
            HEADER.to_owned() + "private def p := Nat.zero\nset_option pp.privateNames true\n#check p";
        for (path, name) in [("", "_private._stdin.0.p"), ("A/B", "_private.A.B.0.p")] {
            let checked = environment.check(&source, &CheckOptions::new().module_path(path)).unwrap();
            assert!(checked.diagnostics[0].message().starts_with(name), "{checked:?}");
        }
    }

    #[test]
    fn file_ends_after_a_hundred_errors_as_lean_ends_it() {
        let _one_at_a_time = begin();
        let source = HEADER.to_owned() + &"#check oops\n".repeat(150);
        let checked = kit().check(&source, &CheckOptions::new()).unwrap();
        assert_eq!(checked.errors(), 101);
        let last = checked.diagnostics.last().unwrap();
        assert_eq!(
            last.message(),
            "maximum number of errors (100; from option `maxErrors`) reached, exiting"
        );
    }

    #[test]
    fn second_file_of_a_name_is_refused_and_both_are_named() {
        let _one_at_a_time = begin();
        // `Twin` is a number in one, and a list in the other: with the value of one and the type of the other, Lean crashes.
        let first = import(&options(&["one", "lib"]), &["public Kit", "public Twin"]).unwrap();
        for regions in [Regions::Shared, Regions::Isolated] {
            let other = ImportOptions { regions, ..options(&["two", "lib"]) };
            let error = message(import(&other, &["public Kit", "public Twin"]).unwrap_err());
            assert!(error.contains("one/Twin.olean") && error.contains("two/Twin.olean"), "{error}");
            assert!(error.contains("restart the process"), "{error}");
        }
        import(
            &ImportOptions { extensions: false, ..options(&["two", "lib"]) },
            &["public Kit", "public Twin"],
        )
        .unwrap();
        let checked =
            first.check("prelude\nimport Kit\nimport Twin\n#check twin", &CheckOptions::new()).unwrap();
        assert_eq!(checked.diagnostics[0].message(), "twin : Nat");
    }

    #[test]
    fn module_whose_initialiser_failed_is_refused_from_then_on_with_the_reason() {
        let _one_at_a_time = begin();
        let error = import(&options(&["lib"]), &["public Kit", "public Sour"]).unwrap_err();
        let LeanError::LeanException { kind: LeanExceptionKind::NoFileOrDirectory, message: why } = error
        else {
            panic!("{error:?}");
        };
        let error = message(import(&options(&["lib"]), &["public Kit", "public Sour"]).unwrap_err());
        assert!(error.starts_with("module Sour cannot be imported with extensions any more"), "{error}");
        assert!(error.contains(&why), "{error}");
        assert_eq!(kit().ask(|environment| Ok(environment.modules())), Ok(5));
    }

    #[test]
    fn import_that_runs_initialisers_makes_what_was_there_stale_and_is_kept_for_good() {
        let _one_at_a_time = begin();
        let mut before = kit();
        assert_eq!((before.is_current(), before.health()), (Ok(true), Health::Reusable));
        let first = import(&options(&["lib"]), &["public Kit", "public Effect"]).unwrap();
        assert_eq!((before.is_current(), before.health()), (Ok(false), Health::Stale));
        let error = before.check(HEADER, &CheckOptions::new()).unwrap_err();
        assert!(matches!(error, LeanError::Stale { .. }), "{error}");
        assert_eq!((first.weight(), first.residue()), (0, first.bytes_taken()));
        // The second time they do not run.
        let second = import(&options(&["lib"]), &["public Kit", "public Effect"]).unwrap();
        assert_eq!(first.epoch(), second.epoch());
        assert_eq!((second.weight(), second.residue()), (second.bytes_taken(), 0));
    }

    #[test]
    fn modules_that_were_read_are_kept_once() {
        let _one_at_a_time = begin();
        drop(kit());
        let once = runtime().shared_modules().unwrap();
        drop(kit());
        import(&ImportOptions { regions: Regions::Isolated, ..options(&["lib"]) }, &["public Kit"]).unwrap();
        assert_eq!(runtime().shared_modules(), Ok(once));
        assert!(once >= 5, "{once}");
    }

    #[test]
    fn environment_without_extensions_answers_and_is_not_checked_in() {
        let _one_at_a_time = begin();
        let without =
            import(&ImportOptions { extensions: false, ..options(&["lib"]) }, &["public Kit"]).unwrap();
        assert_eq!(without.ask(|environment| Ok(environment.contains("Nat"))), Ok(true));
        assert_eq!(without.check(HEADER, &CheckOptions::new()), Err(LeanError::NoExtensions));
    }

    #[test]
    fn debug_of_what_is_shared_calls_no_lean() {
        let _one_at_a_time = begin();
        let environment: SharedEnvironment = kit();
        assert!(format!("{environment:?}").starts_with("SharedEnvironment"));
    }
}
