//! Tables and targets: printed as they come, and kept as Markdown.

use std::fmt::Write as _;

/// What was found out so far.
#[derive(Debug, Default)]
pub struct Report {
    markdown: String,
    targets: Vec<String>,
}

impl Report {
    /// A new section.
    pub fn section(&mut self, title: &str) {
        println!("\n== {title}\n");
        let _ = write!(self.markdown, "\n## {title}\n\n");
    }

    /// A paragraph.
    pub fn note(&mut self, text: &str) {
        println!("{text}\n");
        let _ = write!(self.markdown, "{text}\n\n");
    }

    /// A table. The first column is text, the others are numbers.
    pub fn table(&mut self, columns: &[&str], rows: &[Vec<String>]) {
        let widths: Vec<usize> = (0..columns.len())
            .map(|at| {
                let cells = rows.iter().map(|row| row[at].chars().count());
                cells.chain([columns[at].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (at, (cell, &width)) in cells.zip(&widths).enumerate() {
                let _ =
                    if at == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
            }
            line
        };
        println!("{}", line(&mut columns.iter().copied()));
        let _ = writeln!(self.markdown, "| {} |", columns.join(" | "));
        let _ = writeln!(self.markdown, "| --- |{}", " ---: |".repeat(columns.len() - 1));
        for row in rows {
            println!("{}", line(&mut row.iter().map(String::as_str)));
            let _ = writeln!(self.markdown, "| {} |", text(&row.join(" | ")));
        }
        println!();
        self.markdown.push('\n');
    }

    /// Whether `value` is at most `limit`.
    pub fn at_most(&mut self, what: &str, value: f64, limit: f64) {
        self.target(what, value <= limit, &format!("{value:.3}, target at most {limit}"));
    }

    /// Whether `value` is at least `limit`.
    pub fn at_least(&mut self, what: &str, value: f64, limit: f64) {
        self.target(what, value >= limit, &format!("{value:.3}, target at least {limit}"));
    }

    /// What no keyed pool can be below, beside what it should be at most.
    pub fn bound(&mut self, what: &str, value: f64, target: f64) {
        let verdict = if value > target { "out of reach here" } else { "within reach" };
        let line = format!("bound {what}: {value:.3}, so a target of {target} is {verdict}");
        println!("{line}");
        self.targets.push(line);
    }

    fn target(&mut self, what: &str, reached: bool, numbers: &str) {
        let line = format!("target {what}: {} ({numbers})", if reached { "reached" } else { "not reached" });
        println!("{line}");
        self.targets.push(line);
    }

    /// The sections as Markdown, without targets.
    #[must_use]
    pub fn sections(&self) -> &str {
        &self.markdown
    }

    /// All as Markdown, the targets first; `head` is what comes before.
    #[must_use]
    pub fn markdown(&self, head: &str) -> String {
        let targets: String = self.targets.iter().map(|line| format!("- {}\n", text(line))).collect();
        let text = format!("{head}\n## Targets\n\n{targets}{}", self.markdown);
        format!("{}\n", text.trim_end())
    }
}

/// A name as Markdown that is no markup: `Mutex<Vec>` has no tag in it.
fn text(name: &str) -> String {
    name.replace('<', "\\<")
}

/// A number with as many places as it deserves.
#[must_use]
pub fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".to_owned(),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A ratio.
#[must_use]
pub fn ratio(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".to_owned(),
        _ if value < 10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}
