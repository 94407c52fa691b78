use crate::journal::{AppendError, ReadError};
use crate::run::{FoldError, Refusal};
use crate::{DecodeError, RunId};

/// A run that could not be created, driven or changed. The journal stands as it was before the failing step;
/// drive the run again to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The journal could not be written. Nothing was begun that is not in it.
    #[error("the journal does not take events of run {run}")]
    Append {
        /// The run.
        run: RunId,
        /// Why.
        source: AppendError,
    },
    /// The journal could not be read.
    #[error("the journal cannot be read")]
    Read(#[source] ReadError),
    /// The journal holds something that this program cannot read.
    #[error("the journal holds what this program cannot read")]
    Decode(#[source] DecodeError),
    /// The journal has no sound run of this name.
    #[error("run {run} cannot be loaded")]
    Load {
        /// The run.
        run: RunId,
        /// Why.
        source: Box<FoldError>,
    },
    /// The run refuses the request.
    #[error("the run refuses")]
    Refused(#[source] Refusal),
    /// The pipeline is not the one that the run was planned with.
    #[error("run {run} was planned with another pipeline: {reason}")]
    OtherPipeline {
        /// The run.
        run: RunId,
        /// What is different.
        reason: String,
    },
    /// The source is not the one that the run was created with.
    #[error("run {run} was created with another source: {reason}")]
    OtherSource {
        /// The run.
        run: RunId,
        /// What is different.
        reason: String,
    },
    /// The run cannot begin again.
    #[error("run {run} cannot begin again: {reason}")]
    NotAgain {
        /// The run.
        run: RunId,
        /// Why not.
        reason: String,
    },
    /// Another worker drives the run.
    #[error("run {run} is driven by another process")]
    Taken {
        /// The run.
        run: RunId,
    },
    /// It cannot be told whether another worker drives the run.
    #[error("cannot take run {run}")]
    Lease {
        /// The run.
        run: RunId,
        /// Why.
        source: super::LeaseError,
    },
    /// Other writers were first too often.
    #[error("run {run}: other writers were first {tries} times in a row")]
    Contended {
        /// The run.
        run: RunId,
        /// How often it was tried.
        tries: u32,
    },
    /// A task of the runner itself broke: a mistake in this crate. The run can be driven again.
    #[error("run {run}: a task of the runner broke")]
    Task {
        /// The run.
        run: RunId,
        /// How.
        source: tokio::task::JoinError,
    },
    /// A plan has no canonical form.
    #[error("the plan has no digest")]
    Canonical(#[source] crate::CanonicalError),
}
