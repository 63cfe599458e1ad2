//! What a Lake project and Lake itself say: manifests, the answers of `lake setup-file`, what is kept of them, set-ups that are given, and texts that are checked. An error names the file,
//! and says what to do; nothing is taken over that is no JSON object.
#![cfg(unix)]

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use leanpool::lake::{Answers, Asking, LakeProject};
use leanpool::lean_worker::Toolchain;
use leanpool::site::{SiteOptions, Sites};
use leanpool::source;

/// A project, and a Lake that says what lies in `said`, all in one folder.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("lean/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(folder.path().join("p/A")).unwrap();
        fs::write(folder.path().join("p/A/B.lean"), "import A").unwrap();
        fs::write(folder.path().join("p/lakefile.toml"), "").unwrap();
        let said = folder.path().join("said").display().to_string();
        fs::write(
            bin.join("lake"),
            format!("#!/bin/sh\nif [ $1 = env ]; then echo /lib; else exec cat {said}; fi\n"),
        )
        .unwrap();
        fs::set_permissions(bin.join("lake"), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn toolchain(&self) -> Toolchain {
        Toolchain { sysroot: self.path("lean"), version: "4.99.0".into(), identity: "x".into() }
    }

    /// What is known of the one file.
    fn asked(&self, cache: Option<&Path>) -> Result<String, String> {
        let project = LakeProject::open(self.path("p")).map_err(|error| error.to_string())?;
        let mut answers = Answers::new(&project, &self.toolchain(), cache, Asking::default())
            .map_err(|error| error.to_string())?;
        let setup =
            answers.of_file(&self.path("p/A/B.lean"), "import A").map_err(|error| error.to_string())?;
        let fields: serde_json::Value = serde_json::from_str(&setup.setup).expect("a set-up is JSON");
        for name in ["name", "isModule", "importArts", "dynlibs", "plugins", "options"] {
            assert!(fields.get(name).is_some(), "no {name}: {fields}");
        }
        assert!(setup.module.is_none_or(|module| !module.is_empty()));
        Ok(format!("{} {}", fields.as_object().unwrap().len().min(9), answers.asked()))
    }

    /// An error without the folder's name, which is another each time.
    fn kind(&self, error: &str, length: usize) -> String {
        fuzz::kind(&error.replace(&*self.0.path().to_string_lossy(), ""), length)
    }
}

thread_local! {
    static PLACE: RefCell<Place> = RefCell::new(Place::new());
}

const SETUP: &str = r#"{"name": "A.B", "package": "p", "isModule": false, "importArts": {"A": ["/lib/A.olean"]}, "dynlibs": [], "plugins": [], "options": {"autoImplicit": false}}"#;
const JSON: &[&str] = &[
    "\"name\": ",
    "\"A.«b.c»\"",
    "\"_unknown\"",
    "\"importArts\": ",
    "\"dynlibs\": ",
    "\"setupOptions\": ",
    "..",
    "\"/lib\"",
];

fuzz::target!(
    lake_answers,
    || [SETUP, r#"{"setupOptions": {"x": 1}, "paths": 1}"#, "{}"]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect(),
    JSON,
    40,
    |bytes: &[u8]| {
        PLACE.with_borrow(|place| {
            fs::write(place.path("said"), bytes).unwrap();
            place.asked(None).unwrap_or_else(|error| {
                assert!(error.contains("setup-file"), "{error}");
                place.kind(&error, bytes.len())
            })
        })
    }
);

fn kept_seeds() -> Vec<Vec<u8>> {
    let place = Place::new();
    fs::write(place.path("said"), SETUP).unwrap();
    place.asked(Some(&place.path("cache"))).unwrap();
    let kept = fs::read_dir(place.path("cache")).unwrap().next().unwrap().unwrap().path();
    // Paths of this folder are of no use in another.
    let text = fs::read_to_string(kept).unwrap().replace(&*place.0.path().to_string_lossy(), "/@");
    vec![text.into_bytes(), b"{\"search_path\":[],\"libraries\":[]}".to_vec()]
}

fuzz::target!(kept_answers, kept_seeds, JSON, 120, |bytes: &[u8]| {
    PLACE.with_borrow(|place| {
        fs::write(place.path("said"), SETUP).unwrap();
        let cache = place.path("cache");
        let kept = |path: &Path| fs::read_dir(path).ok()?.next()?.ok().map(|entry| entry.path());
        if kept(&cache).is_none() {
            place.asked(Some(&cache)).unwrap();
        }
        let root = place.0.path().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(bytes).replace("/@", &root);
        fs::write(kept(&cache).unwrap(), if text.is_ascii() { text.as_bytes() } else { bytes }).unwrap();
        // Whatever lies there, the file has a set-up: Lake is asked again.
        place.asked(Some(&cache)).unwrap()
    })
});

const MANIFEST: &str = r#"{"version": "1.1.0", "packagesDir": ".lake/packages", "packages": [{"type": "git", "subDir": "x", "name": "«doc-gen4»", "rev": "2"}, {"type": "path", "dir": "../sibling", "name": "s"}]}"#;

fuzz::target!(
    manifests,
    || vec![MANIFEST.as_bytes().to_vec(), b"{}".to_vec()],
    JSON,
    1000,
    |bytes: &[u8]| {
        PLACE.with_borrow(|place| {
            let path = place.path("p/lake-manifest.json");
            fs::write(&path, bytes).unwrap();
            let opened = fuzz::within(bytes.len(), 200, 20_000, || LakeProject::open(place.path("p")));
            let said = match opened {
                Ok(project) => {
                    assert_eq!(project.roots()[0], place.path("p"));
                    project.roots().len().min(4).to_string()
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("lake-manifest.json") && error.contains("lake update"), "{error}");
                    place.kind(&error, bytes.len())
                }
            };
            fs::remove_file(path).unwrap();
            said
        })
    }
);

fuzz::target!(setups, || vec![SETUP.as_bytes().to_vec()], JSON, 3000, |bytes: &[u8]| {
    PLACE.with_borrow(|place| {
        let path = place.path("setup.json");
        fs::write(&path, bytes).unwrap();
        let options = SiteOptions { setup: Some(path), ..SiteOptions::default() };
        let sites =
            fuzz::within(bytes.len(), 200, 20_000, || Sites::new(options, |_| Ok(PathBuf::new())).map(drop));
        sites.map_or_else(
            |error| {
                let error = error.to_string();
                assert!(error.contains("setup.json") && error.contains("lake setup-file"), "{error}");
                place.kind(&error, bytes.len())
            },
            |()| {
                assert!(serde_json::from_slice::<serde_json::Value>(bytes).unwrap().is_object());
                "read".to_owned()
            },
        )
    })
});

fuzz::target!(
    sources,
    || vec![b"import A\n#check 1\n".to_vec(), "∀ é".into()],
    &["é", "∀", "\n"],
    1000,
    |bytes: &[u8]| {
        PLACE.with_borrow(|place| {
            let path = place.path("source.lean");
            fs::write(&path, bytes).unwrap();
            match fuzz::within(bytes.len(), 8, 4000, || source::read(&path)) {
                Ok(text) => {
                    assert_eq!(text.as_bytes(), bytes);
                    "read".to_owned()
                }
                Err(failure) => {
                    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
                    assert!((1..=lines + 1).contains(&failure.line) && failure.column <= bytes.len() as u64);
                    fuzz::kind(&failure.message, bytes.len())
                }
            }
        })
    }
);
