//! Risk: checking many files in this process says that all is well where it is not, loses a file, or imports more than it must.
#![cfg(all(unix, feature = "lean", any(lean_linked, feature = "abi-model")))]
#![cfg_attr(
    not(any(lean_library, feature = "abi-model")),
    allow(dead_code, unused_imports, reason = "the official runtime runs some of it")
)]

#[cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]
#[path = "support/by_lean.rs"]
mod by_lean;

use std::path::{Path, PathBuf};
use std::time::Duration;

use leanpool::checker::{FileReport, InHand, Outcome, Settings, Summary, check_files};
use leanpool::session::lean_backend::{ImportOptions, Sysroot};
use leanpool::{LeanCancellationToken, LeanRuntime};

/// A folder of files to check.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Checks files by their names: the reports by place, each file's once, and the summary.
    fn check(&self, names: &[&str], settings: &Settings, search_path: &[&str]) -> (Vec<Outcome>, Summary) {
        self.check_until(names, settings, search_path, &LeanCancellationToken::new(), |_| ())
    }

    fn check_until(
        &self,
        names: &[&str],
        settings: &Settings,
        search_path: &[&str],
        token: &LeanCancellationToken,
        mut each: impl FnMut(&FileReport),
    ) -> (Vec<Outcome>, Summary) {
        let search_path =
            search_path.iter().map(|path| self.path().join(path).to_str().unwrap().to_owned()).collect();
        let options = ImportOptions { search_path, ..ImportOptions::new(sysroot()) };
        let files: Vec<PathBuf> = names.iter().map(|name| self.path().join(name)).collect();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; files.len()];
        let runtime = LeanRuntime::init().unwrap();
        let in_hand = InHand::default();
        let summary = check_files(runtime, &options.into(), &files, settings, token, &in_hand, |report| {
            each(&report);
            assert!(outcomes[report.place].replace(report.outcome).is_none(), "one report a file");
        })
        .unwrap();
        assert!(in_hand.places().is_empty());
        (outcomes.into_iter().map(Option::unwrap).collect(), summary)
    }
}

fn sysroot() -> Sysroot {
    if cfg!(feature = "abi-model") { Sysroot::at("/model") } else { Sysroot::find().unwrap() }
}

/// Line, column, severity and text of the first thing said.
fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Checked(checked) => checked.diagnostics.first().map_or_else(String::new, |first| {
            let place = first.position();
            format!("{}:{}: {}: {}", place.line(), place.column(), first.severity().as_str(), first.message())
        }),
        Outcome::Failed(failure) => {
            format!("{}:{}: failed: {}", failure.line, failure.column, failure.message)
        }
        other => format!("{other:?}"),
    }
}

/// Over the small library of modules in `tests/official-lean`. Run by `.ci/official-lean`.
#[cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]
mod on_official_runtime {
    use serde_json::{Value, json};

    use super::by_lean::by_lean;
    use super::*;

