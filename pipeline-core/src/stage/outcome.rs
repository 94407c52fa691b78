use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ArtifactName, ArtifactRef, Configuration, Digest, FactName, Release};

/// How a stage's work ended, when it could do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeStatus {
    /// It is done.
    Succeeded,
    /// It was done already; nothing was changed.
    Unchanged,
    /// There was nothing to do. A kind of success.
    Skipped,
    /// The stage says no.
    Failed,
}

/// What a stage did to its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeploymentReport {
    /// A release is live. With [`OutcomeStatus::Unchanged`], it was live before.
    Deployed {
        /// The release.
        release: Release,
        /// The configuration that it runs with.
        configuration: Configuration,
    },
    /// What is live was checked and is good.
    Verified {
        /// The digest of the release.
        release: Digest,
        /// The digest of the configuration.
        configuration: Digest,
    },
    /// What was live was not good, and an earlier release is live again.
    RolledBack {
        /// The digest of the release that was not good.
        from: Digest,
        /// The release that is live again; `None` when nothing is, because nothing was before.
        to: Option<Release>,
        /// The configuration that it runs with.
        configuration: Option<Configuration>,
    },
}

/// What came out of a stage: how it ended, artifacts, small named facts, what it did to its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub status: OutcomeStatus,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The artifacts that it produced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<ArtifactName, ArtifactRef>,
    /// Small facts for later stages and for people. Large results are artifacts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<FactName, Value>,
    /// What it did to its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Box<DeploymentReport>>,
}

impl Outcome {
    fn new(status: OutcomeStatus, reason: String) -> Self {
        Self {
            status,
            reason,
            artifacts: BTreeMap::new(),
            facts: BTreeMap::new(),
            deployment: None,
        }
    }

    /// Whether it is success and nothing more, which most stages end with.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.status == OutcomeStatus::Succeeded
            && self.reason.is_empty()
            && self.artifacts.is_empty()
            && self.facts.is_empty()
            && self.deployment.is_none()
    }

    /// It is done.
    pub fn succeeded() -> Self {
        Self::new(OutcomeStatus::Succeeded, String::new())
    }

    /// It was done already.
    pub fn unchanged(reason: impl Into<String>) -> Self {
        Self::new(OutcomeStatus::Unchanged, reason.into())
    }

    /// There was nothing to do.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::new(OutcomeStatus::Skipped, reason.into())
    }

    /// The stage says no.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::new(OutcomeStatus::Failed, reason.into())
    }

    /// The same outcome with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The same outcome with an artifact more.
    #[must_use]
    pub fn artifact(mut self, artifact: ArtifactRef) -> Self {
        self.artifacts.insert(artifact.name.clone(), artifact);
        self
    }

    /// The same outcome with a fact more. A name that breaks the rule for [names](crate::name) is mended:
    /// what is not allowed becomes `-`.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        let mended: String = name
            .to_ascii_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(crate::name::MAX_NAME_LEN)
            .collect();
        if let Ok(name) = FactName::new(mended) {
            self.facts.insert(name, value.into());
        }
        self
    }

    /// The same outcome with what it did to its environment.
    #[must_use]
    pub fn deployment(mut self, report: DeploymentReport) -> Self {
        self.deployment = Some(Box::new(report));
        self
    }

    /// Whether the stages after it may start.
    #[inline]
    pub fn is_success(&self) -> bool {
        self.status != OutcomeStatus::Failed
    }
}
