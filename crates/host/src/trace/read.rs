//! Reading a trace, record by record, in each format: what is kept of it in memory is numbers.

mod bounds;
mod columns;

use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::str::from_utf8;

use pool_core::Names as Imports;

use super::format::{Columns, Format};
use super::input::peek;
use super::interner::{Interner, is_sampled};
use super::times::{MOST_SECONDS, SECOND, Times, nanos_of};
use super::{ReadOptions, Trace, TraceError};
use bounds::{Bounds, next_line};
use columns::{columned, comma_separated, is_name};

/// As much of a beginning as tells a format.
const HEAD: u64 = 4096;

/// Reads all of `input`, which is not compressed.
pub(super) fn read(name: &str, input: impl BufRead, options: &ReadOptions) -> Result<Trace, TraceError> {
    read_within(name, input, options, Bounds::USUAL)
}

fn read_within(
    name: &str,
    input: impl BufRead,
    options: &ReadOptions,
    bounds: Bounds,
) -> Result<Trace, TraceError> {
    let unreadable = |source| TraceError::Unreadable { name: name.to_owned(), source };
    let (head, input) = peek(input, HEAD).map_err(unreadable)?;
    let format = options.format.unwrap_or_else(|| Format::seen_from(&head));
    let mut builder = Builder::new(format, options, bounds);
    let mut place = Place::Line(0);
    let read = match format {
        Format::Leanpool => lines(input, &mut builder, &mut place),
        Format::Csv => comma_separated(input, &mut builder, &mut place),
        Format::OracleGeneral => records(input, &mut builder, &mut place),
        Format::Arc => runs(input, &mut builder, &mut place),
    };
    match read {
        Ok(()) => builder.build(name, format),
        Err(Wrong::Unreadable(source)) => Err(unreadable(source)),
        Err(Wrong::Problem(problem)) => {
            let place = match place {
                Place::Line(line) => format!(":{line}"),
                Place::Record(record) => format!(", record {record}"),
            };
            Err(TraceError::Malformed { name: name.to_owned(), place, problem, form: format.form() })
        }
    }
}

/// Where reading is, from 1.
enum Place {
    Line(u64),
    Record(u64),
}

enum Wrong {
    Unreadable(io::Error),
    Problem(String),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<String> for Wrong {
    fn from(problem: String) -> Self {
        Self::Problem(problem)
    }
}

impl From<&str> for Wrong {
    fn from(problem: &str) -> Self {
        Self::Problem(problem.to_owned())
    }
}

/// What has been read.
struct Builder<'o> {
    options: &'o ReadOptions,
    bounds: Bounds,
    format: Format,
    interner: Interner,
    requests: Vec<u32>,
    times: Times,
    /// The size and the cost that the first request of each key gave.
    said: Vec<(Option<u64>, Option<u64>)>,
    /// Whether any record had a size or a cost.
    any_said: bool,
    /// Requests seen, whatever became of them.
    seen: u64,
    before: u64,
    changed: u64,
}

/// What a record says of one request.
struct Record<'a> {
    nanos: Option<u64>,
    key: &'a [u8],
    size: Option<u64>,
    cost: Option<u64>,
}

impl<'o> Builder<'o> {
    fn new(format: Format, options: &'o ReadOptions, bounds: Bounds) -> Self {
        Self {
            options,
            bounds,
            format,
            interner: Interner::default(),
            requests: Vec::new(),
            times: Times::Whole(Vec::new()),
            said: Vec::new(),
            any_said: false,
            seen: 0,
            before: 0,
            changed: 0,
        }
    }

