//! Our own API: what is asked, and what is answered. No input and output.

use std::time::Duration;

use lean_worker::{Asked, Header, Record as Extra, ZygoteInfo};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::engine::{Checked, Wish};
use crate::invalid::Invalid;
use crate::kimina::Place;
use crate::live::{Sample, Slow};
use crate::settings::Site;
use crate::{answer, key, kimina};

/// `POST /v1/check`: one file (`text`), or many (`files`).
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The text of the file, if there is one.
    #[serde(default)]
    pub text: Option<String>,
    /// The files, if there are several.
    #[serde(default)]
    pub files: Vec<FileToCheck>,
    /// Seconds for each, without its import; else the service's (--timeout).
    #[serde(default)]
    #[schema(minimum = 0.0)]
    pub timeout: Option<f64>,
    /// The project whose modules can be imported, by its name; else the first that the service has.
    #[serde(default)]
    pub project: Option<String>,
    /// Whether the goals at each `sorry` are wanted.
    #[serde(default)]
    pub sorries: bool,
    /// Whether each tactic is wanted, with the goals before and after it.
    #[serde(default)]
    pub tactics: bool,
    /// Whether the axioms are wanted that each theorem rests on.
    #[serde(default)]
    pub axioms: bool,
    /// Whether the answer is to be lines of JSON as things happen. So it is, too, if the request's `Accept` says `application/x-ndjson`.
    #[serde(default)]
    pub stream: bool,
}

/// A file to check.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileToCheck {
    /// What messages call it. Nothing is read from a file of that name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its text.
    pub text: String,
    /// As in the request, for this file.
    #[serde(default)]
    pub project: Option<String>,
}

/// What came of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckAnswer {
    /// Whether every file was elaborated to its end without an error.
    pub ok: bool,
    /// One for each file, in its order.
    pub results: Vec<FileResult>,
}

/// What came of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileResult {
    /// Its place in the request.
    pub file: usize,
    /// Its name.
    pub name: String,
    /// Whether it was elaborated to its end without an error. That says nothing of axioms or `sorry`.
    pub ok: bool,
    /// `done`, `bad-header`, `timed-out`, `cancelled`, `died` or `failed`.
    pub ending: &'static str,
    /// Why it was not elaborated to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many errors Lean has reported.
    pub errors: usize,
    /// What Lean says, each as `lean --json` prints it. In a stream they have come before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Object>)]
    pub messages: Option<Vec<Box<RawValue>>>,
    /// What was asked beside messages. In a stream it has come before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Info>,
    /// What went to the process's own output past Lean's messages.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// The key of its header.
    pub key: String,
    /// Seconds that it took, its import included.
    pub seconds: f64,
    /// Seconds that it waited before.
    pub waited: f64,
    /// What it was kept in, if it got so far: with `--sandbox`, what the kernel can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Kept>,
    /// Seconds of the check alone, if it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elaboration: Option<f64>,
    /// Seconds of processor, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<f64>,
}

/// What a check was kept in: what the kernel could do of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Kept {
    /// No file can be written (Landlock).
    pub writes_nothing: bool,
    /// There is no network (seccomp, or a network of its own with nothing in it).
    pub no_network: bool,
}

/// Something that was asked beside messages.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Info {
    /// A `sorry`.
    Sorry {
        /// Where it begins.
        pos: Place,
        /// Where it ends.
        end_pos: Option<Place>,
        /// What is left to prove there.
        goals: Vec<String>,
    },
    /// A tactic.
    Tactic {
        /// Where it begins.
        pos: Place,
        /// Where it ends.
        end_pos: Option<Place>,
        /// Its text.
        tactic: String,
        /// The goals before it.
        goals: Vec<String>,
        /// The goals after it.
        goals_after: Vec<String>,
    },
    /// What a declaration rests on.
    Axioms {
        /// Where it begins.
        pos: Place,
        /// Its name.
        name: String,
        /// The axioms.
        axioms: Vec<String>,
    },
}

