//! `leanpool key`.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the key of a file's import header, for the request header X-Leanpool-Key that proxies hash on
///
/// Files with the same imports in the same order have the same key: a proxy that hashes on it sends them to the same machine.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let name = args.file.display();
    let mut text = String::new();
    let read = if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(&args.file).map(|all| text = all)
    };
    read.map_err(|error| format!("{name} can't be read: {error}"))?;
    writeln!(std::io::stdout(), "{}", leanpool_serve::key::of_file(&text))?;
    Ok(ExitCode::SUCCESS)
}
