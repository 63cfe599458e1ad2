//! Records whose fields are columns, by place or by name, and the format `csv`, which has nothing else.

use std::cell::Cell;
use std::io::BufRead;
use std::rc::Rc;
use std::str::from_utf8;

use super::bounds::{Rationed, too_long};
use super::{Builder, Place, Record, Wrong, nanos, shortened};
use crate::trace::format::Columns;

/// Whether a field of the first line is the name of a column, and no number.
pub(super) fn is_name(field: &str) -> bool {
    field.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// The format `csv`.
pub(super) fn comma_separated(
    input: impl BufRead,
    builder: &mut Builder<'_>,
    place: &mut Place,
) -> Result<(), Wrong> {
    let longest = builder.bounds.line;
    let left = Rc::new(Cell::new(longest));
    let input = Rationed { input, left: left.clone() };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut columns = builder.options.columns;
    let mut is_first = true;
    loop {
        // The reader itself has read a little further.
        left.set(longest);
        *place = Place::Line(reader.position().line());
        let more = reader.read_byte_record(&mut record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(_) if left.get() == 0 => too_long(longest),
            csv::ErrorKind::Io(error) => Wrong::Unreadable(error),
            _ => Wrong::Problem("this is not CSV".to_owned()),
        })?;
        *place = Place::Line(record.position().map_or(0, csv::Position::line));
        if !more {
            return Ok(());
        }
        if record.as_slice().len() > longest {
            return Err(too_long(longest));
        }
        if std::mem::take(&mut is_first) {
            let names: Vec<&str> = record.iter().filter_map(|field| from_utf8(field).ok()).collect();
            let time = columns.map_or(Some(1), |columns| columns.time);
            let is_header = time.and_then(|time| names.get(time - 1)).is_some_and(|name| is_name(name));
            if is_header {
                columns = columns.or_else(|| Columns::of_header(names.into_iter()));
                continue;
            }
        }
        let fields = Columns { size: (record.len() > 2).then_some(3), ..Columns::TIME_AND_KEY };
        let columns = *columns.get_or_insert(fields);
        if builder.request(&columned(|place| record.get(place), columns)?)?.is_break() {
            return Ok(());
        }
    }
}

/// A record with columns of which some are named.
pub(super) fn columned<'a>(
    field: impl Fn(usize) -> Option<&'a [u8]>,
    columns: Columns,
) -> Result<Record<'a>, String> {
    let of = |what: &str, column: usize| {
        field(column - 1).ok_or_else(|| format!("there is no column {column}, which is to have the {what}"))
    };
    let seconds =
        |what: &str, column: Option<usize>| column.map(|column| of(what, column).and_then(nanos)).transpose();
    let size = |column| {
        let text = of("size", column)?;
        let number = from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        number.ok_or_else(|| format!("the size '{}' is not a whole number of bytes", shortened(text)))
    };
    Ok(Record {
        nanos: seconds("time", columns.time)?,
        key: of("key", columns.key)?,
        size: columns.size.map(size).transpose()?,
        cost: seconds("cost", columns.cost)?,
    })
}
