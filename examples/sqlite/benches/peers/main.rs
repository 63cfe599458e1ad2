//! The pool of the example beside r2d2_sqlite and deadpool-sqlite: what a hit costs, and what it takes to hold a bound over many databases.
//!
//! `cargo bench -p sqlite-pool-example --bench peers -- [--quick] [--markdown FILE]`. With `--test` it only sees that all of it runs.

#[path = "../../tests/support/census.rs"]
mod census;
mod clock;
mod many;
mod one;
mod pools;

use std::process::ExitCode;

use benches::options::Options;
use benches::report::Report;
use benches::{machine, results};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("peers: {message}");
            return ExitCode::from(2);
        }
    };
    // Two threads for tasks, as this machine has processors. deadpool-sqlite closes its connections in the runtime that it finds: so all is in one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    let runtime = runtime.expect("a runtime can be had");
    let _in_it = runtime.enter();
    let folder = tempfile::tempdir().expect("a folder can be made");

    let mut report = Report::default();
    report.section(results::SQLITE);
    report.note(&format!(
        "Written by `cargo bench -p sqlite-pool-example --bench peers -- --markdown benches/RESULTS.md`; pool-core as of commit {}.",
        machine::commit()
    ));
    report.note(machine::facts(&options).trim_end());
    report.note(pools::SETTINGS);
    one::measure(&options, runtime.handle(), folder.path(), &mut report);
    many::measure(&options, runtime.handle(), folder.path(), &mut report);
    if options.is_smoke() {
        println!("This only saw that all runs: the numbers mean nothing.");
    }
    if let Some(file) = &options.markdown {
        let section = report.sections();
        let written = results::rewrite(file, |old| results::with_section(old, results::SQLITE, section));
        if let Err(error) = written {
            eprintln!("peers: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
