//! A comparison for people, for machines, and as charts.

use std::fmt::{self, Display, Formatter};
use std::io;

use indicatif::HumanCount;

use super::chart::{Chart, ChartError, Line};
use super::{BEST_OFFLINE, Comparison, LOWER_BOUND, Mean, OPTIMUM, Row, TraceSummary};

/// One drawing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Drawing {
    /// A name for its file, without an ending: no two drawings of a comparison have the same, whatever the case of their letters.
    pub file_stem: String,
    /// The text of an SVG file.
    pub svg: String,
}

impl Comparison {
    /// Writes all rows as CSV, with a line of column names.
    ///
    /// # Errors
    /// If `out` can't be written.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        for row in &self.rows {
            writer.serialize(row)?;
        }
        writer.flush()
    }

    /// Two charts for each trace that has rows: of its open seconds, and of its misses.
    ///
    /// # Errors
    /// If one can't be drawn.
    pub fn charts(&self) -> Result<Vec<Drawing>, ChartError> {
        let mut drawings: Vec<Drawing> = Vec::new();
        for summary in &self.traces {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.trace == summary.trace).collect();
            if rows.is_empty() {
                continue;
            }
            let seconds = self.chart(summary, &rows, "open seconds", |row| row.open_seconds)?;
            let misses = self.chart(summary, &rows, "misses", |row| row.misses as f64)?;
            for (svg, what) in [(seconds, ""), (misses, "-misses")] {
                let file_stem = unused(&(plain(&summary.trace) + what), &drawings);
                drawings.push(Drawing { file_stem, svg });
            }
        }
        Ok(drawings)
    }

    fn chart(
        &self,
        summary: &TraceSummary,
        rows: &[&Row],
        y_label: &str,
        value: impl Fn(&Row) -> f64,
    ) -> Result<String, ChartError> {
        let line = |policy: &str| Line {
            name: policy.to_owned(),
            dashed: [OPTIMUM, LOWER_BOUND].contains(&policy),
            points: rows
                .iter()
                .filter(|row| row.policy == policy)
                .map(|row| (self.shown(row.capacity), value(row)))
                .collect(),
        };
        let lines: Vec<Line> =
            distinct(rows.iter().map(|row| row.policy.as_str())).into_iter().map(line).collect();
        let x_label = if self.by_weight { "idle at most (GiB)" } else { "idle environments at most" };
        let title = format!("{}: {y_label}", summary.trace);
        Chart { title: &title, subtitle: &self.subtitle(summary), x_label, y_label, lines: &lines }.svg()
    }

    /// What the numbers of a trace rest on.
    fn subtitle(&self, summary: &TraceSummary) -> String {
        let percent = 100.0 * summary.assumed_requests as f64 / summary.requests.max(1) as f64;
        let mut text = format!(
            "{} requests, {} distinct keys, hold {}, {percent:.1} % of costs assumed",
            HumanCount(summary.requests),
            HumanCount(summary.distinct_keys as u64),
            self.hold,
        );
        if self.warm_up > 0 {
            text += &format!(", after a warm-up of {}", HumanCount(self.warm_up));
        }
        if let Some(rate) = summary.sample {
            text += &format!(", sample of {rate}");
        }
        text
    }

    /// A capacity as people read it: a number, or GiB.
    fn shown(&self, capacity: u64) -> f64 {
        if self.by_weight { capacity as f64 / f64::from(1 << 30) } else { capacity as f64 }
    }
}

/// A name that can be a file's.
fn plain(name: &str) -> String {
    let plain = |char: char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '-' };
    name.chars().map(plain).collect()
}

/// `stem`, or `stem` with a number that makes it no other's.
fn unused(stem: &str, drawings: &[Drawing]) -> String {
    let is_used =
        |stem: &str| drawings.iter().any(|other| other.file_stem.to_lowercase() == stem.to_lowercase());
    if !is_used(stem) {
        return stem.to_owned();
    }
    let numbered = (2_u64..).map(|number| format!("{stem}-{number}"));
    numbered.into_iter().find(|stem| !is_used(stem)).unwrap_or_default()
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let widest = self.rows.iter().map(|row| row.policy.chars().count()).max().unwrap_or(0).max(14) + 2;
        let mut before = None;
        for row in &self.rows {
            let group = (&row.trace, row.capacity);
            if before != Some(group) {
                self.heading(f, row, widest)?;
                before = Some(group);
            }
            let least = row.relative_to_optimum.or(row.relative_to_lower_bound);
            let assumed = row.assumed_opens.map_or_else(|| "-".to_owned(), |count| count.to_string());
            write!(f, "  {:<widest$}{:>9}{:>8}", row.policy, row.misses, ratio(row.misses_relative_to_lru))?;
            write!(f, "{:>14.1}{:>8}", row.open_seconds, ratio(row.relative_to_lru))?;
            writeln!(f, "{:>14}{assumed:>15}", ratio(least))?;
        }
        for summary in &self.traces {
            writeln!(f, "{}: {}", summary.trace, self.subtitle(summary))?;
        }
        let share = 100.0 * self.assumed_opens as f64 / self.opens.max(1) as f64;
        writeln!(
            f,
            "costs are measured where measured, assumed else: {} of {} opens, {share:.1} %",
            HumanCount(self.assumed_opens),
            HumanCount(self.opens),
        )?;
        self.means(f, widest)?;
        if self.rows.iter().any(|row| row.policy == LOWER_BOUND) {
            let misses = if self.by_weight { "" } else { " (its misses are exact)" };
            writeln!(f, "{LOWER_BOUND}: no policy can do better, perhaps none as well{misses}")?;
        }
        if self.rows.iter().any(|row| row.policy == BEST_OFFLINE) {
            writeln!(f, "{BEST_OFFLINE}: the best that was found which knows the future and a pool can do")?;
        }
        if self.interrupted {
            writeln!(f, "interrupted: this is what was done so far")?;
        }
        Ok(())
    }
}

