//! What an import takes.

use std::collections::HashMap;

use pool_core::Names as Imports;

use crate::data::{DataError, error, number, rows};
use crate::modules::ModuleGraph;

/// What opening one environment takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cost {
    /// Nanoseconds.
    pub nanos: u64,
    /// Bytes that dropping it gives back.
    pub weight: u64,
    /// Bytes that it leaves for good.
    pub residue: u64,
    /// Whether this rests on the assumption about modules that were not measured.
    pub assumed: bool,
}

/// How a second import of the same modules gets its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regions {
    /// Loaded regions are shared between imports.
    Shared,
    /// Plain `Lean.importModules`: every import copies all regions, and nobody frees them.
    Isolated,
}

/// Cost as a straight line over the number of modules, never below 5 ms and 2 MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Milliseconds for each module.
    pub ms_per_module: f64,
    /// Milliseconds to add.
    pub ms_offset: f64,
    /// KiB of private memory for each module.
    pub kib_per_module: f64,
    /// KiB to add.
    pub kib_offset: f64,
}

const LEAST_MS: f64 = 5.0;
const LEAST_KIB: f64 = 2048.0;

impl Line {
    /// Nanoseconds for so many modules.
    #[must_use]
    pub fn nanos(&self, modules: u64) -> u64 {
        let ms = self.ms_per_module * modules as f64 + self.ms_offset;
        (ms.max(LEAST_MS) * 1e6).round() as u64
    }

    /// Bytes for so many modules.
    #[must_use]
    pub fn bytes(&self, modules: u64) -> u64 {
        let kib = self.kib_per_module * modules as f64 + self.kib_offset;
        (kib.max(LEAST_KIB) * 1024.0).round() as u64
    }

    /// The line for an import that repeats modules which the process has loaded before.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the table is part of this crate and tested")]
    pub fn again(regions: Regions) -> Self {
        let regions = match regions {
            Regions::Shared => "shared",
            Regions::Isolated => "isolated",
        };
        let table = "lines-lean-4.27.0.tsv";
        let text = include_str!("../data/lines-lean-4.27.0.tsv");
        Self::parse(table, text, regions, 2).expect("the table shipped with this crate is sound")
    }

    /// Reads the line for the `nth` import with `regions` from a table.
    fn parse(table: &str, text: &str, regions: &str, nth: u32) -> Result<Self, DataError> {
        for row in rows::<6>(table, text, "six columns separated by tabs").skip(1) {
            let (at, cells) = row?;
            if cells[0] == regions && number::<u32>(table, at, cells[1])? == nth {
                let cell = |column: usize| number::<f64>(table, at, cells[column]);
                let (ms_per_module, ms_offset) = (cell(2)?, cell(3)?);
                return Ok(Self { ms_per_module, ms_offset, kib_per_module: cell(4)?, kib_offset: cell(5)? });
            }
        }
        Err(error(table, text.lines().count(), format!("expected a line for {regions}, import {nth}")))
    }
}

/// Says what each import takes.
#[derive(Clone, Debug)]
pub enum CostModel {
    /// The same for all.
    Constant(Cost),
    /// As measured for some lists, and by another model for the rest.
    PerKey {
        /// The lists that were measured.
        costs: HashMap<Imports, Cost>,
        /// For all others.
        otherwise: Box<CostModel>,
    },
    /// From the number of modules that a list brings in.
    Modules {
        /// What brings in what.
        graph: ModuleGraph,
        /// What dropping the environment gives back.
        given_back: Line,
        /// What the import takes.
        taken: Line,
    },
}

impl CostModel {
    /// The straight lines through what was measured on Lean 4.27.0, for modules that the process has loaded before.
    ///
    /// With isolated regions, what an import takes beyond what one with shared regions takes counts as residue: the
    /// difference is the copied regions, which nobody frees, while the rest (constant table, extension states) are
    /// ordinary objects either way. Measured: dropping every environment gave back 40–60 MB of 1.9 GB.
    #[must_use]
    pub fn measured(regions: Regions) -> Self {
        let given_back = Line::again(Regions::Shared);
        Self::Modules { graph: ModuleGraph::lean_4_27(), given_back, taken: Line::again(regions) }
    }

    /// The 123 import lists that were measured one by one, each at its second import, and
    /// [`measured`](CostModel::measured) for the rest.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the table is part of this crate and tested")]
    pub fn measured_per_key(regions: Regions) -> Self {
        let text = include_str!("../data/import-costs-lean-4.27.0.tsv");
        let costs = per_key("import-costs-lean-4.27.0.tsv", text, regions);
        let costs = costs.expect("the table shipped with this crate is sound");
        Self::PerKey { costs, otherwise: Box::new(Self::measured(regions)) }
    }

    /// What opening `imports` takes.
    #[must_use]
    pub fn cost(&self, imports: &Imports) -> Cost {
        match self {
            Self::Constant(cost) => *cost,
            Self::PerKey { costs, otherwise } => {
                costs.get(imports).copied().unwrap_or_else(|| otherwise.cost(imports))
            }
            Self::Modules { graph, given_back, taken } => {
                let (modules, assumed) = graph.modules(imports);
                let (weight, all) = (given_back.bytes(modules), taken.bytes(modules));
                let weight = weight.min(all);
                Cost { nanos: taken.nanos(modules), weight, residue: all - weight, assumed }
            }
        }
    }
}

