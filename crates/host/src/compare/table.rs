//! A comparison for people, for machines, and as charts.

use std::fmt::{self, Display, Formatter};
use std::io;

use super::chart::{Chart, ChartError, Line};
use super::{Comparison, OPTIMUM, Row};

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

    /// A chart for each trace, with the trace's name.
    ///
    /// # Errors
    /// If one can't be drawn.
    pub fn charts(&self) -> Result<Vec<(String, String)>, ChartError> {
        let chart = |trace: &str| {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.trace == trace).collect();
            let lines: Vec<Line> = distinct(rows.iter().map(|row| row.policy.as_str()))
                .into_iter()
                .map(|policy| Line {
                    name: policy.to_owned(),
                    dashed: policy == OPTIMUM,
                    points: rows
                        .iter()
                        .filter(|row| row.policy == policy)
                        .map(|row| (self.shown(row.capacity), row.rebuild_seconds))
                        .collect(),
                })
                .collect();
            let held = if self.hold > 0 { format!(", leases held for {}", self.hold) } else { String::new() };
            let title = format!("{trace}{held}");
            let x_label = if self.by_weight { "idle at most (GiB)" } else { "idle environments at most" };
            Chart { title: &title, x_label, y_label: "rebuild time (seconds)", lines: &lines }.svg()
        };
        distinct(self.rows.iter().map(|row| row.trace.as_str()))
            .into_iter()
            .map(|trace| Ok((trace.to_owned(), chart(trace)?)))
            .collect()
    }

    /// A capacity as people read it: a number, or GiB.
    fn shown(&self, capacity: u64) -> f64 {
        if self.by_weight { capacity as f64 / f64::from(1 << 30) } else { capacity as f64 }
    }
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
        let mut before = None;
        for row in &self.rows {
            let group = (&row.trace, row.capacity);
            if before != Some(group) {
                let unit = if self.by_weight { "GiB idle" } else { "idle" };
                let digits = if self.by_weight { 2 } else { 0 };
                writeln!(
                    f,
                    "{}, {:.digits$} {unit}{}\n  {:<16}{:>9}{:>13}{:>9}{:>11}",
                    row.trace,
                    self.shown(row.capacity),
                    if self.hold > 0 { format!(", held for {}", self.hold) } else { String::new() },
                    "policy",
                    "misses",
                    "seconds",
                    "x Lru",
                    "x optimum",
                )?;
                before = Some(group);
            }
            write!(f, "  {:<16}{:>9}{:>13.1}", row.policy, row.misses, row.rebuild_seconds)?;
            writeln!(f, "{:>9}{:>11}", ratio(row.relative_to_lru), ratio(row.relative_to_optimum))?;
        }
        let cells = distinct(self.rows.iter().map(|row| row.trace.as_str())).len();
        let s = if cells == 1 { "" } else { "s" };
        writeln!(f, "geometric means of seconds, {cells} trace{s}, all capacities")?;
        writeln!(f, "  {:<16}{:>9}{:>18}{:>11}", "policy", "x Lru", "x RejectIncoming", "x optimum")?;
        for mean in &self.geometric_means {
            writeln!(
                f,
                "  {:<16}{:>9}{:>18}{:>11}",
                mean.policy,
                ratio(mean.relative_to_lru),
                ratio(mean.relative_to_reject_incoming),
                ratio(mean.relative_to_optimum),
            )?;
        }
        if self.interrupted {
            writeln!(f, "interrupted: this is what was done so far")?;
        }
        Ok(())
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"))
}
