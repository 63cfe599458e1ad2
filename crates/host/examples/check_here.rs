//! Checks files in this process, with the Lean that it is linked with, and says what was found. For files that one trusts: what they run
//! can end the process. (The command `leanpool check` gives them processes of their own.)
//!
//! `cargo run -p leanpool --features lean --example check_here -- FILE…`

use std::path::PathBuf;
use std::process::ExitCode;

use leanpool::checker::{InHand, Outcome, Settings, check_files};
use leanpool::session::lean_backend::{ImportOptions, Sysroot, UNFINISHED, Unfinished};
use leanpool::{LeanCancellationToken, LeanRuntime};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let runtime = LeanRuntime::init()?;
    let options = ImportOptions::new(Sysroot::find()?).into();
    let (token, in_hand) = (LeanCancellationToken::new(), InHand::default());
    let mut all_well = true;
    // An `exit` that a file runs would be a good end of this program.
    let unfinished = Unfinished::new(|| {
        eprintln!("a file has ended the process: not all files were checked");
        UNFINISHED
    });
    check_files(runtime, &options, &files, &Settings::default(), &token, &in_hand, |report| {
        let name = files[report.place].display();
        match report.outcome {
            Outcome::Checked(checked) => {
                all_well &= checked.is_ok();
                for found in &checked.diagnostics {
                    let place = found.position();
                    let severity = found.severity().as_str();
                    println!("{name}:{}:{}: {severity}: {}", place.line(), place.column(), found.message());
                }
            }
            other => {
                all_well = false;
                println!("{name}: {other:?}");
            }
        }
    })?;
    drop(unfinished);
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
