use super::*;
use crate::trace::Request;

fn parse(text: &str) -> Result<Trace, TraceError> {
    Trace::parse_with("t.tsv", text.as_bytes(), &ReadOptions::default())
}

fn problem(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// Seconds, key, and cost in seconds and weight of each request.
fn all(trace: &Trace) -> Vec<(f64, String, f64, u64)> {
    let costs = trace.costs(mock_backend::Regions::Shared);
    let request = |(Request { nanos, imports }, &key): (Request<'_>, &u32)| {
        let cost = costs[key as usize];
        (nanos as f64 / 1e9, imports.to_string(), cost.nanos as f64 / 1e9, cost.weight)
    };
    trace.iter().zip(trace.requests()).map(request).collect()
}

fn with(format: Format, bytes: &[u8]) -> Result<Trace, TraceError> {
    Trace::parse_with("t", bytes, &ReadOptions { format: Some(format), ..ReadOptions::default() })
}

#[test]
fn each_malformed_line_is_named_with_what_is_wrong_and_what_was_expected() {
    for (line, says) in [
        ("5 Init", "there is no tab"),
        ("x\tInit", "'x' is not a number of seconds"),
        ("-1\tInit", "'-1' is not a number of seconds"),
        ("+1\tInit", "'+1' is not a number of seconds"),
        ("1e9\tInit", "'1e9' is not a number of seconds"),
        ("\tInit", "'' is not a number of seconds"),
        ("99999999999999999999\tInit", "'99999999999999999999' is more than 4294967295 seconds (136 years)"),
        ("\u{feff}1\tInit", "the file begins with a byte order mark; save it without one"),
        ("4294967296\tInit", "'4294967296' is more than 4294967295 seconds (136 years)"),
        (&format!("{}\tInit", "x".repeat(99)), &format!("'{}…' is not a number of seconds", "x".repeat(40))),
        ("5\t", "there is no name after the tab"),
        ("5\tInit  Lean", "a name is empty (a space too many)"),
        ("5\tInit ", "a name is empty (a space too many)"),
        ("5\tInit\tLean", "'\\t' is in a name"),
        ("5\tIn\u{7f}it", "'\\u{7f}' is in a name"),
        ("2.5\tInit", "time runs backwards, from 3 to 2.5 seconds"),
    ] {
        let text = format!("0\tInit\n3\tInit Lean\n{line}\n9\tInit\n");
        assert_eq!(problem(&text), format!("t.tsv:3: {says}; {}", Format::Leanpool.form()));
    }
    assert!(problem("").starts_with("t.tsv: the trace is empty; expected lines"));
    assert!(problem("# nothing\n\n").starts_with("t.tsv: the trace is empty; expected lines"));
}

#[test]
fn comments_blank_lines_a_header_fractions_and_line_ends_of_every_kind_are_read() {
    let trace = parse("# made by hand\nseconds\timports\n\n0\tInit\r\n0.25\tInit Lean\n# later\r\n\n7\tInit")
        .unwrap();
    let read: Vec<_> = all(&trace).into_iter().map(|(seconds, key, ..)| (seconds, key)).collect();
    let expected = [(0.0, "Init"), (0.25, "Init Lean"), (7.0, "Init")].map(|(at, key)| (at, key.to_owned()));
    assert_eq!(read, expected);
    assert_eq!((trace.len(), trace.distinct_keys(), trace.has_lists()), (3, 2, true));
}

#[test]
fn a_column_of_sizes_is_the_weight_and_a_column_of_costs_the_cost() {
    let columns = Some("time=1,key=4,size=2,cost=3".parse().unwrap());
    for text in ["0\t10\t0.5\ta b\n1\t20\t2\tc\n2\t11\t0.5\ta b\n", "0,10,0.5,a b\n1,20,2,c\n2,11,0.5,a b"] {
        let trace =
            Trace::parse_with("t", text.as_bytes(), &ReadOptions { columns, ..ReadOptions::default() })
                .unwrap();
        let ab = |at| (at, "a b".to_owned(), 0.5, 10);
        assert_eq!(all(&trace), [ab(0.0), (1.0, "c".to_owned(), 2.0, 20), ab(2.0)]);
        assert!(
            trace.costs(mock_backend::Regions::Shared).iter().all(|cost| !cost.assumed && cost.residue == 0)
        );
        assert_eq!(trace.changed_sizes(), 1, "the last has another size");
    }
    let named = parse("cost\tkey\n3\tx\n").unwrap();
    assert_eq!(all(&named), [(0.0, "x".to_owned(), 3.0, all(&named)[0].3)]);
    for (text, says) in [
        ("0\t10\t1\n", "t:1: there is no column 4, which is to have the key"),
        ("0\tx\t1\ta\n", "t:1: the size 'x' is not a whole number of bytes"),
        ("0\t1\t-1\ta\n", "t:1: '-1' is not a number of seconds"),
    ] {
        let error =
            Trace::parse_with("t", text.as_bytes(), &ReadOptions { columns, ..ReadOptions::default() });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn csv_is_seen_by_its_commas_and_keys_are_texts_that_cost_a_second_which_is_assumed() {
    let expected = [(0.0, "a b".to_owned(), 1.0, 7), (1.5, "c,d".to_owned(), 1.0, 9)];
    for text in [
        "0,a b,7\n1.5,\"c,d\",9\n",
        "# x\ntime,obj_id,obj_size\n\n0, a b ,7\r\n1.5,\"c,d\",9",
        "size,key,time\n7,a b,0\n9,\"c,d\",1.5",
    ] {
        let trace = parse(text).unwrap();
        assert_eq!(all(&trace), expected, "{text}");
        assert!(!trace.has_lists() && trace.costs(mock_backend::Regions::Shared)[0].assumed);
    }
    assert_eq!(all(&parse("0,a\n1,b\n").unwrap())[1], (1.0, "b".to_owned(), 1.0, 1));
    assert!(problem("0,a\n1\n").starts_with("t.tsv:2: there is no column 2, which is to have the key"));
    assert!(problem("0,a\nx,b\n").starts_with("t.tsv:2: 'x' is not a number of seconds"));
}

/// A record as libCacheSim writes it.
fn record(time: u32, object: u64, size: u32) -> Vec<u8> {
    [&time.to_le_bytes()[..], &object.to_le_bytes(), &size.to_le_bytes(), &(-1_i64).to_le_bytes()].concat()
}

#[test]
fn oracle_general_is_seen_by_its_records_and_read_to_the_last() {
    let bytes = [record(5, 7, 100), record(5, u64::MAX, 1), record(9, 7, 100)].concat();
    let trace = Trace::parse_with("t", &bytes, &ReadOptions::default()).unwrap();
    let seven = |at| (at, "7".to_owned(), 1.0, 100);
    assert_eq!(all(&trace), [seven(5.0), (5.0, u64::MAX.to_string(), 1.0, 1), seven(9.0)]);
    for (bytes, says) in [
        (&bytes[..70], "t, record 3: the file ends 2 bytes too early; expected records of 24 bytes"),
        (
            &[record(5, 7, 1), record(4, 7, 1)].concat()[..],
            "t, record 2: time runs backwards, from 5 to 4 seconds",
        ),
    ] {
        let error = with(Format::OracleGeneral, bytes).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn arc_traces_are_runs_of_blocks() {
    let trace = parse("100 3 0 0\n101 1 0 1\n").unwrap();
    let keys: Vec<String> = trace.iter().map(|request| request.imports.to_string()).collect();
    assert_eq!(keys, ["100", "101", "102", "101"]);
    let error = with(Format::Arc, b"1 2 0 0\n5 x\n").unwrap_err().to_string();
    assert!(error.starts_with("t:2: '5 x' are no numbers of blocks"), "{error}");
    let error = with(Format::Arc, b"1 99999999999 0 0\n").unwrap_err().to_string();
    assert!(error.starts_with("t:1: 99999999999 blocks are more than 65536"), "{error}");
}

#[test]
fn what_is_skipped_limited_and_sampled_is_what_is_left_whichever_way_it_is_read() {
    let text: String = (0..1000).map(|at| format!("{at}\tInit M{}\n", at * 7 % 100)).collect();
    let whole = Trace::parse("t", &text).unwrap();
    for (skip, limit, sample) in
        [(0, None, None), (10, Some(20), None), (3, None, Some(0.3)), (0, Some(500), Some(1.0))]
    {
        let options = ReadOptions { skip, limit, sample, ..ReadOptions::default() };
        let read = Trace::parse_with("t", text.as_bytes(), &options).unwrap();
        let reduced = whole.clone().reduced(&options).unwrap();
        assert!(read.is_same_as(&reduced), "{options:?}");
        assert_eq!(read.sample(), reduced.sample());
    }
    let part = ReadOptions { skip: 10, limit: Some(2), ..ReadOptions::default() };
    let times: Vec<u64> =
        whole.clone().reduced(&part).unwrap().iter().map(|request| request.nanos / SECOND).collect();
    assert_eq!(times, [10, 11]);
    let half =
        Trace::parse_with("t", text.as_bytes(), &ReadOptions { sample: Some(0.5), ..ReadOptions::default() });
    let half = half.unwrap();
    assert!((30..70).contains(&half.distinct_keys()), "{}", half.distinct_keys());
    assert_eq!(half.len(), 10 * half.distinct_keys(), "of a key all requests are kept, or none");
    let none = ReadOptions { skip: 1000, ..ReadOptions::default() };
    let error = Trace::parse_with("t", text.as_bytes(), &none).unwrap_err().to_string();
    assert!(error.starts_with("t: none of its 1000 requests is left"), "{error}");
}

#[test]
fn a_limit_ends_before_what_is_wrong_further_on() {
    let limit = ReadOptions { limit: Some(1), ..ReadOptions::default() };
    assert_eq!(Trace::parse_with("t", b"0\ta\n1\tb\nwrong\n", &limit).unwrap().len(), 1);
}

#[test]
fn formats_and_columns_that_there_are_not_are_answered_with_what_there_is() {
    let error = "oraclegeneral".parse::<Format>().unwrap_err();
    assert!(error.contains("did you mean oracle-general?"), "{error}");
    for (text, says) in [
        ("tme=1,key=2", "no column has the name 'tme': did you mean time?"),
        ("time=1", "no column is the key"),
        ("key=0", "'key=0': expected a column's number"),
        ("key", "'key': expected NAME=NUMBER"),
        ("key=1,key=2", "'key=2': key is named twice"),
    ] {
        let error = text.parse::<Columns>().unwrap_err();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn line_that_does_not_end_and_more_than_memory_holds_are_errors_that_name_the_limit() {
    let bounds = Bounds { line: 20_000, requests: 100, keys: 10 };
    let error = |format, bytes: &[u8]| {
        let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
        read_within("t", bytes, &options, bounds).unwrap_err().to_string()
    };
    let long = "x".repeat(50_000);
    for (format, bytes) in [
        (Format::Leanpool, format!("0\tInit\n1\t{long}")),
        (Format::Leanpool, format!("0\tInit\n#{long}")),
        (Format::Arc, format!("1 1 0 0\n{long}")),
        (Format::Csv, format!("0,a\n1,{long}")),
        (Format::Csv, format!("0,a\n\"{}", "x\n".repeat(25_000))),
        (Format::Csv, format!("0,a\n#{long}")),
    ] {
        let error = error(format, bytes.as_bytes());
        assert!(error.starts_with("t:2: this line has more than 20000 bytes"), "{format}: {error}");
    }
    let just = format!("0\t{}\n", "x".repeat(19_997));
    let options = ReadOptions::default();
    assert_eq!(read_within("t", just.as_bytes(), &options, bounds).unwrap().len(), 1, "with its end");
    let error_of = error(Format::Arc, b"7 5 0 0\n".repeat(21).as_slice());
    assert!(error_of.starts_with("t:21: there are more than 100 requests: read a part"), "{error_of}");
    let error_of = error(Format::Arc, b"7 65536 0 0\n");
    assert!(error_of.starts_with("t:1: there are more than 10 different keys: read a part"), "{error_of}");
}

#[test]
fn sample_of_numbered_keys_is_the_one_that_is_left_of_the_whole_trace() {
    let records: Vec<u8> = (0..200).flat_map(|at| record(at, u64::from(at) << (at % 50), 7)).collect();
    let blocks = b"0 200 0 0\n18446744073709551615 1 0 1\n";
    for (format, bytes) in [(Format::OracleGeneral, &records[..]), (Format::Arc, blocks)] {
        let options = |sample| ReadOptions { format: Some(format), sample, ..ReadOptions::default() };
        let whole = Trace::parse_with("t", bytes, &options(None)).unwrap();
        let sampled = Trace::parse_with("t", bytes, &options(Some(0.3))).unwrap();
        assert!(
            sampled.is_same_as(&whole.reduced(&options(Some(0.3))).unwrap()) && sampled.len() < 120,
            "{format}"
        );
    }
}
