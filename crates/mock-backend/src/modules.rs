//! How many modules an import list brings in.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use pool_core::Names as Imports;

use crate::data::{DataError, error, number, rows};

/// Modules and their direct imports, as measured.
#[derive(Clone, Debug)]
pub struct ModuleGraph {
    /// Where each module stands in the other two.
    places: HashMap<String, usize>,
    bytes: Vec<u64>,
    imports: Vec<Vec<usize>>,
    /// How many modules `Lean` brings in: what lists outside the graph are counted from.
    of_lean: u64,
    /// What each module brings in, a bit for each, 64 in a word: made when it is first wanted.
    closures: OnceLock<Vec<u64>>,
}

/// What an import list brings in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// How many modules.
    pub modules: u64,
    /// Bytes of their `.olean` files, as far as they are in the graph.
    pub bytes: u64,
    /// Whether the list names modules outside the graph, so that the number is an assumption.
    pub assumed: bool,
}

const MOST_ASSUMED: u64 = 7_000;
const PER_UNKNOWN_MODULE: u64 = 250;

impl ModuleGraph {
    /// The modules of Init, Std, Lean and Batteries for Lean 4.27.0.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the table is part of this crate and tested")]
    pub fn lean_4_27() -> Self {
        let text = include_str!("../data/modules-lean-4.27.0.tsv");
        Self::parse("modules-lean-4.27.0.tsv", text).expect("the table shipped with this crate is sound")
    }

    /// Reads a table: a line for each module with its name, bytes, and imports separated by spaces.
    ///
    /// # Errors
    /// With the line that is not of that form, or names a module twice.
    pub fn parse(table: &str, text: &str) -> Result<Self, DataError> {
        let (mut places, mut bytes, mut names) = (HashMap::new(), Vec::new(), Vec::new());
        for row in rows(table, text, "module, bytes and imports, separated by tabs") {
            let (line, [name, size, imports]) = row?;
            bytes.push(number(table, line, size)?);
            names.push(imports);
            if places.insert(name.to_owned(), bytes.len() - 1).is_some() {
                return Err(error(table, line, format!("expected each module once, found '{name}' again")));
            }
        }
        // An import of what the table doesn't have brings in nothing that was measured.
        let known =
            |names: &str| names.split_whitespace().filter_map(|name| places.get(name).copied()).collect();
        let imports = names.into_iter().map(known).collect();
        let mut graph = Self { places, bytes, imports, of_lean: 0, closures: OnceLock::new() };
        graph.of_lean = graph.count(["Lean"].into_iter());
        Ok(graph)
    }

