//! The formats in which traces are written, and telling them apart.

use std::fmt;
use std::str::FromStr;

use super::nearest;

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A line for each request: seconds, a tab, the names of an import list separated by one space.
    Leanpool,
    /// A line for each request, with commas between its columns. Its keys are texts, not lists.
    Csv,
    /// libCacheSim's `oracleGeneral`: 24 bytes for each request, little-endian: seconds (u32), object (u64), bytes (u32), and when it
    /// is next asked for (i64), which is not read.
    OracleGeneral,
    /// The text in which the traces of Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache" (FAST 2003) are given: lines
    /// `FIRST_BLOCK BLOCKS IGNORED REQUEST`, each a request for every block of a run, of 65536 at most.
    Arc,
}

impl Format {
    /// All, by the names that the command line has for them.
    pub const ALL: [(&'static str, Self); 4] = [
        ("leanpool", Self::Leanpool),
        ("csv", Self::Csv),
        ("oracle-general", Self::OracleGeneral),
        ("arc", Self::Arc),
    ];

    /// What a record of it looks like, for errors.
    pub(super) fn form(self) -> &'static str {
        match self {
            Self::Leanpool => {
                "expected lines of the form 'SECONDS<tab>NAME NAME …', such as '60<tab>Init Lean' (another format is \
                 named by --format, columns by --columns)"
            }
            Self::Csv => {
                "expected lines such as '60,some-key' (SECONDS,KEY) or '60,some-key,4096' (with bytes); other columns are \
                 named by --columns, such as time=1,key=2,size=3,cost=4"
            }
            Self::OracleGeneral => {
                "expected records of 24 bytes: seconds (u32), object (u64), bytes (u32), next request (i64), little-endian"
            }
            Self::Arc => "expected lines 'FIRST_BLOCK BLOCKS IGNORED REQUEST', such as '4096 8 0 1'",
        }
    }

    /// What a file that begins so is most likely written in. One that is none of these is read as `leanpool`, so that the error says
    /// what is expected.
    pub(super) fn seen_from(head: &[u8]) -> Self {
        let is_text = |byte: &u8| *byte >= b' ' || b"\t\n\r".contains(byte);
        if !head.iter().all(is_text) {
            return if looks_like_records(head) { Self::OracleGeneral } else { Self::Leanpool };
        }
        let lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        let first = lines.next().unwrap_or_default();
        let is_number = |field: &&[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
        let fields: Vec<&[u8]> = first.split(|&byte| byte == b' ').collect();
        let comma = first.iter().position(|&byte| byte == b',');
        let tab = first.iter().position(|&byte| byte == b'\t');
        match (comma, tab) {
            (Some(comma), tab) if tab.is_none_or(|tab| comma < tab) => Self::Csv,
            (None, None) if fields.len() == 4 && fields.iter().all(is_number) => Self::Arc,
            _ => Self::Leanpool,
        }
    }
}

/// Whether the first records have times that don't run backwards and sizes that are not absurd.
fn looks_like_records(head: &[u8]) -> bool {
    let word =
        |record: &[u8], at: usize| record[at..at + 4].iter().rev().fold(0, |n, &b| n << 8 | u32::from(b));
    let records: Vec<&[u8]> = head.chunks_exact(24).collect();
    let forwards = records.windows(2).all(|pair| word(pair[0], 0) <= word(pair[1], 0));
    !records.is_empty() && forwards && records.iter().all(|record| word(record, 12) < 1 << 31)
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(|(name, _)| name);
        let found = Self::ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, format)| format).ok_or_else(|| nearest::no_such("format", name, &names))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.into_iter().find(|(_, format)| format == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// Which column, counted from 1, has what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Seconds since the first request or any other point in time, with a fraction if need be. Without it a request is a second.
    pub time: Option<usize>,
    /// What is asked for.
    pub key: usize,
    /// Bytes: the weight.
    pub size: Option<usize>,
    /// Seconds that opening takes.
    pub cost: Option<usize>,
}

impl Columns {
    pub(super) const TIME_AND_KEY: Self = Self { time: Some(1), key: 2, size: None, cost: None };

    /// What a line of names says; `None` if none of them means a key.
    pub(super) fn of_header<'a>(names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let (mut columns, mut key) = (Self { time: None, key: 0, size: None, cost: None }, None);
        for (place, name) in (1..).zip(names) {
            match &*name.trim().to_ascii_lowercase() {
                "time" | "seconds" | "timestamp" => columns.time = Some(place),
                "key" | "imports" | "id" | "obj_id" | "object" | "obj" => key = Some(place),
                "size" | "weight" | "bytes" | "obj_size" => columns.size = Some(place),
                "cost" => columns.cost = Some(place),
                _ => {}
            }
        }
        columns.key = key?;
        Some(columns)
    }
}

impl FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const NAMES: [&str; 4] = ["time", "key", "size", "cost"];
        let mut found = [None; 4];
        for part in text.split(',') {
            let (name, number) = part
                .split_once('=')
                .ok_or_else(|| format!("'{}': expected NAME=NUMBER, such as key=2", part.escape_debug()))?;
            let place = NAMES.iter().position(|known| *known == name.trim());
            let place = place.ok_or_else(|| nearest::no_such("column", name.trim(), &NAMES))?;
            let number = number.trim().parse().ok().filter(|number| (1..=1000).contains(number));
            let number: usize = number.ok_or_else(|| {
                format!("'{}': expected a column's number, from 1 to 1000", part.escape_debug())
            })?;
            if found[place].replace(number).is_some() {
                return Err(format!("'{}': {} is named twice", part.escape_debug(), name.trim()));
            }
        }
        let key = found[1].ok_or("no column is the key; name it, such as key=2")?;
        Ok(Self { time: found[0], key, size: found[2], cost: found[3] })
    }
}
