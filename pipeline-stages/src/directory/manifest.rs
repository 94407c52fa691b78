use std::fs;
use std::path::Path;

use pipeline_core::{Configuration, Digest, Release};
use serde::{Deserialize, Serialize};

use super::tree::Tree;

/// What `deployment.json` says: what was put there. A source of truth for [`observe`](super::observe).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Manifest {
    /// The form of this file: 1.
    format: u32,
    pub(super) release_digest: Digest,
    pub(super) configuration_digest: Digest,
    /// The digest of `release`, `configuration` and `tree`: an edited manifest shows.
    seal: Digest,
    #[serde(flatten)]
    content: Content,
}

/// The part of a manifest under its seal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Content {
    release: Release,
    /// Secrets in it are references.
    configuration: Configuration,
    tree: Tree,
}

impl Manifest {
    pub(super) const FILE: &'static str = "deployment.json";

    pub(super) fn new(
        release: Release,
        configuration: Configuration,
        tree: Tree,
    ) -> Result<Self, pipeline_core::CanonicalError> {
        let content = Content {
            release,
            configuration,
            tree,
        };
        Ok(Self {
            format: 1,
            release_digest: content.release.digest()?,
            configuration_digest: content.configuration.digest()?,
            seal: Digest::of_data(&content)?,
            content,
        })
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.content.tree
    }

    /// Reads the manifest of a release's directory.
    ///
    /// # Errors
    ///
    /// The reason, when it is missing or is not what was written.
    pub(super) fn read(directory: &Path) -> Result<Self, String> {
        let bytes =
            fs::read(directory.join(Self::FILE)).map_err(|error| format!("cannot be read: {error}"))?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| format!("is damaged: {error}"))?;
        if manifest.format != 1 {
            return Err(format!("has form {}, and only 1 is known", manifest.format));
        }
        let Content {
            release,
            configuration,
            tree,
        } = manifest.content.clone();
        match Self::new(release, configuration, tree) {
            Ok(sealed) if sealed == manifest => Ok(manifest),
            _ => Err("is damaged: its digests do not fit".to_owned()),
        }
    }
}
