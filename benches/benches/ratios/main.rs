//! What the pool costs beside its peers, as ratios that hold on any machine, and which targets are reached.
//!
//! `cargo bench -p benches --bench ratios -- [--quick] [--markdown FILE] [SECTION…]`. With `--test` it only sees that all of it runs.

mod contention;
mod growth;
mod lease;
mod machine;
mod memory;
mod ours;
mod peers;
mod policies;
mod waiting;

use std::path::Path;
use std::process::ExitCode;

use benches::options::Options;
use benches::report::Report;

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
    let head = machine::head(&options);
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
        // cargo runs benches in the folder of their crate; who types the command is in the workspace's.
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        if let Err(error) = std::fs::write(&file, report.markdown(&head)) {
            eprintln!("ratios: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
