//! Memory: bytes of bookkeeping, counted by an allocator in a process of its own (`src/bin/bookkeeping.rs`).

use std::process::Command;

use benches::options::Options;
use benches::report::Report;

pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section("Memory: bytes of bookkeeping");
    report.note(
        "Bytes that the pool has allocated, by entry or key, with the resource (8 bytes) and without the key's own text, which is \
         shared with the caller. *Peak*: while the tables grew. Vectors double, so just after a doubling it is twice \
         what it is just before: 1 000 is just before one, 10 000 a third of the way.",
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_bookkeeping"));
    command.args(if options.is_smoke() { &["100"][..] } else { &["1000", "10000"] });
    let output = command.output().expect("cargo built it");
    assert!(output.status.success(), "bookkeeping: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let rows: Vec<Vec<String>> =
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    report.table(&["", "how many", "bytes each", "peak"], &rows);
}