/// A line of a stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Record {
    /// Lean says something.
    Message {
        /// The file's place in the request.
        file: usize,
        /// As `lean --json` prints it.
        #[schema(value_type = Object)]
        message: Box<RawValue>,
    },
    /// Something that was asked beside messages.
    Info {
        /// The file's place in the request.
        file: usize,
        /// What it is.
        info: Info,
    },
    /// What was said of the file is void: its check begins again, as the process behind its imports has died.
    Again {
        /// The file's place in the request.
        file: usize,
    },
    /// A file's check has ended.
    Result(FileResult),
    /// All have.
    End {
        /// Whether every file was elaborated to its end without an error.
        ok: bool,
    },
}

/// `GET /v1/pool`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PoolAnswer {
    /// The processes that have imported.
    pub zygotes: Vec<Zygote>,
    /// Now, and since the start.
    pub now: Sample,
    /// Bytes that all processes may have.
    pub memory_limit: u64,
    /// Checks that run at the same time at most.
    pub jobs: usize,
    /// Checks that wait at most.
    pub max_queue: usize,
    /// Clients that have checks waiting or running.
    pub clients: usize,
    /// Where files can be checked.
    pub projects: Vec<Project>,
}

/// A Lean, and perhaps a Lake project.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Project {
    /// What requests call it.
    pub name: String,
    /// The version of its Lean.
    pub version: String,
}

/// A process that has imported.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Zygote {
    /// The key of its header.
    pub key: String,
    /// Its header, one line for each import; at most 2 000 characters.
    pub header: String,
    /// The version of its Lean.
    pub toolchain: String,
    /// The name of its project.
    pub project: String,
    /// Bytes of its own and of its children.
    pub memory: u64,
    /// Checks that it got, but for the first, for which it was started.
    pub hits: u64,
    /// Seconds since it was started.
    pub age: f64,
    /// Its children.
    pub children: usize,
}

/// `POST /v1/pool/evict`: one of the three.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvictRequest {
    /// The zygotes of the header with this key.
    #[serde(default)]
    pub key: Option<String>,
    /// The zygotes of this header, such as `import Mathlib`.
    #[serde(default)]
    pub header: Option<String>,
    /// All.
    #[serde(default)]
    pub all: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct EvictAnswer {
    /// How many zygotes: gone at once where nobody used them, else once their checks have ended.
    pub evicted: usize,
}

/// What the page is told each second.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Snapshot {
    /// What the pool holds.
    pub pool: PoolAnswer,
    /// The last minutes, by the second.
    pub samples: Vec<Sample>,
    /// The slowest of the last checks.
    pub slowest: Vec<Slow>,
}

/// What is to be checked: names, texts, and the places of their sites.
pub type Files = Vec<(String, String, usize)>;

impl CheckRequest {
    /// Looks at what can't be said by types.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(self, sites: &[Site], most: Duration) -> Result<(Files, Wish), Invalid> {
        let files = match self.text {
            Some(text) if self.files.is_empty() => vec![FileToCheck { name: None, text, project: None }],
            None if !self.files.is_empty() => self.files,
            _ => return Err(Invalid::new(&[], "either `text` or `files` is expected, and not empty")),
        };
        let site = |project: &Option<String>| match project.as_ref().or(self.project.as_ref()) {
            None => Ok(0),
            Some(name) => sites.iter().position(|site| site.name == *name).ok_or_else(|| {
                let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
                Invalid::new(
                    &["project"],
                    &format!("no project has that name; there are: {}", names.join(", ")),
                )
            }),
        };
        let files = files.into_iter().enumerate().map(|(number, file)| {
            let name = file.name.unwrap_or_else(|| format!("{number}.lean"));
            if name.len() > 1000 || name.chars().any(char::is_control) {
                let path = ["files", &number.to_string(), "name"];
                return Err(Invalid::new(&path, "a name has at most 1000 bytes, and no control characters"));
            }
            Ok((name, file.text, site(&file.project)?))
        });
        let files = files.collect::<Result<_, _>>()?;
        let timeout = self.timeout.map(|seconds| kimina::time(seconds, most)).transpose()?;
        let asked =
            Asked { sorries: self.sorries, tactics: self.tactics, axioms: self.axioms, ..Asked::default() };
        Ok((files, Wish { timeout, asked, stream: self.stream }))
    }
}