    /// Takes a request; `Break` once no more are wanted.
    fn request(&mut self, record: &Record<'_>) -> Result<ControlFlow<()>, Wrong> {
        let end = self.options.skip.saturating_add(self.options.limit.unwrap_or(u64::MAX));
        if self.seen >= end {
            return Ok(ControlFlow::Break(()));
        }
        let nanos = record.nanos.unwrap_or(self.seen.min(MOST_SECONDS) * SECOND);
        if nanos < self.before {
            let seconds = |nanos: u64| format!("{}", nanos as f64 / SECOND as f64);
            let (before, now) = (seconds(self.before), seconds(nanos));
            return Err(format!("time runs backwards, from {before} to {now} seconds").into());
        }
        self.before = nanos;
        self.seen += 1;
        if self.seen <= self.options.skip {
            return Ok(ControlFlow::Continue(()));
        }
        if self.options.sample.is_some_and(|rate| !self.is_sampled(record.key, rate)) {
            return Ok(ControlFlow::Continue(()));
        }
        let (key, is_new) = self.interner.number(record.key).ok_or("there are more than 2^32 keys")?;
        if self.requests.len() >= self.bounds.requests {
            return Err(format!(
                "there are more than {} requests: read a part (--skip, --limit), or a sample of the keys (--sample)",
                self.bounds.requests
            )
            .into());
        }
        if key as usize >= self.bounds.keys {
            return Err(format!(
                "there are more than {} different keys: read a part (--skip, --limit), or a sample of them (--sample)",
                self.bounds.keys
            )
            .into());
        }
        self.any_said |= record.size.is_some() || record.cost.is_some();
        if is_new {
            check_key(record.key, self.format)?;
            self.said.push((record.size, record.cost));
        } else if self.any_said && self.said[key as usize] != (record.size, record.cost) {
            self.changed += 1;
        }
        self.requests.push(key);
        self.times.push(nanos);
        Ok(ControlFlow::Continue(()))
    }

    /// By the text of a key, as [`Trace::reduced`] does, however it is written.
    fn is_sampled(&self, key: &[u8], rate: f64) -> bool {
        match self.format {
            Format::OracleGeneral | Format::Arc => {
                let number = key.try_into().map(u64::from_le_bytes).unwrap_or_default();
                is_sampled(itoa::Buffer::new().format(number).as_bytes(), rate)
            }
            Format::Leanpool | Format::Csv => is_sampled(key, rate),
        }
    }

    fn build(self, name: &str, format: Format) -> Result<Trace, TraceError> {
        let name = name.to_owned();
        if self.seen == 0 {
            return Err(TraceError::Empty { name, form: format.form() });
        }
        if self.requests.is_empty() {
            return Err(TraceError::NoneLeft { name, requests: self.seen });
        }
        let lists = format == Format::Leanpool;
        let imports = |key: &[u8]| match format {
            Format::OracleGeneral | Format::Arc => {
                let number = key.try_into().map(u64::from_le_bytes).unwrap_or_default();
                Imports::new([number.to_string()])
            }
            Format::Leanpool | Format::Csv => {
                let text = from_utf8(key).unwrap_or_default();
                if lists { text.split(' ').collect() } else { Imports::new([text]) }
            }
        };
        let mut requests = self.requests;
        requests.shrink_to_fit();
        Ok(Trace {
            name,
            keys: self.interner.iter().map(imports).collect(),
            requests,
            times: self.times,
            costs: self.said.iter().map(|said| said.1).collect(),
            sizes: self.said.iter().map(|said| said.0).collect(),
            lists,
            changed: self.changed,
            sample: self.options.sample.filter(|&rate| rate < 1.0),
        })
    }
}

/// What is wrong with a key, if anything. Asked once for each.
fn check_key(key: &[u8], format: Format) -> Result<(), String> {
    if matches!(format, Format::OracleGeneral | Format::Arc) {
        return Ok(());
    }
    let text = from_utf8(key).map_err(|_| "this is not UTF-8 text".to_owned())?;
    if text.is_empty() {
        return Err("there is no name".to_owned());
    }
    if format == Format::Leanpool && text.split(' ').any(str::is_empty) {
        return Err("a name is empty (a space too many)".to_owned());
    }
    let control = text.chars().find(|char| char.is_control());
    control.map_or(Ok(()), |control| Err(format!("'{}' is in a name", control.escape_debug())))
}

