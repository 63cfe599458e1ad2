//! Traces in all formats, as they are and compressed: what is accepted can be used, times don't run backwards, a limit or sample is what is left of the whole, an error names
//! a place, and memory is in proportion to the file.

use std::io::Write as _;

use leanpool::mock_backend::Regions;
use leanpool::trace::{Columns, Format, ReadOptions, Trace, TraceError};

const WORDS: &[&str] = &[
    "\t",
    ",",
    "\n",
    " ",
    "#",
    "time",
    "key",
    "size",
    "cost",
    "obj_id",
    "Init",
    "Lean",
    "\"",
    "seconds\tkey\tsize\tcost\n",
    "time,key,size\n",
    "0 65536 0 0\n",
    "\u{feff}",
    "4294967295",
    "0.5",
    "\0\0\0\0",
];

fn seeds() -> Vec<Vec<u8>> {
    let record = |time: u32, object: u64, size: u32| {
        [&time.to_le_bytes()[..], &object.to_le_bytes(), &size.to_le_bytes(), &(-1_i64).to_le_bytes()]
            .concat()
    };
    let records = [record(0, 1, 7), record(1, 2, 7), record(1, 1, 7)].concat();
    let texts: [&[u8]; 7] = [
        b"0\tInit\n60\tInit Lean\n90.5\tInit\n",
        b"time\tkey\tsize\tcost\n0\tInit\t7\t0.5\n1\tLean\t8\t2\n",
        b"0,a\n1,b\n1,a\n",
        b"time,obj_id,obj_size\n0,a,7\n1,\"b\",8\n",
        b"# blocks\n1 4 0 0\n2 1 0 1\n",
        &records,
        b"",
    ];
    // What is read how: a byte for the format, one for columns, one for what is left of it.
    let all = (0..=4).flat_map(|format| texts.iter().map(move |text| [&[format, 0, 0][..], text].concat()));
    all.chain(texts.iter().map(|text| [&[0, 3, 9][..], text].concat())).collect()
}

fn options(head: &[u8]) -> ReadOptions {
    let format = match head[0] % 5 {
        0 => None,
        at => Some(Format::ALL[usize::from(at) - 1].1),
    };
    let columns = match head[1] % 4 {
        1 => Some(Columns { time: None, key: 1, size: None, cost: None }),
        2 => Some(Columns { time: Some(1), key: 2, size: Some(3), cost: Some(4) }),
        3 => Some(Columns { time: Some(2), key: 1, size: None, cost: Some(1000) }),
        _ => None,
    };
    ReadOptions { format, columns, ..ReadOptions::default() }
}

fn said(error: &TraceError, length: usize) -> String {
    let words = error.to_string();
    assert!(words.starts_with("t"), "it names the trace: {words}");
    if matches!(error, TraceError::Malformed { .. }) {
        let place = words.strip_prefix("t:").or_else(|| words.strip_prefix("t, record "));
        assert!(
            place.is_some_and(|place| place.starts_with(|c: char| c.is_ascii_digit())),
            "no place: {words}"
        );
    }
    fuzz::kind(&words, length)
}

fn sound(trace: &Trace) {
    assert!(!trace.is_empty() && trace.len() == trace.requests().len());
    assert!(
        (1..trace.len()).all(|place| trace.nanos(place - 1) <= trace.nanos(place)),
        "time runs backwards"
    );
    let keys = trace.keys();
    assert_eq!(trace.costs(Regions::Shared).len(), keys.len());
    let mut next = 0;
    for &key in trace.requests() {
        assert!(key <= next, "keys are in the order of their first use");
        next = next.max(key + 1);
    }
    assert_eq!(next as usize, keys.len(), "each key is asked for");
}

fuzz::target!(traces, seeds, WORDS, 2000, |bytes: &[u8]| {
    let Some((head, text)) = bytes.split_at_checked(3) else { return String::new() };
    let options = options(head);
    // A run of blocks is a line of a trace and up to 65536 requests.
    let runs = text.split(|&byte| byte == b'\n').count() as u64;
    let read =
        fuzz::within(text.len(), 400, 200_000 + runs * (40 << 20), || Trace::parse_with("t", text, &options));
    match read {
        Err(error) => said(&error, text.len()),
        Ok(trace) if trace.distinct_keys() > 3000 => "large".to_owned(),
        Ok(trace) => {
            sound(&trace);
            let part = ReadOptions {
                skip: u64::from(head[2] % 4),
                limit: Some(1 + u64::from(head[2] / 4 % 8)),
                sample: (head[2] > 200).then_some(0.5),
                ..options
            };
            let (read, left) = (Trace::parse_with("t", text, &part), trace.clone().reduced(&part));
            match (&read, &left) {
                (Ok(read), Ok(left)) => {
                    // Of a key whose size changes, the part has another first one.
                    let may_differ = trace.changed_sizes() > 0;
                    assert!(may_differ || read.is_same_as(left), "{read:?}, and then: {left:?}");
                }
                (Err(_), Err(_)) => {}
                _ => panic!("read in part: {read:?}, and then: {left:?}"),
            }
            format!("{} {} {}", trace.has_lists(), trace.len().min(4), trace.distinct_keys().min(4))
        }
    }
});

fn compressed_seeds() -> Vec<Vec<u8>> {
    let text = b"0\tInit\n60\tInit Lean\n90.5\tInit\n".to_vec();
    let many: Vec<u8> = (0..3000).flat_map(|at| format!("{at}\tInit M{}\n", at % 7).into_bytes()).collect();
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let zstd =
        |text: &[u8]| ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest);
    let block = |last: u32| (((1_u32 << 17) << 3 | 1 << 1 | last).to_le_bytes()[..3]).to_vec();
    let run = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38][..], &block(0), b"#", &block(1), b"#"].concat();
    vec![gzip(&text), gzip(&many), zstd(&text), zstd(&many), [zstd(&text), zstd(b"91\tInit\n")].concat(), run]
}

fuzz::target!(
    compressed,
    compressed_seeds,
    &["\u{1f}", "\0\0\0\0", "\x00\x01\x02"],
    400,
    |bytes: &[u8]| {
        // The first bytes are those that are looked at: without them there is nothing to try.
        let magic: &[u8] = if bytes.first().is_some_and(|byte| byte % 2 == 1) {
            &[0x1f, 0x8b]
        } else {
            &[0x28, 0xb5, 0x2f, 0xfd]
        };
        let bytes = [magic, bytes.get(magic.len()..).unwrap_or_default()].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        std::fs::write(&path, &bytes).unwrap();
        // A window of Zstandard may have 100 MB.
        match fuzz::within(bytes.len(), 2000 * 40, 400 << 20, || {
            Trace::read_with(&path, &ReadOptions { format: Some(Format::Leanpool), ..ReadOptions::default() })
        }) {
            Ok(trace) => {
                sound(&trace);
                "read".to_owned()
            }
            Err(error) => fuzz::kind(&error.to_string().replace(&*path.to_string_lossy(), ""), bytes.len()),
        }
    }
);