impl EvictRequest {
    /// Which headers are meant.
    ///
    /// # Errors
    /// Not exactly one of the three is said.
    pub fn meant(&self) -> Result<impl Fn(&Header) -> bool + use<>, Invalid> {
        let key = match (&self.key, &self.header, self.all) {
            (Some(key), None, false) => Some(key.clone()),
            (None, Some(header), false) => Some(key::of_file(header)),
            (None, None, true) => None,
            _ => return Err(Invalid::new(&[], "one of `key`, `header` and `all` is expected")),
        };
        Ok(move |header: &Header| key.as_ref().is_none_or(|key| key::of_header(header) == *key))
    }
}

/// What came of a file. `with_messages`: they have not been told before.
#[must_use]
pub fn result(file: usize, name: String, checked: Checked, with_messages: bool) -> FileResult {
    let (ok, reason) = (answer::is_ok(&checked), answer::reason(&checked));
    let Checked { verdict, key, took, waited, .. } = checked;
    let raw = |message: lean_worker::Message| raw(message.json);
    let records = if with_messages { verdict.records.iter().filter_map(info).collect() } else { Vec::new() };
    let sandbox = verdict.sandbox.map(|sandbox| Kept {
        writes_nothing: sandbox.landlock > 0,
        no_network: sandbox.seccomp || sandbox.network_namespace,
    });
    let seconds = |micros: u64| micros as f64 / 1e6;
    FileResult {
        file,
        name,
        ok,
        ending: answer::word(&verdict.ending),
        reason,
        errors: answer::errors(&verdict.messages),
        messages: with_messages.then(|| verdict.messages.into_iter().map(raw).collect()),
        records,
        output: verdict.output,
        key,
        seconds: took.as_secs_f64(),
        waited: waited.as_secs_f64(),
        sandbox,
        elaboration: verdict.spent.map(|spent| seconds(spent.micros)),
        processor: verdict.spent.map(|spent| seconds(spent.cpu_micros)),
    }
}

/// Something that was asked, as it is told; nothing of what is not known here.
#[must_use]
pub fn info(record: &Extra) -> Option<Info> {
    let place = |at: lean_worker::Position| Place { line: at.line, column: at.column };
    Some(match record.clone() {
        Extra::Sorry { position, end, goals } => {
            Info::Sorry { pos: place(position), end_pos: end.map(place), goals }
        }
        Extra::Tactic { position, end, tactic, goals, goals_after } => {
            Info::Tactic { pos: place(position), end_pos: end.map(place), tactic, goals, goals_after }
        }
        Extra::Axioms { position, name, axioms } => Info::Axioms { pos: place(position), name, axioms },
        _ => return None,
    })
}

/// JSON as it came.
#[must_use]
pub fn raw(json: String) -> Box<RawValue> {
    // A message was read as JSON before.
    RawValue::from_string(json).unwrap_or_default()
}

/// A zygote, as it is shown.
#[must_use]
pub fn zygote(info: &ZygoteInfo, sites: &[Site]) -> Zygote {
    let site = sites.iter().find(|site| site.sysroot == info.sysroot && site.root == info.project);
    Zygote {
        key: key::of_header(&info.header),
        header: info.header.text().trim_end().chars().take(2000).collect(),
        toolchain: site.map(|site| site.version.clone()).unwrap_or_default(),
        project: site.map(|site| site.name.clone()).unwrap_or_default(),
        memory: info.bytes,
        hits: info.uses.saturating_sub(1),
        age: info.age.as_secs_f64(),
        children: info.children,
    }
}
