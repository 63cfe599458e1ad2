//! Libraries of a Lake project: which files have one set-up, and what in it depends on a file's imports. No input and output but following links.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use lean_worker::name_parts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Files that have the same set-up but for what their imports make of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Library {
    /// Without an ending: `src/A` is for `src/A.lean` and all that is below `src/A`. If its files are no modules, the folder in which they lie, or the one file.
    pub(super) below: PathBuf,
    /// The folder in which the path of a module is its name; `None` if its files are no modules.
    pub(super) source_folder: Option<PathBuf>,
    pub(super) setup: Setup,
    /// Whether imports make no difference to the set-up: their modules are found by the search path, and nothing is to be loaded for them.
    pub(super) is_plain: bool,
    /// Lake did not say what imports make of it, as something is not built.
    pub(super) is_half: bool,
}

/// How files are compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setup(pub(super) Map<String, Value>);

impl Setup {
    pub(super) fn text(&self) -> String {
        let mut fields = self.0.clone();
        // Lean wants all of them. The module of each file is said with the file.
        for (name, neutral) in [
            ("name", json!("_unknown")),
            ("isModule", json!(false)),
            ("importArts", json!({})),
            ("dynlibs", json!([])),
            ("plugins", json!([])),
            ("options", json!({})),
        ] {
            fields.entry(name).or_insert(neutral);
        }
        Value::Object(fields).to_string()
    }

    pub(super) fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.0.remove(*name);
        }
        self
    }

    /// The name of the file's module; `None` if Lake knows none.
    pub(super) fn module(&self) -> Option<String> {
        let name = self.0.get("name")?.as_str()?;
        (name != "_unknown" && !name.is_empty()).then(|| name.to_owned())
    }

    pub(super) fn is_plain(&self, search_path: &[String], sysroot: Option<&Path>) -> bool {
        let is_empty = |name| self.0.get(name).and_then(Value::as_array).is_none_or(Vec::is_empty);
        let mut files = Vec::new();
        if let Some(artifacts) = self.0.get("importArts") {
            texts(artifacts, &mut files);
        }
        // Lake follows links, and whoever named the project may not have.
        let folders = search_path.iter().map(Path::new).chain(sysroot);
        let folders: Vec<PathBuf> = folders
            .flat_map(|folder| [Some(folder.to_owned()), folder.canonicalize().ok()])
            .flatten()
            .collect();
        let is_found = |file: &&str| folders.iter().any(|folder| Path::new(file).starts_with(folder));
        is_empty("dynlibs") && files.iter().all(is_found)
    }
}

/// All texts in a value.
fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

impl Library {
    pub(super) fn has(&self, file: &Path, may_be_root: bool) -> bool {
        match self.source_folder {
            Some(_) => file.starts_with(&self.below) || file.with_extension("") == self.below,
            None if may_be_root => file == self.below,
            // What lies deeper may be a library.
            None => file.parent() == Some(&self.below),
        }
    }

    pub(super) fn module(&self, file: &Path) -> Option<Vec<String>> {
        let path = file.strip_prefix(self.source_folder.as_ref()?).ok()?.with_extension("");
        Some(path.iter().map(|part| part.to_string_lossy().into_owned()).collect())
    }
}

/// The folder in which `file` has the path that the name of its module says, and the first part of the name.
pub(super) fn source_folder(file: &Path, name: &str) -> Option<(PathBuf, String)> {
    let parts = name_parts(name);
    let without = file.with_extension("");
    let folder = without.ancestors().nth(parts.len())?;
    // Part by part: as paths `B//` and `B` are one, and as names they are two.
    let below = without.strip_prefix(folder).ok()?.iter();
    below.eq(parts.iter().map(OsStr::new)).then(|| (folder.to_owned(), parts[0].clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Risk: what Lake says of a file makes another file's set-up of it, or a name that leads elsewhere.
    fuzz::target!(
        lake_libraries,
        || {
            let setup = r#"{"name":"A.B","importArts":{"A":["/p/lib/A.olean",["/lean/x"]]},"dynlibs":[],"options":{"x":1}}"#;
            ["A.B\n", "A.«b.c».D\n", "«\n", "..\n"]
                .iter()
                .map(|name| format!("{name}{setup}").into_bytes())
                .collect()
        },
        &["«", "»", ".", "/", "..", "\"name\":", "\"dynlibs\":", "\"importArts\":",],
        6000,
        |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let (name, rest) = text.split_once('\n').unwrap_or((&text, ""));
            let parts = fuzz::within(name.len(), 200, 4000, || name_parts(name));
            assert!(!parts.is_empty() && parts.iter().map(String::len).sum::<usize>() <= name.len());
            let file = Path::new("/p/src/A/B.lean");
            if let Some((folder, first)) = source_folder(file, name) {
                assert!(file.starts_with(&folder) && folder.join(&first) != folder, "{folder:?} {first:?}");
                let setup = Setup(Map::new());
                let below = folder.join(first);
                let library =
                    Library { below, source_folder: Some(folder), setup, is_plain: true, is_half: false };
                assert!(library.has(file, false));
                assert_eq!(library.module(file), Some(parts), "its files are named as Lake names this one");
            }
            let Ok(fields) = serde_json::from_str::<Map<String, Value>>(rest) else {
                return "no JSON".to_owned();
            };
            let setup = Setup(fields);
            let written: Map<String, Value> = serde_json::from_str(&setup.text()).unwrap();
            assert!(setup.0.iter().all(|(name, value)| written.get(name) == Some(value)), "all is kept");
            let is_plain = setup.is_plain(&["/p/lib".to_owned()], Some(Path::new("/lean")));
            format!("{is_plain} {}", setup.module().is_some())
        }
    );

    #[test]
    fn folder_of_sources_is_where_the_path_is_the_name() {
        let found = |file: &str, name: &str| source_folder(Path::new(file), name);
        assert_eq!(found("/p/src/A/B.lean", "A.B"), Some(("/p/src".into(), "A".into())));
        assert_eq!(found("/p/A.lean", "A"), Some(("/p".into(), "A".into())));
        assert_eq!(found("/p/src/A/B.lean", "C.B"), None, "the path says something else");
        assert_eq!(found("/B.lean", "A.B"), None);
        assert_eq!(found("/p/B.lean", "«B//»"), None, "a name that no file has");
        assert_eq!(found("/p/A/B.lean", "«A/B»"), None);
    }

    #[test]
    fn what_is_found_elsewhere_or_is_to_be_loaded_is_not_plain() {
        let setup = |text: &str| Setup(serde_json::from_str(text).unwrap());
        let path = ["/p/lib".to_owned()];
        let is_plain = |text: &str| setup(text).is_plain(&path, Some(Path::new("/lean")));
        assert!(is_plain("{}"));
        assert!(is_plain(
            r#"{"importArts": {"A": ["/p/lib/A.olean", "/lean/lib/A.olean.server"]}, "dynlibs": []}"#
        ));
        assert!(!is_plain(r#"{"importArts": {"A": ["/cache/123.olean"]}}"#));
        assert!(!is_plain(r#"{"dynlibs": ["/p/lib/libA.so"]}"#));
    }
}
