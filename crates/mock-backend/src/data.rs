//! Reading tables of measurements.

/// A table that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}, line {line}: {expected}")]
pub struct DataError {
    /// What the table is called.
    pub table: String,
    /// The line, from 1.
    pub line: usize,
    /// What should be there.
    pub expected: String,
}

/// The lines of a tab-separated table with their numbers, each split into exactly `N` columns.
pub(crate) fn rows<'a, const N: usize>(
    table: &'a str,
    text: &'a str,
    columns: &'a str,
) -> impl Iterator<Item = Result<(usize, [&'a str; N]), DataError>> {
    text.lines().enumerate().map(move |(index, row)| {
        let cells: Vec<&str> = row.split('\t').collect();
        let found = cells.len();
        match cells.try_into() {
            Ok(cells) => Ok((index + 1, cells)),
            Err(_) => Err(error(table, index + 1, format!("expected {columns}, found {found} column(s)"))),
        }
    })
}

pub(crate) fn number<T: std::str::FromStr>(table: &str, line: usize, cell: &str) -> Result<T, DataError> {
    cell.parse().map_err(|_| error(table, line, format!("expected a number, found '{cell}'")))
}

pub(crate) fn error(table: &str, line: usize, expected: String) -> DataError {
    DataError { table: table.to_owned(), line, expected }
}
