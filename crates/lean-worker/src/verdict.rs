//! What came of a check: what Lean said, and how it ended.

use crate::protocol::{Exit, Message, Record, Sandbox, Severity};

/// What came of one file. Every check has exactly one. The default one is that of an empty file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What Lean said, in its order; what was said before a death is here, too.
    pub messages: Vec<Message>,
    /// What was asked beside messages, in the order in which it came.
    pub records: Vec<Record>,
    /// Whether Lean counts an error, which may be one that it does not print.
    pub has_errors: bool,
    /// How long it took, if it came to its end.
    pub spent: Option<Spent>,
    /// What went to the process's own output past Lean's streams, as far as it was kept.
    pub output: String,
    /// How it ended.
    pub ending: Ending,
    /// What the child was kept in, if a child got so far.
    pub sandbox: Option<Sandbox>,
}

impl Verdict {
    /// One of which nothing is known but how it ended.
    #[must_use]
    pub fn without_messages(ending: Ending) -> Self {
        Self { ending, ..Self::default() }
    }

    /// Whether the file was checked to its end and has no error: what `lean` ends with 0 for. It says that Lean elaborated the file, and nothing of what
    /// the file did meanwhile to be believed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.ending == Ending::Done
            && !self.has_errors
            && !self.messages.iter().any(|message| message.severity == Severity::Error)
    }
}

/// How long a check took in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Microseconds by the clock, without the import.
    pub micros: u64,
    /// Microseconds of processor.
    pub cpu_micros: u64,
}

/// How a check ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Lean went through the whole file.
    #[default]
    Done,
    /// The header can't be imported, or is wrong: the messages say why.
    BadHeader,
    /// Its time was over. `killed`: it did not come back by itself within the grace.
    TimedOut {
        /// Whether it had to be killed.
        killed: bool,
    },
    /// It was cancelled.
    Cancelled,
    /// It was not begun, as all was cancelled before.
    NotBegun,
    /// The process that ran it ended before it was done.
    Died(Death),
    /// It could not be checked: in words, with what to do.
    Failed(String),
}

/// Why a process ended before its check was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// What ended it.
    pub cause: Cause,
    /// What it wrote last, cut at 16 KiB.
    pub output: String,
}

/// What ended a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It ended itself, with this code.
    Exited(i32),
    /// A signal.
    Signal(i32),
    /// It recursed too deeply.
    StackOverflow,
    /// It wanted more memory than it may have, in bytes, if there was a limit.
    Memory(Option<u64>),
    /// It had more processor time than it may have, in seconds, if that is known.
    Processor(Option<u64>),
    /// It wrote a larger file than it may.
    FileSize,
    /// It said more than is kept.
    Flood,
    /// It said what it may not say: a wrong line, a message of another file.
    Protocol(String),
    /// It could not be forked.
    NoFork,
    /// It is not known: nobody says how it ended.
    Unknown,
}

/// How many lines of a process's last words are shown.
const SHOWN_LINES: usize = 5;

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_words("checked", "file"))
    }
}

impl Death {
    /// In words, where the process `did` (past tense) a `what`.
    pub(crate) fn in_words(&self, did: &str, what: &str) -> String {
        let process = format!("the process that {did} this {what}");
        let mut said = match &self.cause {
            Cause::Exited(code) => format!(
                "{process} ended with exit code {code} before it was done: something in the {what} calls `IO.Process.exit`"
            ),
            Cause::Signal(number) => format!("{process} was ended by signal {number}{}", name(*number)),
            Cause::StackOverflow => format!("a stack overflow ended {process}"),
            Cause::Memory(None) => format!("{process} ran out of memory"),
            Cause::Memory(Some(limit)) => {
                format!("{process} wanted more memory than the {} MiB that it may have", limit >> 20)
            }
            Cause::Processor(None) => format!("{process} had all of its processor time"),
            Cause::Processor(Some(seconds)) => {
                format!("{process} had all of its processor time, {seconds} s")
            }
            Cause::FileSize => format!("{process} wrote a larger file than it may"),
            Cause::Flood => format!("this {what} says more than is kept; its process was ended"),
            Cause::Protocol(said) => {
                format!("{process} was ended, as it does not keep to the protocol: {said}")
            }
            Cause::NoFork => format!(
                "no process could be forked for this {what}: memory or the limit on processes (`ulimit -u`) is used up"
            ),
            Cause::Unknown => format!("{process} ended, and nothing says why"),
        };
        // The first of them say what was wrong; what follows are traces of thousands of lines.
        let words: Vec<&str> = self.output.trim().lines().take(SHOWN_LINES).collect();
        if !words.is_empty() {
            said.push_str(". Its last words: ");
            said.push_str(&words.join("\n"));
        }
        said
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL, as the system sends it where memory runs out)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

impl Death {
    /// Reads the signs of how a process ended. `memory` and `cpu` are its limits, in bytes and seconds.
    pub(crate) fn of(exit: &Exit, memory: Option<u64>, cpu: Option<u64>) -> Self {
        let said = |words: &[&str]| words.iter().any(|word| exit.output.contains(word));
        let near = |limit: u64| exit.maxrss.saturating_mul(1024) >= limit / 4 * 3;
        let cause = match exit.signal {
            24 => Cause::Processor(cpu),
            25 => Cause::FileSize,
            9 if cpu.is_some() && memory.is_none_or(|limit| !near(limit)) => Cause::Processor(cpu),
            _ if said(&["out of memory", "failed to create thread", "cannot allocate memory"]) => {
                Cause::Memory(memory)
            }
            _ if said(&["deep recursion", "Stack overflow", "stack overflow"]) => Cause::StackOverflow,
            0 if memory.is_some_and(near) && exit.code != 0 => Cause::Memory(memory),
            0 => Cause::Exited(exit.code),
            _ if memory.is_some_and(near) => Cause::Memory(memory),
            signal => Cause::Signal(signal),
        };
        Self { cause, output: exit.output.clone() }
    }

    pub(crate) fn without_words(cause: Cause) -> Self {
        Self { cause, output: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn death_is_read_from_its_signs_and_said_in_words() {
        let exit =
            |code, signal, maxrss, output: &str| Exit { code, signal, maxrss, output: output.to_owned() };
        let cases = [
            (exit(0, 0, 10, ""), Cause::Exited(0), "IO.Process.exit"),
            (exit(-1, 9, 10, ""), Cause::Signal(9), "SIGKILL"),
            (exit(-1, 6, 10, "deep recursion was detected"), Cause::StackOverflow, "stack overflow"),
            (exit(-1, 11, 10, ""), Cause::Signal(11), "SIGSEGV"),
            (exit(1, 0, 10, "INTERNAL PANIC: out of memory"), Cause::Memory(Some(1 << 30)), "1024 MiB"),
            (exit(1, 0, 900 << 10, ""), Cause::Memory(Some(1 << 30)), "1024 MiB"),
            (exit(-1, 6, 900 << 10, "terminate"), Cause::Memory(Some(1 << 30)), "terminate"),
            (exit(-1, 24, 10, ""), Cause::Processor(None), "processor time"),
            (exit(-1, 25, 10, ""), Cause::FileSize, "larger file"),
        ];
        for (exit, cause, words) in cases {
            let death = Death::of(&exit, Some(1 << 30), None);
            assert_eq!(death.cause, cause, "{exit:?}");
            assert!(death.to_string().contains(words), "{death}");
        }
        assert_eq!(
            Death::of(&exit(-1, 9, 10, ""), None, Some(3)).cause,
            Cause::Processor(Some(3)),
            "the hard limit kills"
        );
    }
}