/// What a table of means is of, what its last column is, and its columns.
type Columns<'a> = (&'a str, &'a str, &'a dyn Fn(&Mean) -> [Option<f64>; 3]);

impl Comparison {
    fn heading(&self, f: &mut Formatter<'_>, row: &Row, widest: usize) -> fmt::Result {
        let unit = if self.by_weight { "GiB idle" } else { "idle" };
        let digits = if self.by_weight { 2 } else { 0 };
        let held = if self.hold > 0 { format!(", held for {}", self.hold) } else { String::new() };
        let requests = HumanCount(row.requests);
        writeln!(
            f,
            "{}, {:.digits$} {unit}{held}, {requests} requests",
            row.trace,
            self.shown(row.capacity)
        )?;
        let least = if row.relative_to_lower_bound.is_some() { "x lower bound" } else { "x optimum" };
        write!(
            f,
            "  {:<widest$}{:>9}{:>8}{:>14}{:>8}",
            "policy", "misses", "x Lru", "open seconds", "x Lru"
        )?;
        writeln!(f, "{least:>14}{:>15}", "assumed opens")
    }

    fn means(&self, f: &mut Formatter<'_>, widest: usize) -> fmt::Result {
        let means = &self.geometric_means;
        if means.policies.is_empty() {
            return writeln!(f, "no geometric means: no capacity of a trace was finished by every policy");
        }
        let traces = distinct(self.rows.iter().map(|row| row.trace.as_str())).len();
        let s = if traces == 1 { "" } else { "s" };
        let (cells, all) = (means.cells, means.of_cells);
        let over = if cells == all {
            format!("{traces} trace{s}, all capacities")
        } else {
            format!("the {cells} of {all} cells (a trace at a capacity) that every policy finished")
        };
        let is_bound = means.policies.iter().any(|mean| mean.relative_to_lower_bound.is_some());
        let least = if is_bound { "x lower bound" } else { "x optimum" };
        let seconds = |mean: &Mean| {
            let least = mean.relative_to_optimum.or(mean.relative_to_lower_bound);
            [mean.relative_to_lru, mean.relative_to_reject_incoming, least]
        };
        let misses = |mean: &Mean| {
            [
                mean.misses_relative_to_lru,
                mean.misses_relative_to_reject_incoming,
                mean.misses_relative_to_least,
            ]
        };
        // The fewest misses of idle environments are exact whatever is known of seconds.
        let fewest = if self.by_weight { "x lower bound" } else { "x optimum" };
        let tables: [Columns<'_>; 2] = [("open seconds", least, &seconds), ("misses", fewest, &misses)];
        for (what, least, columns) in tables {
            writeln!(f, "geometric means of {what}, {over}")?;
            writeln!(f, "  {:<widest$}{:>9}{:>18}{least:>15}", "policy", "x Lru", "x RejectIncoming")?;
            for mean in &means.policies {
                let [lru, reject, least] = columns(mean).map(ratio);
                writeln!(f, "  {:<widest$}{lru:>9}{reject:>18}{least:>15}", mean.policy)?;
            }
        }
        Ok(())
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"))
}

#[cfg(test)]
mod tests {
    use crate::compare::{Capacity, Options, compare};
    use crate::trace::Trace;

    #[test]
    fn no_two_drawings_go_to_one_file() {
        let names = ["a b", "a-b", "A?b", "a-b-misses", "x/y.tsv", "z/y.tsv"];
        let trace =
            |(place, name): (usize, &&str)| Trace::parse(name, &format!("0\tInit M{place}\n")).unwrap();
        let traces: Vec<Trace> = names.iter().enumerate().map(trace).collect();
        let options = Options { capacities: vec![Capacity::Count(1)], ..Options::default() };
        let drawings = compare(&traces, &options).charts().unwrap();
        let mut stems: Vec<String> =
            drawings.iter().map(|drawing| drawing.file_stem.to_lowercase()).collect();
        assert_eq!(stems.len(), 12);
        stems.sort_unstable();
        stems.dedup();
        assert_eq!(stems.len(), 12, "{stems:?}");
    }
}
