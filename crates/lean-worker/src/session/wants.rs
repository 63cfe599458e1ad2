//! What a request needs, read from it before anybody is asked. Where this is not sure, a child says what it needs.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::routes::Needs;
use crate::header::{self, Header};

/// Of a file, where its header is looked for, in bytes.
const BEGINNING: u64 = 1 << 20;

/// What a request needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) needs: Needs,
    /// The header that it begins with, if it does and that is sure.
    pub(super) header: Option<Header>,
}

impl Wants {
    /// Reads a request in the order in which a child does. `folder` is where its paths begin.
    pub(super) fn of(request: &Value, folder: &Path) -> Self {
        let has = |key: &str| request.get(key).is_some_and(|value| !value.is_null());
        let number = |key: &str| request.get(key).and_then(Value::as_u64);
        let text = |key: &str| request.get(key).and_then(Value::as_str);
        let nothing = || Self { needs: Needs::Nothing, header: None };
        let of = |needs: Option<Needs>| Self { needs: needs.unwrap_or(Needs::Nothing), header: None };
        let proof = || number("proofState").map(Needs::Proof);
        let env = || number("env").map(Needs::Env);
        if has("tactic") {
            of(proof())
        } else if has("pickleTo") {
            of(if has("proofState") { proof() } else { env() })
        } else if has("unpickleProofStateFrom") || has("unpickleEnvFrom") {
            nothing()
        } else if has("env") {
            of(env())
        } else if let Some(path) = text("path") {
            Self {
                needs: Needs::Nothing,
                header: beginning(&folder.join(path)).and_then(|text| known(&text)),
            }
        } else {
            Self { needs: Needs::Nothing, header: text("cmd").and_then(known) }
        }
    }
}

/// Why a request can't be answered rightly. Programs that go on from the community's REPL ask for more than that has; whoever asks for it is not to
/// take an answer without it for the whole.
pub(super) fn refused(request: &Value) -> Option<String> {
    if request.get("declarations").is_some_and(|asked| *asked == Value::Bool(true)) {
        return Some("declarations are not supported here: leave `declarations` out".to_owned());
    }
    let name = |option: &Value| {
        let parts = option.get(0)?.as_array()?.iter().map(|part| part.as_str().map(str::to_owned));
        Some(parts.collect::<Option<Vec<_>>>()?.join("."))
    };
    let options = request.get("setOptions").and_then(Value::as_array)?;
    // Whether Lean elaborates in parallel changes no answer; a child does not.
    let other = options.iter().map(|option| name(option).unwrap_or_else(|| option.to_string()));
    let other = other.into_iter().find(|name| name != "Elab.async")?;
    Some(format!("setOptions is not supported here: begin the text with `set_option {other} ...`"))
}

/// What names a file.
const FILES: [&str; 4] = ["path", "pickleTo", "unpickleEnvFrom", "unpickleProofStateFrom"];

/// The key of a request by which it names a file, whatever stands there.
pub(super) fn file_key(request: &Value) -> Option<&'static str> {
    FILES.into_iter().find(|key| request.get(key).is_some())
}

fn known(text: &str) -> Option<Header> {
    Some(header::read("<input>", text).header).filter(|header| matches!(header, Header::Words(_)))
}

/// How a file begins. What is no plain file may never end.
fn beginning(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(BEGINNING).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wants(request: &Value) -> (Needs, Option<String>) {
        let Wants { needs, header } = Wants::of(request, Path::new("/nowhere"));
        (needs, header.map(|header| header.text()))
    }

    #[test]
    fn what_a_request_needs_is_what_its_child_would_look_up() {
        use Needs::{Env, Nothing, Proof};
        for (request, needs) in [
            (json!({"cmd": "#check 1", "env": 3}), Env(3)),
            (json!({"path": "a.lean", "env": 3}), Env(3)),
            (json!({"tactic": "rfl", "proofState": 4, "env": 3, "cmd": "x"}), Proof(4)),
            (json!({"pickleTo": "x", "env": 3}), Env(3)),
            (json!({"pickleTo": "x", "env": 3, "proofState": 4}), Proof(4)),
            (json!({"unpickleEnvFrom": "x", "env": 3}), Nothing),
            (json!({"unpickleProofStateFrom": "x", "proofState": 3}), Nothing),
            // What is wrong with these a child says.
            (json!({"tactic": "rfl", "env": 3}), Nothing),
            (json!({"cmd": "x", "env": -1}), Nothing),
            (json!({"cmd": "x", "env": "0"}), Nothing),
            (json!({"x": 1}), Nothing),
        ] {
            assert_eq!(wants(&request), (needs, None), "{request}");
        }
    }

    #[test]
    fn header_is_known_where_it_is_sure() {
        let of = |text: &str| wants(&json!({"cmd": text, "env": null})).1;
        assert_eq!(of("#check 1").as_deref(), Some(""));
        assert_eq!(of("/- x -/ import  A\nimport B\n#check 1").as_deref(), Some("import A\nimport B\n"));
        assert_eq!(of("import 3"), None);
        assert_eq!(wants(&json!({"path": "none.lean"})).1, None);
        assert_eq!(wants(&json!({"path": "/dev/zero"})).1, None, "which never ends");
    }

    #[test]
    fn what_would_be_answered_with_less_than_was_asked_is_refused() {
        let of = |request: Value| refused(&request).unwrap_or_default();
        assert_eq!(of(json!({"cmd": "x", "gc": true, "incrementality": true, "declarations": false})), "");
        assert_eq!(of(json!({"cmd": "x", "setOptions": [[["Elab", "async"], true]]})), "");
        assert_eq!(of(json!({"cmd": "x", "setOptions": null})), "");
        assert!(of(json!({"cmd": "x", "declarations": true})).contains("declarations are not supported"));
        let options = json!([[["Elab", "async"], true], [["pp", "all"], true]]);
        assert!(of(json!({"cmd": "x", "setOptions": options})).contains("`set_option pp.all ...`"));
        assert!(of(json!({"cmd": "x", "setOptions": [3]})).contains("set_option 3"));
    }

    #[test]
    fn path_begins_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.lean"), "import A\n\u{e9}").unwrap();
        let Wants { header, .. } = Wants::of(&json!({"path": "a.lean"}), folder.path());
        assert_eq!(header.unwrap().text(), "import A\n");
    }
}
