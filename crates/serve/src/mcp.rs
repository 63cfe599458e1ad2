//! The same for agents: two tools of the Model Context Protocol, `check` and `pool`, over any stream (`leanpool mcp`: standard input and output).
//!
//! Answers are bounded: an agent reads each word.

mod lines;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lean_worker::{Asked, File, Record};
use rmcp::handler::server::common::schema_for_type;
use rmcp::model::{
    CallToolRequestParam, CallToolResult, Content, Implementation, ListToolsResult, PaginatedRequestParam,
    ServerCapabilities, ServerInfo, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::engine::{Checked, Engine, Wish};
use lines::Lines;

/// Bytes of text that an answer has at most.
const LONGEST: usize = 20_000;
/// Bytes of a file that is read.
const LARGEST: u64 = 4 << 20;

/// What `check` is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckArgs {
    /// The text of a Lean file, imports included. Either this or `path`.
    #[serde(default)]
    text: Option<String>,
    /// The path of a Lean file, below the project's folder. Either this or `text`.
    #[serde(default)]
    path: Option<String>,
    /// The longest time, in seconds, without the import (60 if it is left out).
    #[serde(default)]
    timeout: Option<f64>,
    /// The name of the project whose modules can be imported; the first one if it is left out.
    #[serde(default)]
    project: Option<String>,
    /// Whether to say which axioms each theorem rests on.
    #[serde(default)]
    axioms: bool,
}

/// What `pool` is asked: nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PoolArgs {}

/// A service for agents.
#[derive(Clone)]
pub struct Agents {
    engine: Engine,
    /// Files are read from below these only, each for the project of its place.
    roots: Arc<Vec<Option<PathBuf>>>,
}

impl Agents {
    /// `roots`: the folder of each project, if it has one.
    #[must_use]
    pub fn new(engine: Engine, roots: Vec<Option<PathBuf>>) -> Self {
        Self { engine, roots: Arc::new(roots) }
    }

    /// Serves one agent on standard input and output until it leaves.
    ///
    /// # Errors
    /// In words: what is said there is not the protocol.
    pub async fn serve_stdio(self) -> Result<(), String> {
        let lines = Lines::new(tokio::io::BufReader::new(tokio::io::stdin()), tokio::io::stdout());
        let running = self.serve(lines).await.map_err(|error| error.to_string())?;
        running.waiting().await.map(drop).map_err(|error| error.to_string())
    }

    async fn check(&self, args: CheckArgs) -> Result<CallToolResult, String> {
        let sites = &self.engine.settings().sites;
        let site = match &args.project {
            None => 0,
            Some(name) => sites.iter().position(|site| site.name == *name).ok_or_else(|| {
                let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
                format!("no project is called {name}; there are: {}", names.join(", "))
            })?,
        };
        let (name, text) = match (args.text, args.path) {
            (Some(text), None) => ("text.lean".to_owned(), text),
            (None, Some(path)) => {
                let root = self.roots.get(site).and_then(Option::as_deref);
                let root =
                    root.ok_or("files are read from a project's folder only: start with --project DIR")?;
                let text = read_below(root, Path::new(&path))?;
                (path, text)
            }
            _ => return Err("either `text` or `path` is expected".to_owned()),
        };
        let timeout = args.timeout.map(Duration::try_from_secs_f64).transpose();
        let timeout = timeout.map_err(|_| "`timeout` is a number of seconds, 0 or more".to_owned())?;
        let asked = Asked { sorries: true, axioms: args.axioms, ..Asked::default() };
        let file = File { asked, ..File::new(name, text) };
        let wish = Wish { timeout, ..Wish::default() };
        let ticket =
            self.engine.submit(&"mcp".into(), vec![(file, site)], wish).map_err(|error| error.to_string())?;
        let all = ticket.all().await;
        let checked = all.first().ok_or("the service has ended")?;
        Ok(said(checked))
    }

    fn pool(&self) -> CallToolResult {
        let pool = crate::http::pool_of(&self.engine);
        let words: Vec<String> = pool
            .zygotes
            .iter()
            .map(|zygote| {
                let header = zygote.header.replace('\n', "; ");
                let (megabytes, age) = (zygote.memory >> 20, zygote.age);
                format!("{header}: {megabytes} MB, used {} times, {age:.0} s old", zygote.hits + 1)
            })
            .collect();
        let words = if words.is_empty() { "nothing is warm yet".to_owned() } else { words.join("\n") };
        let mut result = CallToolResult::success(vec![Content::text(cut(words))]);
        let mut value = serde_json::to_value(&pool).unwrap_or_default();
        // A few headers say what is needed.
        if let Some(zygotes) = value["zygotes"].as_array_mut() {
            zygotes.truncate(20);
        }
        result.structured_content = Some(value);
        result
    }

