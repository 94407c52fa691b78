use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use pipeline_core::{ArtifactRef, StoreError};

use super::{RebuildReport, RecordedBuild};
use crate::store::blocking;
use crate::{Comparison, LocalStore, StoredArtifact};

/// Does a recorded build again. Only a host can: it knows where the source is, and which stages there are.
///
/// # Contract
///
/// The stages that built the artifact, and all that they wait for, run again: from the recorded revision and no other,
/// with the recorded plan, in a place of their own that holds nothing of the first time. What comes out is in a store of its
/// own, too; nothing is published in the first one, and no environment is touched. What the record says may be
/// anybody's claim: whoever runs code because of it decides whether to believe it.
#[async_trait]
pub trait Rebuilder: Debug + Send + Sync {
    /// The artifact that came out.
    ///
    /// # Errors
    ///
    /// When the build cannot be done again, or fails.
    async fn build_again(
        &self,
        recorded: &RecordedBuild,
    ) -> Result<StoredArtifact, Box<dyn Error + Send + Sync>>;
}

/// An artifact that was not built again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// Nobody says how it was built.
    #[error("no provenance of {artifact} by a run is attached to it, so there is no build to do again")]
    NoRecord {
        /// The artifact.
        artifact: ArtifactRef,
    },
    /// It, or what came out, cannot be read.
    #[error("the artifacts cannot be compared")]
    Store(#[from] StoreError),
    /// The build cannot be done again, or fails.
    #[error("{} was not built again", recorded.artifact)]
    Build {
        /// What was to be done.
        recorded: Box<RecordedBuild>,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Does the newest of some recorded builds again, and compares what comes out with what came out then, by their tables of
/// contents.
///
/// The records come from [`RecordedBuild::claimed`], or from [`RecordedBuild::proven`] when only those are to be believed
/// that a policy accepts.
///
/// # Errors
///
/// When there is no record, the build cannot be done again, or an artifact cannot be read.
pub async fn rebuild(
    store: &LocalStore,
    artifact: &ArtifactRef,
    records: Vec<RecordedBuild>,
    rebuilder: &dyn Rebuilder,
) -> Result<RebuildReport, RebuildError> {
    let Some(recorded) = records.into_iter().next() else {
        let artifact = artifact.clone();
        return Err(RebuildError::NoRecord { artifact });
    };
    let (store, artifact) = (store.clone(), artifact.clone());
    let before = blocking(move || store.artifact(&artifact)).await??;
    let after = match rebuilder.build_again(&recorded).await {
        Ok(after) => after,
        Err(source) => {
            let recorded = Box::new(recorded);
            return Err(RebuildError::Build { recorded, source });
        }
    };
    Ok(RebuildReport {
        rebuilt: after.reference().digest,
        trees: (before.tree()?, after.tree()?),
        comparison: Comparison::of(&before, &after)?,
        recorded,
    })
}
