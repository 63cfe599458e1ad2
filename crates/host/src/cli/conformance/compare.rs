//! Whether two answers are the same.

use std::process::ExitStatus;

use leanpool::lean_worker::{Cause, Ending, Message, Verdict};

use super::reference::Reference;

/// What came of comparing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// The same bytes, and the same exit code.
    Same,
    /// The process ended before the file was done, in the same way.
    Ended,
    /// Something else: what, and its first line in both.
    Different { what: &'static str, by_lean: String, by_pool: String },
}

pub(super) fn compare(reference: &Reference, verdict: &Verdict) -> Compared {
    let different = |what, by_lean: String, by_pool: String| Compared::Different { what, by_lean, by_pool };
    if let Ending::Died(death) = &verdict.ending {
        // What `lean` had not written yet is lost then.
        return if ended_as(reference.json_status, &death.cause) {
            Compared::Ended
        } else {
            different("the end of the process", reference.json_status.to_string(), death.to_string())
        };
    }
    if !matches!(verdict.ending, Ending::Done | Ending::BadHeader) {
        let ending = format!("{:?}", verdict.ending);
        return different("the end of the check", reference.json_status.to_string(), ending);
    }
    // What a program prints past Lean's messages stands among them there, and apart from them in a verdict: in which order is not known.
    let (messages, others): (Vec<&str>, Vec<&str>) =
        reference.json.split_inclusive('\n').partition(|line| Message::of_lean(line).is_some());
    let printed = others.concat() + &reference.errors;
    if sorted_lines(&printed) != sorted_lines(&verdict.output) {
        return different("what programs print", printed, verdict.output.clone());
    }
    let json: String = verdict.messages.iter().map(|message| message.json.clone() + "\n").collect();
    let by_lean = messages.concat();
    if by_lean != json {
        let (by_lean, by_pool) = first_difference(&by_lean, &json);
        return different("objects", by_lean, by_pool);
    }
    let text: String = verdict.messages.iter().map(|message| message.in_text(reference.with_end)).collect();
    let with_others = text.clone() + &others.concat();
    let is_same = match others.is_empty() {
        true => reference.text == text,
        false => sorted_lines(&reference.text) == sorted_lines(&with_others),
    };
    if !is_same {
        let (by_lean, by_pool) = first_difference(&reference.text, &text);
        return different("text", by_lean, by_pool);
    }
    let code = i32::from(!verdict.is_ok());
    if reference.json_status.code() != Some(code) || reference.text_status.code() != Some(code) {
        return different("the exit code", reference.json_status.to_string(), code.to_string());
    }
    Compared::Same
}

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn first_difference(a: &str, b: &str) -> (String, String) {
    let (mut a, mut b) = (a.lines(), b.lines());
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => {}
            (a, b) => {
                let shown = |line: Option<&str>| match line {
                    None => "(nothing more)".to_owned(),
                    Some(line) => line.chars().take(300).collect(),
                };
                return (shown(a), shown(b));
            }
        }
    }
}

fn ended_as(status: ExitStatus, cause: &Cause) -> bool {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    match cause {
        Cause::Exited(code) => status.code() == Some(*code),
        Cause::Signal(number) => signal == Some(*number),
        Cause::StackOverflow => signal.is_some(),
        _ => false,
    }
}
