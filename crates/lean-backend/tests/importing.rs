//! Risk: an import that fails is taken for one that did not, or its message is lost; what can be broken off is not; a sink
//! that panics takes the import with it.
#![cfg(any(lean_library, feature = "abi-model"))]

mod support;

use std::sync::Mutex;

use lean_backend::{
    Environment, ImportOptions, LeanCancellationToken, LeanError, LeanExceptionKind, LeanProgressEvent,
    LeanProgressSink, Regions, SharedEnvironment, Sysroot, Watch,
};
use support::{options, runtime, sysroot};

fn import(options: &ImportOptions, imports: &[&str]) -> Result<(u64, u64), LeanError> {
    let environment = SharedEnvironment::import(runtime(), options, imports, &Watch::default())?;
    environment.ask(|environment| Ok((environment.modules(), environment.constants())))
}

fn both_ways() -> [ImportOptions; 2] {
    [Regions::Shared, Regions::Isolated].map(|regions| ImportOptions { regions, ..options() })
}

fn message(error: LeanError) -> String {
    match error {
        LeanError::LeanException { kind: LeanExceptionKind::UserError, message } => message,
        other => panic!("{other:?}"),
    }
}

on_lean! {
    fn import_counts_what_lean_counts() {
        for options in both_ways() {
            let init = import(&options, &["Init"]).unwrap();
            as_measured(init, (502, 44_973));
            assert_eq!(import(&options, &["Init", "Init"]).unwrap(), init);
            assert_eq!(import(&options, &[]).unwrap(), (0, 0), "an empty list is an empty environment");
        }
    }

    fn word_module_is_a_flag_and_no_name() {
        for options in both_ways() {
            as_measured(import(&options, &["module", "public Init"]).unwrap(), (501, 41_969));
        }
    }

    fn huge_list_of_names_is_no_deeper_recursion() {
        let imports = vec!["public Init"; 10_000];
        as_measured(import(&options(), &imports).unwrap(), (502, 44_973));
    }

    fn module_that_is_missing_is_named_with_the_search_path() {
        let sysroot = sysroot();
        let sysroot = sysroot.as_str();
        for options in both_ways() {
            let error = message(import(&options, &["Nope"]).unwrap_err());
            let said = "unknown module prefix 'Nope'\n\nNo directory 'Nope' or file 'Nope.olean' in the search path entries:\n";
            // Between them may be what the environment variable LEAN_PATH adds.
            assert!(error.starts_with(said) && error.ends_with(&format!("\n{sysroot}/lib/lean")), "{error}");
            assert_eq!(
                message(import(&options, &["Init", "Init.Nope"]).unwrap_err()),
                format!("object file '{sysroot}/lib/lean/Init/Nope.olean' of module Init.Nope does not exist")
            );
        }
    }

    fn names_that_are_none_are_refused_by_lean_and_not_by_luck() {
        for options in both_ways() {
            for name in ["", "a\0b", "../etc/passwd", "Init..Core"] {
                let error = message(import(&options, &[name]).unwrap_err());
                assert_eq!(error, "import failed, trying to import module with anonymous name", "{name:?}");
            }
        }
    }

    fn wrong_sysroot_is_an_error_and_spoils_nothing() {
        let wrong = ImportOptions::new(Sysroot::at("/no/such"));
        let error = message(import(&wrong, &["Init"]).unwrap_err());
        assert!(error.starts_with("unknown module prefix 'Init'") && error.contains("/no/such"), "{error}");
        assert!(import(&options(), &["Init"]).is_ok());
    }

    fn import_on_a_thread_of_its_own_gives_the_same_as_on_this_one() {
        let thread = runtime().attach();
        let here = Environment::import(&thread, &options(), &["Init"]).unwrap();
        let there = runtime()
            .run(|thread| Environment::import(thread, &options(), &["Init"]).unwrap().constants())
            .unwrap();
        assert_eq!(here.constants(), there);
        assert_eq!(here.is_current(), Ok(true));
    }

    fn cancelled_before_it_begins_it_imports_nothing() {
        let token = LeanCancellationToken::new();
        token.cancel();
        let watch = Watch { cancellation: Some(&token), progress: None };
        let before = imports_so_far();
        let error = SharedEnvironment::import(runtime(), &options(), &["Init"], &watch).unwrap_err();
        assert_eq!(error, LeanError::Cancelled);
        assert_eq!(imports_so_far(), before);
    }

    fn cancelled_between_two_steps_it_imports_nothing() {
        let token = LeanCancellationToken::new();
        let cancel = |_: LeanProgressEvent| token.cancel();
        let watch = Watch { cancellation: Some(&token), progress: Some(&cancel) };
        let before = imports_so_far();
        let error = SharedEnvironment::import(runtime(), &options(), &["Init"], &watch).unwrap_err();
        assert_eq!(error, LeanError::Cancelled);
        assert_eq!(imports_so_far(), before, "the sink cancelled when it heard of the start");
    }

    fn progress_is_start_and_end_with_phase_and_time() {
        let heard = Mutex::new(Vec::new());
        let sink = |event: LeanProgressEvent| heard.lock().unwrap().push(event);
        let watch = Watch { cancellation: None, progress: Some(&sink as &dyn LeanProgressSink) };
        SharedEnvironment::import(runtime(), &options(), &["Init", "Init"], &watch).unwrap();
        SharedEnvironment::import(runtime(), &options(), &["Nope"], &watch).unwrap_err();
        let heard = heard.into_inner().unwrap();
        let seen: Vec<_> = heard.iter().map(|event| (event.phase, event.current, event.total)).collect();
        assert_eq!(
            seen,
            [
                ("import", 0, Some(2)),
                ("import", 2, Some(2)),
                ("import", 0, Some(1)),
                ("import", 0, Some(1)),
            ],
            "one that fails has come to nothing"
        );
        assert!(heard[0].elapsed <= heard[1].elapsed);
    }

    fn sink_that_panics_hears_no_more_and_the_import_goes_on() {
        let heard = Mutex::new(0);
        let sink = |_: LeanProgressEvent| {
            *heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
            panic!("a sink of no use");
        };
        let watch = Watch { cancellation: None, progress: Some(&sink) };
        let environment = SharedEnvironment::import(runtime(), &options(), &["Init"], &watch).unwrap();
        assert_eq!(environment.ask(|environment| Ok(environment.modules())), Ok(502));
        assert_eq!(*heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner), 1);
    }

    fn modules_that_were_read_are_kept_once() {
        import(&options(), &["Init"]).unwrap();
        let once = runtime().shared_modules().unwrap();
        import(&options(), &["Init"]).unwrap();
        assert_eq!(runtime().shared_modules().unwrap(), once);
        assert!(once >= 502, "{once}");
    }
}