    /// The modules' names, in the table's order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names = vec![""; self.places.len()];
        self.places.iter().for_each(|(name, &place)| names[place] = name);
        names
    }

    /// What `imports` brings in. A list that names `u` modules outside the graph counts as the closure of `Lean` and
    /// 250 `u` more, at most 7 000; one with `Mathlib` itself as 7 000.
    #[must_use]
    pub fn closure(&self, imports: &Imports) -> Closure {
        let (modules, bytes) = self.reach(imports.iter());
        let unknown: HashSet<&str> = imports.iter().filter(|name| !self.places.contains_key(*name)).collect();
        if unknown.is_empty() {
            return Closure { modules, bytes, assumed: false };
        }
        let more = PER_UNKNOWN_MODULE.saturating_mul(unknown.len() as u64);
        let assumed = if unknown.contains("Mathlib") { MOST_ASSUMED } else { self.of_lean + more };
        Closure { modules: assumed.min(MOST_ASSUMED), bytes, assumed: true }
    }

    /// As [`closure`](ModuleGraph::closure), without its bytes: how many modules `imports` brings in, and whether that is an
    /// assumption. Much quicker.
    #[must_use]
    pub fn modules(&self, imports: &Imports) -> (u64, bool) {
        if imports.iter().all(|name| self.places.contains_key(name)) {
            return (self.count(imports.iter()), false);
        }
        let Closure { modules, assumed, .. } = self.closure(imports);
        (modules, assumed)
    }

    /// How many modules are reached from `roots`.
    fn count<'a>(&self, roots: impl Iterator<Item = &'a str>) -> u64 {
        let words = self.bytes.len().div_ceil(64);
        let closures = self.closures.get_or_init(|| self.all_closures(words));
        let mut reached = vec![0_u64; words];
        for place in roots.filter_map(|name| self.places.get(name)) {
            let of = &closures[place * words..(place + 1) * words];
            reached.iter_mut().zip(of).for_each(|(all, one)| *all |= one);
        }
        reached.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn all_closures(&self, words: usize) -> Vec<u64> {
        let mut closures: Vec<u64> = Vec::with_capacity(words * self.bytes.len());
        for root in 0..self.bytes.len() {
            let (mut reached, mut todo) = (vec![0_u64; words], vec![root]);
            while let Some(place) = todo.pop() {
                if reached[place / 64] >> (place % 64) & 1 == 1 {
                    continue;
                }
                match closures.get(place * words..(place + 1) * words) {
                    Some(known) => reached.iter_mut().zip(known).for_each(|(all, one)| *all |= one),
                    None => {
                        reached[place / 64] |= 1 << (place % 64);
                        todo.extend(&self.imports[place]);
                    }
                }
            }
            closures.extend(reached);
        }
        closures
    }

    /// How many modules are reached from `roots`, and their bytes.
    fn reach<'a>(&self, roots: impl Iterator<Item = &'a str>) -> (u64, u64) {
        let mut seen = vec![false; self.bytes.len()];
        let mut todo: Vec<usize> = roots.filter_map(|name| self.places.get(name).copied()).collect();
        let (mut count, mut bytes) = (0, 0);
        while let Some(place) = todo.pop() {
            if !std::mem::replace(&mut seen[place], true) {
                (count, bytes) = (count + 1, bytes + self.bytes[place]);
                todo.extend(&self.imports[place]);
            }
        }
        (count, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(names: &[&str]) -> (u64, bool) {
        let closure = ModuleGraph::lean_4_27().closure(&Imports::new(names));
        (closure.modules, closure.assumed)
    }

    #[test]
    fn closures_have_as_many_modules_as_lean_reports() {
        assert_eq!(modules(&["Init"]), (502, false));
        assert_eq!(modules(&["Lean"]), (1826, false));
        assert_eq!(modules(&["Init", "Lean", "Init"]), (1826, false), "a module counts once");
        assert_eq!(modules(&[]), (0, false));
    }

    #[test]
    fn every_measured_list_has_as_many_modules_as_lean_reported() {
        let graph = ModuleGraph::lean_4_27();
        let table = include_str!("../data/import-costs-lean-4.27.0.tsv");
        for row in rows::<8>("costs", table, "eight columns").skip(1) {
            let (line, [imports, _, _, reported, ..]) = row.unwrap();
            let closure = graph.closure(&imports.split(' ').collect());
            assert_eq!(
                (closure.modules.to_string().as_str(), closure.assumed),
                (reported, false),
                "line {line}"
            );
        }
    }

    #[test]
    fn modules_outside_the_graph_are_assumed_and_said_to_be() {
        assert_eq!(modules(&["Init", "No.Such"]), (2076, true));
        assert_eq!(modules(&["Init", "No.Such", "No.Such"]), (2076, true), "a name counts once");
        assert_eq!(modules(&["A", "B", "C"]), (2576, true));
        assert_eq!(modules(&["Init", "Mathlib"]), (7000, true));
        let many: Vec<String> = (0..100).map(|i| format!("Mathlib.M{i}")).collect();
        assert_eq!(ModuleGraph::lean_4_27().closure(&Imports::new(&many)).modules, 7000);
    }

    #[test]
    fn the_quick_count_is_that_of_the_closure_also_where_imports_go_in_circles() {
        let lean = ModuleGraph::lean_4_27();
        let circle = ModuleGraph::parse("t", "A\t1\tB\nB\t1\tC D\nC\t1\tA\nD\t1\t\nE\t1\tC").unwrap();
        for graph in [lean, circle] {
            let names = graph.names();
            for pair in names.windows(2).chain(names.chunks(1)) {
                let imports = Imports::new(pair);
                let Closure { modules, assumed, .. } = graph.closure(&imports);
                assert_eq!(graph.modules(&imports), (modules, assumed), "{pair:?}");
            }
        }
    }

    #[test]
    fn names_come_in_the_tables_order() {
        let names = ["C", "A", "B"];
        assert_eq!(ModuleGraph::parse("t", "C\t1\t\nA\t1\tC\nB\t1\tA").unwrap().names(), names);
    }

    #[test]
    fn a_bad_table_says_where_and_what() {
        let err = |text| ModuleGraph::parse("t.tsv", text).unwrap_err().to_string();
        assert_eq!(err("A\t1\t\nB\tx\tA"), "t.tsv, line 2: expected a number, found 'x'");
        assert_eq!(err("A\t1\t\nA\t1\t"), "t.tsv, line 2: expected each module once, found 'A' again");
        assert_eq!(
            err("A 1"),
            "t.tsv, line 1: expected module, bytes and imports, separated by tabs, found 1 column(s)"
        );
    }
}