/// One line of the table of measured imports.
struct Measured<'a> {
    imports: &'a str,
    regions: &'a str,
    nth: u32,
    ms: f64,
    kib: f64,
}

fn measured_rows<'a>(table: &'a str, text: &'a str) -> impl Iterator<Item = Result<Measured<'a>, DataError>> {
    rows::<8>(table, text, "eight columns separated by tabs").skip(1).map(move |row| {
        let (line, [imports, regions, nth, _, _, ms, kib, _]) = row?;
        Ok(Measured {
            imports,
            regions,
            nth: number(table, line, nth)?,
            ms: number(table, line, ms)?,
            kib: number(table, line, kib)?,
        })
    })
}

fn per_key(table: &str, text: &str, regions: Regions) -> Result<HashMap<Imports, Cost>, DataError> {
    let (mut taken, mut given_back) = (HashMap::new(), HashMap::new());
    for row in measured_rows(table, text) {
        let Measured { imports, regions: of, nth, ms, kib, .. } = row?;
        if nth == 2 {
            let imports: Imports = imports.split(' ').collect();
            let bytes = (kib.max(0.0) * 1024.0) as u64;
            if of == "shared" {
                given_back.insert(imports.clone(), bytes);
            }
            if (of == "shared") == (regions == Regions::Shared) {
                taken.insert(imports, ((ms * 1e6) as u64, bytes));
            }
        }
    }
    let cost = |(imports, (nanos, all)): (Imports, (u64, u64))| {
        let weight = given_back.get(&imports).copied().unwrap_or(all).min(all);
        (imports, Cost { nanos, weight, residue: all - weight, assumed: false })
    };
    Ok(taken.into_iter().map(cost).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Least squares: slope and offset.
    fn fit(points: &[(f64, f64)]) -> (f64, f64) {
        let n = points.len() as f64;
        let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let xy: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        let xx: f64 = points.iter().map(|p| (p.0 - x) * (p.0 - x)).sum();
        (xy / xx, y - xy / xx * x)
    }

    #[test]
    fn the_lines_are_those_through_the_measurements() {
        let (costs, lines) = (
            include_str!("../data/import-costs-lean-4.27.0.tsv"),
            include_str!("../data/lines-lean-4.27.0.tsv"),
        );
        let graph = ModuleGraph::lean_4_27();
        for (regions, nth) in [("shared", 2), ("isolated", 2)] {
            let line = Line::parse("lines", lines, regions, nth).unwrap();
            let rows: Vec<_> = measured_rows("costs", costs)
                .map(Result::unwrap)
                .filter(|row| row.regions == regions && row.nth == nth)
                .map(|row| (graph.closure(&row.imports.split(' ').collect()).modules as f64, row))
                .collect();
            assert_eq!(rows.len(), 123);
            let ms: Vec<_> = rows.iter().map(|(modules, row)| (*modules, row.ms)).collect();
            let kib: Vec<_> = rows.iter().map(|(modules, row)| (*modules, row.kib)).collect();
            let near = |a: f64, b: f64| (a - b).abs() <= 0.02 * b.abs().max(1.0);
            let ((slope, offset), (kib_slope, kib_offset)) = (fit(&ms), fit(&kib));
            assert!(near(slope, line.ms_per_module) && near(offset, line.ms_offset), "{slope} {offset}");
            assert!(near(kib_slope, line.kib_per_module), "{kib_slope}");
            assert!(near(kib_offset, line.kib_offset), "{kib_offset}");
        }
    }

    #[test]
    fn isolated_imports_leave_what_shared_ones_do_not() {
        let lean = Imports::new(["Init", "Lean"]);
        let shared = CostModel::measured(Regions::Shared).cost(&lean);
        let isolated = CostModel::measured(Regions::Isolated).cost(&lean);
        assert_eq!((shared.nanos, shared.residue), (428_804_000, 0));
        assert_eq!(isolated.nanos, 1_696_856_000);
        assert_eq!(isolated.weight, shared.weight, "the same objects are given back");
        assert!(isolated.residue > 1_300_000_000, "{isolated:?}");
    }

    #[test]
    fn small_imports_cost_no_less_than_the_floor() {
        let none = CostModel::measured(Regions::Isolated).cost(&Imports::new([""; 0]));
        assert_eq!((none.nanos, none.weight, none.residue), (5_000_000, 2 << 20, 0));
    }

    #[test]
    fn a_list_that_was_measured_costs_what_was_measured() {
        let model = CostModel::measured_per_key(Regions::Shared);
        let init = model.cost(&Imports::new(["Init"]));
        assert_eq!((init.nanos, init.weight, init.residue), (94_000_000, 31_804 * 1024, 0));
        let isolated = CostModel::measured_per_key(Regions::Isolated).cost(&Imports::new(["Init"]));
        assert_eq!((isolated.weight, isolated.weight + isolated.residue), (31_804 * 1024, 200_600 * 1024));
        let other = Imports::new(["Init", "Init"]);
        assert_eq!(model.cost(&other), CostModel::measured(Regions::Shared).cost(&other));
    }
}