/// The format `leanpool`.
fn lines(mut input: impl BufRead, builder: &mut Builder<'_>, place: &mut Place) -> Result<(), Wrong> {
    let (mut line, mut count) = (Vec::new(), 0);
    let mut columns = builder.options.columns;
    let mut is_first = true;
    while next_line(&mut input, &mut line, &mut count, place, builder.bounds.line)? {
        let fields = |line| <[u8]>::split(line, |&byte: &u8| byte == b'\t');
        if std::mem::take(&mut is_first) {
            let names: Vec<&str> = fields(&line[..]).filter_map(|field| from_utf8(field).ok()).collect();
            if names.len() > 1 && is_name(names[0]) && columns.is_none_or(|columns| columns.time.is_some()) {
                columns = columns.or_else(|| Columns::of_header(names.into_iter()));
                continue;
            }
        }
        let flow = match columns {
            Some(columns) => builder.request(&columned(|place| fields(&line).nth(place), columns)?)?,
            None => {
                let Some(tab) = line.iter().position(|&byte| byte == b'\t') else {
                    return Err("there is no tab".into());
                };
                let (time, key) = (&line[..tab], &line[tab + 1..]);
                if key.is_empty() {
                    return Err("there is no name after the tab".into());
                }
                builder.request(&Record { nanos: Some(nanos(time)?), key, size: None, cost: None })?
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn nanos(field: &[u8]) -> Result<u64, String> {
    if field.starts_with("\u{feff}".as_bytes()) {
        return Err("the file begins with a byte order mark; save it without one".to_owned());
    }
    let text = from_utf8(field).map_err(|_| "this is not UTF-8 text".to_owned())?;
    nanos_of(text).map_err(|problem| format!("'{}' {problem}", shortened(field)))
}

/// The format `oracle-general`.
fn records(mut input: impl BufRead, builder: &mut Builder<'_>, place: &mut Place) -> Result<(), Wrong> {
    for count in 1.. {
        *place = Place::Record(count);
        let mut record = [0; 24];
        let mut filled = 0;
        while filled < record.len() {
            match input.read(&mut record[filled..])? {
                0 if filled == 0 => return Ok(()),
                0 => return Err(format!("the file ends {} bytes too early", 24 - filled).into()),
                more => filled += more,
            }
        }
        let word =
            |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes are four bytes"));
        let record = Record {
            nanos: Some(u64::from(word(0)) * SECOND),
            key: &record[4..12],
            size: Some(u64::from(word(12))),
            cost: None,
        };
        if builder.request(&record)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Most blocks of a line of an ARC trace: more is no request that anybody made.
const MOST_BLOCKS: u64 = 1 << 16;

/// The format `arc`.
fn runs(mut input: impl BufRead, builder: &mut Builder<'_>, place: &mut Place) -> Result<(), Wrong> {
    let (mut line, mut count) = (Vec::new(), 0);
    while next_line(&mut input, &mut line, &mut count, place, builder.bounds.line)? {
        let text = from_utf8(&line).map_err(|_| "this is not UTF-8 text")?;
        let fields: Option<Vec<u64>> =
            text.split_ascii_whitespace().map(|field| field.parse().ok()).collect();
        let Some([first, blocks, ..]) = fields.as_deref() else {
            return Err(format!("'{}' are no numbers of blocks", shortened(&line)).into());
        };
        if *blocks > MOST_BLOCKS {
            return Err(format!("{blocks} blocks are more than {MOST_BLOCKS}").into());
        }
        for block in (0..*blocks).map(|block| first.wrapping_add(block).to_le_bytes()) {
            let record = Record { nanos: None, key: &block, size: None, cost: None };
            if builder.request(&record)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// As much of `text` as fits an error message.
fn shortened(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
