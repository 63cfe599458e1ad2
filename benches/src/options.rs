//! The command line of `ratios` and of benches like it, and what cargo adds to it.

use std::path::PathBuf;

use crate::rounds::Effort;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to measure.
    pub effort: Effort,
    /// Where to write the tables.
    pub markdown: Option<PathBuf>,
    /// Parts of the names of the only sections that are wanted; all, if there is none.
    pub filters: Vec<String>,
}

impl Options {
    /// From the arguments of the program. `cargo bench` adds `--bench`; without it, and with `--test`, nobody wants
    /// numbers (`cargo bench -- --test`, `cargo test --benches`).
    ///
    /// # Errors
    /// What is wrong with them, with the usage.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut bench, mut test, mut quick, mut markdown) = (false, false, false, None);
        let mut filters = Vec::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => bench = true,
                "--test" => test = true,
                "--quick" => quick = true,
                "--markdown" => markdown = Some(args.next().ok_or(USAGE)?.into()),
                _ if !arg.starts_with('-') => filters.push(arg),
                _ => return Err(format!("what is {arg}? {USAGE}")),
            }
        }
        let effort = match () {
            () if test || !bench => Effort::SMOKE,
            () if quick => Effort::QUICK,
            () => Effort::FULL,
        };
        Ok(Self { effort, markdown, filters })
    }

    /// Whether a section is wanted.
    #[must_use]
    pub fn wants(&self, section: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| section.contains(filter))
    }

    /// Whether only to see that it runs: then nothing large is needed.
    #[must_use]
    pub fn is_smoke(&self) -> bool {
        self.effort.rounds == 1
    }
}

const USAGE: &str = "usage: cargo bench -p … --bench … -- [--quick] [--markdown FILE] [SECTION…]";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, String> {
        Options::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_cargo_adds_is_understood() {
        assert_eq!(parse("--bench").unwrap().effort.rounds, 31);
        assert_eq!(parse("--quick --bench").unwrap().effort.rounds, 5);
        assert!(parse("--test --bench").unwrap().is_smoke() && parse("").unwrap().is_smoke());
        assert_eq!(parse("--markdown a.md --bench").unwrap().markdown, Some("a.md".into()));
        assert!(parse("growth --bench").unwrap().wants("growth") && !parse("growth").unwrap().wants("lease"));
        assert!(parse("").unwrap().wants("lease"));
        assert!(parse("--markdown").is_err() && parse("--quik").is_err());
    }
}
