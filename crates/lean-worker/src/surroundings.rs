//! What files are checked in, but for their headers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::header::Header;
use crate::protocol::{Config, line};

/// What files are checked in, but for their headers. Files with equal surroundings and equal headers share a zygote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Surroundings {
    /// The folder of the toolchain.
    pub sysroot: PathBuf,
    /// The worker program that was built for it. The engine [`Lean`](crate::Engine::Lean) needs none.
    pub worker: PathBuf,
    /// Folders with compiled modules, looked at in this order before the toolchain's own. UTF-8, as Lean needs it.
    pub search_path: Vec<String>,
    /// What `lake setup-file` says, as JSON.
    pub setup: Option<String>,
    /// Options of Lean, `name=value`.
    pub options: Vec<String>,
    /// The folder of the Lake project: a zygote is stale once its files have changed.
    pub project: Option<PathBuf>,
    /// Bytes of stack for each thread; `None`: as many as that Lean takes. A limit on memory needs it from Lean 4.30 on, whose own are 1 GiB.
    pub stack_size: Option<u64>,
    /// Whether that Lean's command can save what a header imports, for the engine [`Lean`](crate::Engine::Lean).
    pub saves_headers: bool,
}

impl Surroundings {
    /// The first line for a zygote.
    pub(crate) fn config(&self, header: &Header, output_limit: u64) -> Result<Vec<u8>, String> {
        let setup: Option<Value> = match &self.setup {
            Some(text) => {
                Some(serde_json::from_str(text).map_err(|error| format!("the set-up is no JSON: {error}"))?)
            }
            None => None,
        };
        let sysroot = self
            .sysroot
            .to_str()
            .ok_or_else(|| format!("{} is not UTF-8, which Lean needs", self.sysroot.display()))?;
        let config = Config {
            sysroot,
            search_path: &self.search_path,
            file: header.file(),
            header: &header.text(),
            setup: setup.as_ref(),
            options: &self.options,
            stack_size: self.stack_size,
            output_limit,
        };
        Ok(line(None, &config))
    }
}
