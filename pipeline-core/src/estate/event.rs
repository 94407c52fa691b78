use serde::{Deserialize, Serialize};

use crate::{
    ComponentName, Configuration, Digest, PipelineName, Purpose, Release, Revision, RunId, StageName, Tier,
    Timestamp,
};

/// A run got the exclusive use of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// The run.
    pub run: RunId,
    /// The stage that asked.
    pub stage: StageName,
    /// Which grant this is, from 1.
    pub token: u64,
}

/// A run gave the environment back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The run.
    pub run: RunId,
    /// Which grant.
    pub token: u64,
}

/// A release became live, or was live already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The tier of the environment.
    pub tier: Tier,
    /// The release.
    pub release: Release,
    /// Its digest.
    pub release_digest: Digest,
    /// The configuration that it runs with.
    pub configuration: Configuration,
    /// Its digest.
    pub configuration_digest: Digest,
    /// Whether it was live before: nothing was deployed.
    #[serde(default)]
    pub unchanged: bool,
    /// Why the run was asked for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The revision of the source that the run releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The revisions that came to the environment with it, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// When the run was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// When the deployment began. It ended when the event was appended.
    pub started_at: Timestamp,
}

/// A deployment failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentFailed {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The component.
    pub component: ComponentName,
    /// The tier of the environment.
    pub tier: Tier,
    /// The digest of the release that was to be deployed, if the action plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_digest: Option<Digest>,
    /// Why it failed, outermost cause first.
    pub error: Vec<String>,
    /// When the deployment began.
    pub started_at: Timestamp,
}

/// What is live was checked and is good: the release that a rollback would go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
    /// The digest of the release.
    pub release_digest: Digest,
    /// The digest of its configuration.
    pub configuration_digest: Digest,
}

/// What was live was not good, and an earlier release is live again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
    /// The component.
    pub component: ComponentName,
    /// The tier of the environment.
    pub tier: Tier,
    /// The digest of the release that was not good.
    pub from: Digest,
    /// The release that is live again; `None` when nothing is.
    pub to: Option<Release>,
    /// The configuration that it runs with.
    pub configuration: Option<Configuration>,
    /// Why.
    pub reason: String,
}

crate::event_family! {
    /// What happens to an environment; the stream is `environment/NAME`. Its lock and its history of deployments
    /// are one, so exclusive use needs no second mechanism.
    pub enum EnvironmentEvent in "environment" {
        /// A run got the exclusive use.
        Locked(Locked) = "locked" v1,
        /// A run gave it back.
        Released(Released) = "released" v1,
        /// A release became live.
        Deployed(Deployed) = "deployed" v1,
        /// A deployment failed.
        DeploymentFailed(DeploymentFailed) = "deployment-failed" v1,
        /// What is live is good.
        Verified(Verified) = "verified" v1,
        /// An earlier release is live again.
        RolledBack(RolledBack) = "rolled-back" v1,
    }
}