    #[test]
    fn library_says_what_lean_says_of_every_text() {
        let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/official-lean/texts");
        let lib = std::env::var("LEANPOOL_KIT").expect("LEANPOOL_KIT: `.ci/official-lean` sets it") + "/lib";
        let mut names: Vec<String> = std::fs::read_dir(&texts)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".lean"))
            .collect();
        names.sort();
        assert!(names.len() >= 27, "{names:?}");
        // A module is named by its path below the working folder, as `lean` does; nothing else runs in this process.
        let texts = texts.canonicalize().unwrap();
        std::env::set_current_dir(&texts).unwrap();
        let all: Vec<String> =
            names.iter().map(|name| texts.join(name).to_str().unwrap().to_owned()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        // All in one process, two at a time, over environments that they share.
        let (outcomes, _) =
            Files::new(&[]).check(&all, &Settings { jobs: 2, ..Settings::default() }, &[&lib]);
        for (name, outcome) in names.iter().zip(outcomes) {
            let expected = by_lean(&texts, &lib, name);
            let checked = match outcome {
                Outcome::Checked(checked) => checked,
                // What keeps a file from being checked has no end, and of an import that fails no place of its own.
                Outcome::Failed(failure) => {
                    let [expected] = &expected[..] else { panic!("{name}: {expected:?}") };
                    assert_eq!(
                        (&Value::from("error"), &Value::from(failure.message)),
                        (&expected[4], &expected[5]),
                        "{name}"
                    );
                    continue;
                }
                other => panic!("{name}: {other:?}"),
            };
            let found: Vec<Value> = checked
                .diagnostics
                .iter()
                .map(|said| {
                    let at = said.position();
                    json!([
                        at.line(),
                        at.column(),
                        at.end_line(),
                        at.end_column(),
                        said.severity().as_str(),
                        said.message()
                    ])
                })
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// Tests of the library on Lean, real or modelled; see `tests/sessions.rs`.
macro_rules! on_lean {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        #[cfg(feature = "abi-model")]
        mod on_the_abi_model { use super::*; $($(#[$attribute])* #[test] fn $name() $body)* }
        #[cfg(all(lean_library, not(feature = "abi-model")))]
        mod on_real_lean { use super::*; $($(#[$attribute])* #[test] fn $name() $body)* }
    };
}

on_lean! {
    fn what_lean_says_has_its_place_and_the_rest_go_on() {
        let files = Files::new(&[
            ("good.lean", b"import Lean\n#check Nat\n"),
            ("bad.lean", b"example := oops\n"),
            ("missing_import.lean", b"import Nope\n"),
            ("not_text.lean", b"-- ok\n\xff\xfe"),
            ("bad_header.lean", b"import"),
            ("warning.lean", b"theorem t : 1 = 1 := sorry"),
        ]);
        let names =
            ["good.lean", "bad.lean", "missing_import.lean", "not_text.lean", "bad_header.lean", "nowhere.lean", "warning.lean"];
        for jobs in [1, 2, 8] {
            let (outcomes, summary) = files.check(&names, &Settings { jobs, ..Settings::default() }, &[]);
            let expected = [
                "2:0: info: Nat : Type",
                "1:11: error: Unknown identifier `oops`",
                "1:0: failed: unknown module prefix 'Nope'",
                "2:0: failed: the file is not UTF-8",
                "1:6: failed: unexpected end of input; expected identifier",
                "1:0: failed: the file can't be read",
                "1:8: warning: declaration uses 'sorry'",
            ];
            for (outcome, expected) in outcomes.iter().zip(expected) {
                assert!(said(outcome).starts_with(expected), "{outcome:?} is not {expected}");
            }
            assert_eq!((summary.pool.opened(), summary.is_stuck), (2, false));
        }
    }

    fn files_with_one_header_share_one_import_whatever_their_order() {
        let files = Files::new(&[
            ("a1.lean", b"import Lean\n#check Nat"),
            ("b1.lean", b"#check Nat"),
            ("a2.lean", b"import Lean\n-- another\n#check Nat"),
            ("b2.lean", b"#check Nat"),
        ]);
        for jobs in [1, 3] {
            let settings = Settings { jobs, capacity: 1, ..Settings::default() };
            let (_, summary) = files.check(&["a1.lean", "b1.lean", "a2.lean", "b2.lean"], &settings, &[]);
            assert_eq!((summary.pool.opened(), summary.pool.acquired()), (2, 4));
        }
    }

    fn file_named_twice_is_checked_twice() {
        let files = Files::new(&[("a.lean", b"#check Nat")]);
        let (outcomes, _) = files.check(&["a.lean", "a.lean"], &Settings::default(), &[]);
        assert_eq!(outcomes.iter().map(said).collect::<Vec<_>>(), ["1:0: info: Nat : Type"; 2]);
    }

    fn timeout_of_a_file_ends_its_check_and_the_next_one_is_checked() {
        let endless = "example : 1 + 1 = 2 := rfl\n".repeat(20_000) + "-- until cancelled\n";
        let files = Files::new(&[("endless.lean", endless.as_bytes()), ("next.lean", b"#check Nat")]);
        let settings = Settings { timeout: Some(Duration::from_millis(50)), ..Settings::default() };
        let (outcomes, _) = files.check(&["endless.lean", "next.lean"], &settings, &[]);
        let Outcome::Checked(checked) = &outcomes[0] else { panic!("{outcomes:?}") };
        assert_eq!(checked.ended, leanpool::session::Ended::TimedOut);
        // On a slow machine the next may be over its time as well, which is not what is tested.
        assert!(matches!(outcomes[1], Outcome::Checked(_)), "{outcomes:?}");
    }

    fn modules_of_the_search_path_are_found() {
        // Real Lean reads what is in them, so there the error is another one.
        let files = Files::new(&[("lib/Own.olean", b"no module"), ("own.lean", b"import Own")]);
        let unknown = |search_path: &[&str]| {
            let (outcomes, _) = files.check(&["own.lean"], &Settings::default(), search_path);
            said(&outcomes[0]).contains("unknown module prefix")
        };
        assert_eq!((unknown(&[]), unknown(&["lib"])), (true, false));
    }

    fn cancelling_ends_it_and_every_file_is_reported() {
        let files = Files::new(&[("a.lean", b"#check Nat")]);
        let token = LeanCancellationToken::new();
        let other = token.clone();
        let (outcomes, _) =
            files.check_until(&["a.lean"; 50], &Settings::default(), &[], &token, |_| other.cancel());
        assert!(matches!(outcomes.last().unwrap(), Outcome::Cancelled), "{outcomes:?}");
    }
}
