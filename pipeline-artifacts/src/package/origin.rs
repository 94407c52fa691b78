use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_core::attestation::ResourceDescriptor;
use pipeline_core::{ArtifactRef, Journal, JournalExt, Revision, RunId, RunState, StreamId};

/// What a host knows of the origin of what its runs build.
///
/// # Contract
///
/// The run comes out of the journal, with the stage that asks at work in it. Everything else is a claim of the host, which
/// signs it: what it does not know for sure it leaves out. It is asked again when a stage is repeated.
#[async_trait]
pub trait Origin: Debug + Send + Sync {
    /// A run, as the journal has it now.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    async fn run(&self, run: &RunId) -> Result<RunState, Box<dyn Error + Send + Sync>>;

    /// The repository that the run's code was taken from, such as `git+https://git.example.com/shop`, and the branch or
    /// tag in full, such as `refs/heads/main`.
    fn repository(&self, run: &RunState) -> Option<(String, Option<String>)> {
        let _ = run;
        None
    }

    /// The revisions of the run that are new since another one, the newest first.
    fn revisions(&self, run: &RunState, since: &str) -> Option<Vec<Revision>> {
        let _ = (run, since);
        None
    }

    /// What else was used: tools with their versions, base images.
    fn tools(&self, run: &RunState) -> Vec<ResourceDescriptor> {
        let _ = run;
        Vec::new()
    }

    /// What people should know of the artifact, in Markdown.
    fn notes(&self, run: &RunState, artifact: &ArtifactRef) -> Option<String> {
        let _ = (run, artifact);
        None
    }
}

/// The origin that a journal alone knows: the run, its plan and its revision.
#[derive(Debug, Clone)]
pub struct JournalOrigin(Arc<dyn Journal>);

impl JournalOrigin {
    /// What a journal knows.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self(journal)
    }
}

#[async_trait]
impl Origin for JournalOrigin {
    async fn run(&self, run: &RunId) -> Result<RunState, Box<dyn Error + Send + Sync>> {
        let events = self.0.read_stream(&StreamId::run(run), 0).await?;
        Ok(RunState::from_events(run, &events)?)
    }
}
