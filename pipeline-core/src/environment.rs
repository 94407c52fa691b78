//! Environments: where releases go.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fence::{Fence, IdempotencyKey};
use crate::{ArtifactStore, Configuration, Digest, EnvironmentName, FactName, Release, TypeName};

/// How near an environment is to users. Metrics count deployments to production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// For trying things out.
    #[default]
    Development,
    /// For automated and manual tests.
    Testing,
    /// As production, without its users.
    Staging,
    /// Where the users are.
    Production,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Testing => "testing",
            Self::Staging => "staging",
            Self::Production => "production",
        })
    }
}

/// An environment as data: what a definition says of it and a worker resolves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentDescriptor {
    /// Its name, unique in a journal.
    pub name: EnvironmentName,
    /// How near to users it is.
    pub tier: Tier,
    /// Its type; a registry maps it to code.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The settings of that type.
    pub settings: Value,
    /// The file with its configuration, relative to the source's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
}

/// What an environment says of itself when it is asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// What is live there; `None` when nothing is.
    pub live: Option<LiveRelease>,
    /// Declared facts that make it comparable with another environment and that an action plan may depend
    /// on: an operating system, a capacity. Telemetry never belongs here, for a fact that changes voids
    /// approvals.
    pub facts: BTreeMap<FactName, Value>,
}

/// What is live in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRelease {
    /// The digest of the release.
    pub release: Digest,
    /// The digest of the configuration that it runs with.
    pub configuration: Digest,
    /// How what is there differs from what was deployed; empty when it does not. An environment that
    /// drifted gives no evidence and is deployed to even if the digests are equal.
    pub drift: Vec<String>,
}

/// A request to make a release live.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// What to deploy.
    pub release: Release,
    /// With which configuration.
    pub configuration: Configuration,
    /// Where the artifacts' bytes are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Names the intended effect.
    pub key: IdempotencyKey,
    /// Orders the calls. `None` outside a run.
    pub fence: Option<Fence>,
}

/// Somewhere releases run.
///
/// # Contract
///
/// The engine holds the environment's lock while it calls `deploy` and `retire`, and may call either again
/// with the same key after a crash. An implementer owes:
///
/// - `observe` changes nothing and tells what is there now, not what was meant to be there.
/// - `deploy` of what is live already is no error and changes nothing. When it returns `Ok`, the release
///   is live; when it fails, what was live before still is, as far as the environment can.
/// - Dropping a call mid-way leaves something that `observe` describes and `deploy` can start from.
/// - A release that was replaced stays available for a rollback until it is retired.
#[async_trait]
pub trait Environment: Debug + Send + Sync + 'static {
    /// What the definition says of it.
    fn descriptor(&self) -> &EnvironmentDescriptor;

    /// What is live there now.
    ///
    /// # Errors
    ///
    /// When the environment cannot be asked.
    async fn observe(&self) -> Result<Observation, EnvironmentError>;

    /// Makes a release live.
    ///
    /// # Errors
    ///
    /// When it did not become live, or it cannot be told.
    async fn deploy(&self, request: &DeployRequest) -> Result<(), EnvironmentError>;

    /// Removes what the environment keeps of a release that is not live. No error when there is nothing.
    ///
    /// # Errors
    ///
    /// When the release is live, or cannot be removed.
    async fn retire(&self, release: &Digest, fence: Option<Fence>) -> Result<(), EnvironmentError>;

    /// Where checks reach what is live: a path, a URL. `None` when that says nothing.
    fn location(&self) -> Option<String> {
        None
    }

    /// The environment as one that checks fences, if it does.
    fn fenced(&self) -> Option<&dyn Fenced> {
        None
    }
}

/// An environment that checks fences.
///
/// # Contract
///
/// The environment keeps the highest fence that it has seen, durably, and with every call that changes
/// it either takes a fence that is at least as high or refuses with [`EnvironmentError::Fenced`]. Check and
/// change cannot be torn apart by another call.
#[async_trait]
pub trait Fenced: Send + Sync {
    /// The highest fence that the environment has seen.
    ///
    /// # Errors
    ///
    /// When the environment cannot be asked.
    async fn highest_fence(&self) -> Result<Option<Fence>, EnvironmentError>;
}

/// What an environment could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The call came too late: the environment has seen a higher fence.
    #[error(
        "environment `{environment}` has seen fence {highest}; this call has {offered} and comes too late"
    )]
    Fenced {
        /// Which environment.
        environment: EnvironmentName,
        /// The highest fence that it has seen.
        highest: Fence,
        /// The fence of this call.
        offered: Fence,
    },
    /// The release or configuration does not fit the environment.
    #[error("environment `{environment}` refuses: {reason}")]
    Refused {
        /// Which environment.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// The environment failed, or cannot be reached.
    #[error("environment `{environment}`: {what}")]
    Failed {
        /// Which environment.
        environment: EnvironmentName,
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}
