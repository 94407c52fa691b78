use super::StatementError;
use crate::{ArtifactName, ArtifactRef, RunId};

/// A run that does not prove where an artifact comes from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvenanceError {
    /// No stage of the run gave the artifact.
    #[error("run {run} did not build {artifact}")]
    NotBuilt {
        /// The run.
        run: RunId,
        /// The artifact.
        artifact: ArtifactName,
    },
    /// The run gave another artifact of that name.
    #[error("run {run} built {built}, not {asked}")]
    Other {
        /// The run.
        run: RunId,
        /// What it built.
        built: Box<ArtifactRef>,
        /// What was asked about.
        asked: Box<ArtifactRef>,
    },
    /// The artifact was built earlier, and used again.
    #[error(
        "run {run} did not build {artifact}: it used what run {from} built; take the provenance of that run"
    )]
    Reused {
        /// The run.
        run: RunId,
        /// The artifact.
        artifact: ArtifactName,
        /// The run that the outcome was taken from.
        from: RunId,
    },
    /// What would be claimed has no sound form: there is nothing to claim it of, or the builder has no id.
    #[error("the provenance cannot be stated")]
    Statement(#[from] StatementError),
}
