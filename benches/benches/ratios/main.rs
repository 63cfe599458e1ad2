//! What the pool costs beside its peers, as ratios that hold on any machine, and which targets are reached.
//!
//! `cargo bench -p benches --bench ratios -- [--quick] [--markdown FILE] [SECTION…]`. With `--test` it only sees that all of it runs.

mod contention;
mod growth;
mod lease;
mod memory;
mod ours;
mod peers;
mod policies;
mod waiting;

use std::process::ExitCode;

use benches::options::Options;
use benches::report::Report;
use benches::{machine, results};

type Section = (&'static str, fn(&Options, &mut Report));

const SECTIONS: [Section; 6] = [
    ("lease", lease::measure),
    ("growth", growth::measure),
    ("policies", policies::measure),
    ("waiting", waiting::measure),
    ("contention", contention::measure),
    ("memory", memory::measure),
];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("ratios: {message}");
            return ExitCode::from(2);
        }
    };
    let head = head(&options);
    println!("{head}");
    if options.is_smoke() {
        println!("This only sees that all runs: the numbers mean nothing.");
    }
    let mut report = Report::default();
    for (name, measure) in SECTIONS {
        if options.wants(name) {
            measure(&options, &mut report);
        }
    }
    if let Some(file) = &options.markdown {
        // What other benches wrote stays.
        let written = results::rewrite(file, |old| results::with_others(&report.markdown(&head), old));
        if let Err(error) = written {
            eprintln!("ratios: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The command, machine, compiler and date, as Markdown.
fn head(options: &Options) -> String {
    format!(
        "# What the pool costs, beside its peers\n\n\
         Written by `cargo bench -p benches --bench ratios -- --markdown benches/RESULTS.md`; pool-core as of commit {commit}.\n\n\
         {facts}\n\
         The machine is shared with other work: nanoseconds come and go, ratios within a table are what counts. Names\n\
         mean import names: a key of 20 names is a list like those at the top of a Lean file.\n",
        commit = machine::commit(),
        facts = machine::facts(options),
    )
}
