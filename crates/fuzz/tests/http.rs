//! Bodies of requests, without a socket: from bytes to what is asked. What is accepted keeps the bounds that are set; what is not is answered with a place, in few words.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::time::Duration;

use leanpool::lean_worker::{Header, Surroundings};
use leanpool_serve::invalid::{self, Invalid};
use leanpool_serve::settings::Site;
use leanpool_serve::{kimina, names, v1};

const MOST: Duration = Duration::from_secs(600);

fn seeds() -> Vec<Vec<u8>> {
    let bodies = [
        r#"{"snippets":[{"id":"a","code":"import A\n#check 1"},{"id":"b","code":""}],"timeout":30,"debug":true,"reuse":false,"infotree":"full","tactics":true}"#,
        r#"{"codes":[{"custom_id":"a","proof":"x"},{"custom_id":7,"code":"y"}],"timeout":300,"infotree_type":"original","disable_cache":true}"#,
        r#"{"text":"theorem x : 1 = 1 := rfl","timeout":1.5,"project":"p","sorries":true,"tactics":true,"axioms":true,"stream":true}"#,
        r#"{"files":[{"name":"a.lean","text":"x","project":"p"},{"text":"y"}],"timeout":null}"#,
        r#"{"key":"1015f8f4676a27ea"}"#,
        r#"{"header":"import A"}"#,
        r#"{"all":true}"#,
    ];
    bodies.iter().map(|body| body.as_bytes().to_vec()).collect()
}

const WORDS: &[&str] = &[
    "1e400",
    "-1",
    "\"snippets\":[",
    "\"codes\":[",
    "\"files\":[",
    "\"timeout\":",
    "\"name\":\"../x\"",
    "\"text\":\"\"",
    "\"project\":\"q\"",
    "\"custom_id\":",
    "\"id\":\"a\"",
    "\"all\":true",
    "1e30",
    "0.0000001",
];

fn site() -> Site {
    let around = Surroundings {
        sysroot: PathBuf::from("/"),
        worker: PathBuf::from("/nowhere"),
        search_path: Vec::new(),
        setup: None,
        options: Vec::new(),
        project: None,
        stack_size: None,
        saves_headers: false,
    };
    Site::fixed("p", "4.99.0", around)
}

/// What is wrong, in the shape that clients know.
fn wrong(invalid: &Invalid) -> String {
    let detail = &invalid.detail[0];
    assert_eq!(detail.loc[0], "body");
    assert!(detail.msg.chars().count() <= 500 && detail.loc.iter().all(|part| part.chars().count() <= 500));
    let text = serde_json::to_string(invalid).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    detail.msg.chars().filter(char::is_ascii_alphabetic).take(60).collect()
}

fuzz::target!(bodies, seeds, WORDS, 2000, |body: &[u8]| {
    let sites = [site()];
    let mut said = String::new();
    let length = body.len();
    match fuzz::within(length, 120, 20_000, || invalid::parse::<kimina::CheckRequest>(body)) {
        Err(invalid) => said += &wrong(&invalid),
        Ok(request) => match request.validate(MOST) {
            Err(invalid) => said += &wrong(&invalid),
            Ok(wish) => {
                assert!(wish.timeout.is_some_and(|timeout| timeout <= MOST) && !request.snippets.is_empty());
                said += "snippets";
            }
        },
    }
    match fuzz::within(length, 120, 20_000, || invalid::parse::<kimina::VerifyRequest>(body)) {
        Err(invalid) => said += &wrong(&invalid),
        Ok(request) => {
            let count = request.codes.len();
            match request.validate(MOST) {
                Err(invalid) => said += &wrong(&invalid),
                Ok((codes, wish)) => {
                    assert!(wish.timeout.is_some_and(|timeout| timeout <= MOST) && codes.len() == count);
                    said += "codes";
                }
            }
        }
    }
    match fuzz::within(length, 120, 20_000, || invalid::parse::<v1::CheckRequest>(body)) {
        Err(invalid) => said += &wrong(&invalid),
        Ok(request) => match request.validate(&sites, MOST) {
            Err(invalid) => said += &wrong(&invalid),
            Ok((files, wish)) => {
                assert!(wish.timeout.is_none_or(|timeout| timeout <= MOST) && !files.is_empty());
                assert!(files.iter().all(|(name, _, at)| {
                    name.len() <= 1000 && !name.chars().any(char::is_control) && *at == 0
                }));
                said += "files";
            }
        },
    }
    match invalid::parse::<v1::EvictRequest>(body) {
        Err(invalid) => said += &wrong(&invalid),
        Ok(request) => match request.meant() {
            Err(invalid) => said += &wrong(&invalid),
            Ok(is_meant) => {
                is_meant(&Header::of("import A"));
                said += "evicted";
            }
        },
    }
    said
});

const HEADERS: &[&str] = &[
    "import A\nimport B.C",
    "module\npublic meta import all «x y».A'\n",
    "prelude import A",
    "/- x -/ import A -- y\n#check 1",
    "import «../../x»",
    "import\tA",
    "/- /- -/",
];

fuzz::target!(
    headers,
    || HEADERS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    &[
        "import ",
        "«",
        "»",
        ".",
        "..",
        "/",
        "\\",
        "/-",
        "-/",
        "--",
        "module",
        "prelude",
        "public ",
        "meta ",
        "all ",
        "\0",
        "A",
        "«..»",
        "«/etc/x»"
    ],
    3000,
    |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let header = fuzz::within(text.len(), 200, 4000, || Header::of(&text));
        let said = match names::check(&header) {
            Err(words) => fuzz::kind(&words, 100),
            Ok(()) => {
                // Whatever was accepted leads to a file below a folder that is searched.
                for module in header.modules() {
                    let folder = PathBuf::from("/searched");
                    let path = leads_to(module);
                    let inside = path
                        .iter()
                        .all(|part| !part.contains(['/', '\0']) && !matches!(part.as_str(), "." | ".." | ""));
                    assert!(inside, "{module:?} leads to {:?} below {}", path, folder.display());
                }
                String::from("accepted")
            }
        };
        match &header {
            Header::Words(words) => {
                let again = Header::of(&header.text());
                assert_eq!(again, header, "a header is its own header");
                format!("{said} {}", words.len().min(3))
            }
            Header::Whole { text: whole, .. } => {
                assert_eq!(*whole, text);
                said + " whole"
            }
        }
    }
);

/// The parts of the path that Lean makes of a module's name.
fn leads_to(module: &str) -> Vec<String> {
    let (mut parts, mut part, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in module.chars() {
        match c {
            // Inside of another it is a character as any other.
            '«' if !is_quoted => is_quoted = true,
            '»' => is_quoted = false,
            '.' if !is_quoted => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}
