//! How fast traces are read: `cargo run --release -p leanpool --example reading TEXT COMPRESSED...` reads a trace and compressed copies of it
//! three times each, and prints megabytes of the text (or records) a second, medians.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use leanpool::trace::Trace;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let Some(Ok(text)) = files.first().map(std::fs::metadata) else {
        eprintln!(
            "name a trace that is not compressed, and then compressed copies of it: reading TEXT COMPRESSED..."
        );
        return ExitCode::from(2);
    };
    for file in &files {
        let mut seconds = [0.0; 3];
        let mut requests = 0;
        for seconds in &mut seconds {
            let before = Instant::now();
            match Trace::read(Path::new(file)) {
                Ok(trace) => requests = trace.len(),
                Err(error) => {
                    eprintln!("{error}");
                    return ExitCode::FAILURE;
                }
            }
            *seconds = before.elapsed().as_secs_f64();
        }
        seconds.sort_by(f64::total_cmp);
        println!("{file}: {requests} requests, {:.0} MB/s", text.len() as f64 / 1e6 / seconds[1]);
    }
    ExitCode::SUCCESS
}
