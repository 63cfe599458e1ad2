//! Where and when: what numbers are worth nothing without.

use std::fs::read_to_string;
use std::process::Command;

use crate::options::Options;

/// Machine, compiler, date and how long was measured, as a Markdown list.
#[must_use]
pub fn facts(options: &Options) -> String {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!(
        "- Machine: {cores} cores, {model}, load {load} at the start\n\
         - Compiler: {rustc}\n\
         - Date: {date}\n\
         - Each subject had {rounds} turns of about {turn:?}, in turn with the others of its table, 11 where turns are passes over all \
         entries; the median counts\n",
        load = load.join(" "),
        rustc = output("rustc", &["--version"]),
        date = output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        rounds = options.effort.rounds,
        turn = options.effort.turn,
    )
}

/// The last commit that changed pool-core, and whether something there is not committed.
#[must_use]
pub fn commit() -> String {
    let core = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/pool-core");
    let commit = output("git", &["-C", core, "log", "-1", "--format=%h", "--", "."]);
    let changes = output("git", &["-C", core, "status", "--porcelain", "--", "."]);
    if changes.is_empty() { commit } else { format!("{commit}, with changes") }
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(|_| "unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