/// As in `lean/TRANSCRIPT.md`. The library measured had no proofs; one with proofs has as many modules, and more constants.
fn as_measured(found: (u64, u64), measured: (u64, u64)) {
    assert_eq!(found.0, measured.0);
    assert!(found.1 == measured.1 || (!cfg!(feature = "abi-model") && found.1 > measured.1), "{found:?}");
}

/// Real Lean does not count; there the error alone has to do.
fn imports_so_far() -> u64 {
    #[cfg(feature = "abi-model")]
    return lean_backend::abi_model::imports();
    #[cfg(not(feature = "abi-model"))]
    0
}

#[cfg(feature = "abi-model")]
mod on_the_abi_model_alone {
    use pool_core::Resource as _;

    use super::*;

    #[test]
    fn where_regions_cannot_be_shared_imports_are_plain_and_it_says_so() {
        let _one_at_a_time = support::begin();
        assert_eq!(runtime().shares_regions(), Ok(true));
        lean_backend::abi_model::set_shares_regions(false);
        let before = runtime().shared_modules().unwrap();
        let imported = support::shared(&["Lean", "Model.M77"]);
        assert_eq!((imported.regions(), runtime().shared_modules()), (Regions::Isolated, Ok(before)));
        assert_eq!((imported.weight(), imported.residue()), (0, imported.bytes_taken()));
        assert_eq!(runtime().shares_regions(), Ok(false));
        lean_backend::abi_model::set_shares_regions(true);
    }

    #[test]
    fn each_kind_of_io_error_keeps_its_name() {
        let _one_at_a_time = support::begin();
        for tag in 0..19_u32 {
            let module = format!("Model.Throws.{tag}");
            let error = import(&options(), &[&module]).unwrap_err();
            let said = format!("thrown by the model (tag {tag})");
            match error {
                LeanError::ResourceExhausted { message } => assert_eq!((tag, &message), (14, &said)),
                LeanError::LeanException { kind, message } => {
                    assert_ne!(kind, LeanExceptionKind::Other);
                    assert_ne!(tag, 14);
                    assert_eq!(message, said);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn message_of_any_length_is_cut() {
        let _one_at_a_time = support::begin();
        let name = "é".repeat(10_000);
        let message = message(import(&options(), &[&name]).unwrap_err());
        assert!(
            message.len() <= lean_backend::MESSAGE_LIMIT && message.len() > lean_backend::MESSAGE_LIMIT - 4
        );
    }
}
