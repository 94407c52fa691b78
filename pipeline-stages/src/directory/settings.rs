use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline_core::FactName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The settings of a [`DirectoryEnvironment`](crate::DirectoryEnvironment).
///
/// ```toml
/// type = "directory"
/// settings = { path = "/srv/staging", facts = { os = "debian-13" } }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DirectorySettings {
    /// The directory. It must be absolute once the environment is made; see [`below`](Self::below).
    pub path: PathBuf,
    /// What the environment declares of itself, for action plans and for comparison with others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<FactName, Value>,
}

impl DirectorySettings {
    /// The settings of an environment in this directory, which declares nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            facts: BTreeMap::new(),
        }
    }

    /// The same settings, with a relative path taken from this directory: a host says where, for a worker's
    /// working directory means nothing to a definition.
    #[must_use]
    pub fn below(mut self, root: &Path) -> Self {
        self.path = root.join(&self.path);
        self
    }
}