    fn tools() -> Vec<Tool> {
        let check = "Elaborate a Lean 4 file and say what Lean says: errors, warnings, the goals at each `sorry`, axioms if asked for. Places are line:column, \
                     lines from 1, columns from 0. Imports that were used before are warm. It runs what the file says.";
        let pool = "Which imports are warm, so that a check behind them is quick; memory and load.";
        vec![
            Tool::new("check", check, schema_for_type::<CheckArgs>())
                .annotate(ToolAnnotations::new().read_only(false).open_world(false)),
            Tool::new("pool", pool, schema_for_type::<PoolArgs>())
                .annotate(ToolAnnotations::new().read_only(true).open_world(false)),
        ]
    }
}

impl ServerHandler for Agents {
    fn get_info(&self) -> ServerInfo {
        let words = "Checks Lean 4 files behind warm imports. A file without errors was elaborated; look at `sorry` and axioms as well.";
        ServerInfo {
            capabilities: ServerCapabilities::builder().enable_tools().build(),
            server_info: Implementation {
                name: "leanpool".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..Implementation::from_build_env()
            },
            instructions: Some(words.to_owned()),
            ..ServerInfo::default()
        }
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParam>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(Self::tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParam,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let args = Value::Object(request.arguments.unwrap_or_default());
        let wrong = |error: serde_json::Error| ErrorData::invalid_params(error.to_string(), None);
        let result = match &*request.name {
            "check" => {
                let args: CheckArgs = serde_json::from_value(args).map_err(wrong)?;
                // An agent that cancels its call has its check ended.
                tokio::select! {
                    result = self.check(args) => result,
                    () = context.ct.cancelled() => Err("cancelled".to_owned()),
                }
            }
            "pool" => {
                let PoolArgs {} = serde_json::from_value(args).map_err(wrong)?;
                Ok(self.pool())
            }
            other => return Err(ErrorData::invalid_params(format!("there is no tool {other}"), None)),
        };
        Ok(result.unwrap_or_else(|words| CallToolResult::error(vec![Content::text(words)])))
    }
}

/// A file below `root`, whatever links lead to.
fn read_below(root: &Path, path: &Path) -> Result<String, String> {
    let in_words = |error: std::io::Error| format!("{}: {error}", path.display());
    let root = root.canonicalize().map_err(in_words)?;
    let whole = root.join(path).canonicalize().map_err(in_words)?;
    if !whole.starts_with(&root) {
        return Err(format!("{} is not below the project's folder", path.display()));
    }
    let data = std::fs::metadata(&whole).map_err(in_words)?;
    if !data.is_file() || data.len() > LARGEST {
        return Err(format!("{} is no file of at most {} MiB", path.display(), LARGEST >> 20));
    }
    std::fs::read_to_string(&whole).map_err(in_words)
}

/// What came of a check, in words and as JSON.
fn said(checked: &Checked) -> CallToolResult {
    let errors = answer::errors(&checked.verdict.messages);
    let (ok, reason) = (answer::is_ok(checked), answer::reason(checked));
    let first = match &reason {
        Some(reason) => format!("not elaborated to its end: {reason}"),
        None if errors > 0 => format!("{errors} errors"),
        None => "elaborated without errors".to_owned(),
    };
    let lines = checked.verdict.messages.iter().map(|message| {
        let (at, severity) = (message.position, answer::severity(message.severity));
        format!("{}:{}: {severity}: {}", at.line, at.column, message.text.trim())
    });
    let records = checked.verdict.records.iter().filter_map(|record| match record {
        Record::Sorry { position: at, goals, .. } => {
            Some(format!("{}:{}: sorry, goals:\n{}", at.line, at.column, goals.join("\n")))
        }
        Record::Axioms { name, axioms, .. } if axioms.is_empty() => {
            Some(format!("{name} rests on no axioms"))
        }
        Record::Axioms { name, axioms, .. } => Some(format!("{name} rests on {}", axioms.join(", "))),
        _ => None,
    });
    let words: Vec<String> = std::iter::once(first).chain(lines).chain(records).collect();
    let mut result = CallToolResult::success(vec![Content::text(cut(words.join("\n")))]);
    result.structured_content = Some(json!({
        "ok": ok, "ending": answer::word(&checked.verdict.ending), "reason": reason.map(cut), "errors": errors,
        "messages": checked.verdict.messages.len(), "seconds": checked.took.as_secs_f64(),
    }));
    result
}

/// At most as much as an agent is given, and that there was more.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let all = text.len();
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(&format!("\n... (the first {end} of {all} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::write(root.join("in/a.lean"), "a").unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link.lean")).unwrap();
        assert_eq!(read_below(&root, Path::new("in/a.lean")).unwrap(), "a");
        assert_eq!(read_below(&root, Path::new("in/../in/a.lean")).unwrap(), "a");
        for path in ["../secret", "link.lean", "in", "nothing", "/etc/passwd", "in/../../secret"] {
            assert!(read_below(&root, Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn answer_is_bounded_and_says_that_there_was_more() {
        let long = cut("é".repeat(LONGEST));
        assert!(long.len() < LONGEST + 100 && long.contains("of 40000 bytes"));
        assert_eq!(cut("short".to_owned()), "short");
    }
}
