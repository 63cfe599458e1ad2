//! `leanpool completions` and `leanpool man`: files for shells and for `man`, made from what the command line can say.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;

/// Print a file by which a shell completes what is typed after `leanpool`
///
/// For bash, once: leanpool completions bash > ~/.local/share/bash-completion/completions/leanpool
#[derive(clap::Args)]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Print the manual page, or write one page for each command into a folder
///
/// To read it: leanpool man | man -l -
#[derive(clap::Args)]
pub(super) struct Man {
    /// Write leanpool.1, leanpool-check.1 … into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn completions(args: &Completions) -> Result<ExitCode, Box<dyn Error>> {
    // In memory first: the generator panics if it can't write, and whoever reads may have left.
    let mut file = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "leanpool", &mut file);
    io::stdout().write_all(&file)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &Man) -> Result<ExitCode, Box<dyn Error>> {
    // A page for the command `help` would say nothing of its own.
    let command = Cli::command().disable_help_subcommand(true);
    if let Some(folder) = &args.output {
        let failed = |error| format!("the pages can't be written into {}: {error}", folder.display());
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .map_err(failed)?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        io::stdout().write_all(&page)?;
    }
    Ok(ExitCode::SUCCESS)
}
