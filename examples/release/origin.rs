use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_artifacts::{JournalOrigin, Origin};
use pipeline_core::attestation::{Algorithm, KeyError, PrivateKey};
use pipeline_core::{Journal, Revision, RunId, RunState, SystemEntropy};
use serde::{Deserialize, Serialize};

use crate::answer::Problem;
use crate::revisions;

/// What this program calls itself in provenance. A program that others trust has an address of its own here.
pub const BUILDER: &str = "https://example.com/release";

/// Where the code of a run was taken from: beside its copy, in `runs/ID/origin.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceOrigin {
    /// The repository, as provenance names it.
    pub repository: String,
    /// The branch that was checked out.
    pub reference: Option<String>,
    /// The directory that was copied.
    pub directory: PathBuf,
}

impl SourceOrigin {
    const FILE: &str = "origin.json";

    /// Keeps it with a run.
    pub fn write(&self, run: &Path) -> Result<(), Problem> {
        fs::create_dir_all(run)?;
        Ok(fs::write(run.join(Self::FILE), serde_json::to_vec(self)?)?)
    }

    /// What is kept with a run, if that is known.
    pub fn read(run: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.join(Self::FILE)).ok()?).ok()
    }
}

/// What this program knows of the origin of its artifacts: the journal, and git.
#[derive(Debug)]
pub struct HostOrigin {
    journal: JournalOrigin,
    runs: PathBuf,
}

impl HostOrigin {
    pub fn new(journal: Arc<dyn Journal>, root: &Path) -> Self {
        Self {
            journal: JournalOrigin::new(journal),
            runs: root.join("runs"),
        }
    }

    fn source(&self, run: &RunState) -> Option<SourceOrigin> {
        SourceOrigin::read(&self.runs.join(run.id().as_str()))
    }
}

#[async_trait]
impl Origin for HostOrigin {
    async fn run(&self, run: &RunId) -> Result<RunState, Box<dyn std::error::Error + Send + Sync>> {
        self.journal.run(run).await
    }

    fn repository(&self, run: &RunState) -> Option<(String, Option<String>)> {
        let source = self.source(run)?;
        Some((source.repository, source.reference))
    }

    fn revisions(&self, run: &RunState, since: &str) -> Option<Vec<Revision>> {
        revisions::between(&self.source(run)?.directory, since, &run.revision()?.id)
    }
}

/// The key that provenance is signed with: `keys/provenance.pem`, made when there is none and it may be, with the public
/// one beside it for policies. None is made by, or needed of, whoever only looks.
pub fn key(root: &Path, make: bool) -> Result<Option<Arc<PrivateKey>>, Problem> {
    let file = root.join("keys/provenance.pem");
    match PrivateKey::read(&file) {
        Ok(key) => return Ok(Some(Arc::new(key))),
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        // Whoever only looks at somebody else's store signs nothing.
        Err(KeyError::Io { source, .. }) if !make && source.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) => return Err(error.into()),
    }
    if !make {
        return Ok(None);
    }
    fs::create_dir_all(root.join("keys"))?;
    let own = root.join(format!("keys/.provenance-{}.pem", std::process::id()));
    PrivateKey::generate(Algorithm::Ed25519, &SystemEntropy).write(&own)?;
    // The first one that is whole stays.
    let first = fs::hard_link(&own, &file);
    fs::remove_file(&own)?;
    if let Err(error) = first
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    let key = PrivateKey::read(&file)?;
    fs::write(root.join("keys/provenance.pub.pem"), key.public().to_pem())?;
    Ok(Some(Arc::new(key)))
}
