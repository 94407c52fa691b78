use pipeline_core::{ArtifactName, CanonicalError, Digest, EnvironmentError, StoreError};

use crate::ProgramError;

/// A release that cannot be put together from what a stage needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The stage needs no artifact.
    #[error("the stage has no artifact to release: name what it `needs`")]
    NoArtifact,
    /// Several artifacts could give the release its version.
    #[error(
        "which artifact gives the release its version? set `version-of` to one of {}",
        list(names)
    )]
    Ambiguous {
        /// The artifacts that the stage needs.
        names: Vec<ArtifactName>,
    },
    /// The artifact under `version-of` is not needed.
    #[error("`version-of` is `{name}`, but the stage needs {}", list(names))]
    NotNeeded {
        /// The artifact that was named.
        name: ArtifactName,
        /// The artifacts that the stage needs.
        names: Vec<ArtifactName>,
    },
}

fn list(names: &[ArtifactName]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// A deployment that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The stage has no environment.
    #[error("the stage targets no environment")]
    NoEnvironment,
    /// There is no release to deploy.
    #[error("there is no release to deploy")]
    Release(#[from] ReleaseError),
    /// A release or configuration has no digest.
    #[error("the deployment has no digest")]
    Digest(#[from] CanonicalError),
    /// What would be done is not what was approved.
    #[error("the action plan is for {planned}, and this would deploy {now}")]
    NotPlanned {
        /// The release and configuration of the action plan, shortened.
        planned: String,
        /// Those of the call.
        now: String,
    },
    /// The environment cannot be asked what is live. Nothing was done.
    #[error("what is live cannot be told")]
    Observe(#[source] EnvironmentError),
    /// What a rollback will need cannot be stored. Nothing was done.
    #[error("what a later rollback needs cannot be stored")]
    Store(#[source] Box<StoreError>),
    /// The environment refuses, or failed and says that the release is not live.
    #[error("the release is not live")]
    Deploy(#[source] EnvironmentError),
    /// The environment failed, and then could not be asked what is live.
    #[error("the deployment failed on its way")]
    Lost(#[source] EnvironmentError),
    /// The stage was asked to stop.
    #[error("the deployment was stopped on its way: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}

impl From<StoreError> for DeployError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// A deployment that could not be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The stage has no environment.
    #[error("the stage targets no environment")]
    NoEnvironment,
    /// There is nothing to verify.
    #[error("there is no release to verify")]
    Release(#[from] ReleaseError),
    /// A release or configuration has no digest.
    #[error("the deployment has no digest")]
    Digest(#[from] CanonicalError),
    /// The environment cannot be asked what is live.
    #[error("what is live cannot be told")]
    Observe(#[source] EnvironmentError),
    /// Something else is live, or something was changed there. Nothing is rolled back: it is not ours.
    #[error("{expected} is to be verified, but the environment {found}")]
    NotLive {
        /// The release.
        expected: String,
        /// What the environment says.
        found: String,
    },
    /// The check could not be run. This says nothing about the release, so nothing is rolled back.
    #[error("the check cannot be run")]
    Check(#[from] ProgramError),
    /// The check said yes, and the environment has seen a higher fence: it is somebody else's now.
    #[error("the check said yes, but the call comes too late")]
    Late(#[source] EnvironmentError),
    /// The check said no, and the rollback did not work out. The release that is not good may be live.
    #[error("the check failed ({check}), and so did the rollback to {to}")]
    Rollback {
        /// What the check said.
        check: String,
        /// The release that should be live.
        to: String,
        /// Why it is not.
        source: RollbackError,
    },
}

/// A rollback that did not work out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// The configuration of the release cannot be read.
    #[error("its configuration {} cannot be read", digest.short())]
    Configuration {
        /// The digest of the configuration.
        digest: Digest,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The environment does not take it.
    #[error("the environment does not take it")]
    Deploy(#[source] EnvironmentError),
    /// The environment cannot be asked whether it is live.
    #[error("it cannot be told whether it is live")]
    Observe(#[source] EnvironmentError),
    /// It was taken, and something else is live.
    #[error("the environment {found}")]
    NotLive {
        /// What the environment says.
        found: String,
    },
}
