//! The run plan: the graph and the settings, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::CanonicalError;
use crate::{
    ArtifactName, ComponentName, Digest, Effect, EnvironmentDescriptor, EnvironmentName, PipelineName,
    SignedDuration, StageName, TypeName,
};

/// What a run will do, as data: it is stored with the run, travels to workers, and is never approved; what is
/// approved are [action plans](crate::ActionPlan).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The form of this plan: 1.
    pub format: u32,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// What it releases.
    pub component: ComponentName,
    /// The environments that it knows; its stages target them.
    #[serde(default)]
    pub environments: BTreeMap<EnvironmentName, EnvironmentDescriptor>,
    /// The stages, each after all that it depends on.
    pub stages: Vec<PlannedStage>,
}

/// One stage of a run plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// Its name.
    pub name: StageName,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The version of its type.
    pub version: u32,
    /// Its settings.
    #[serde(default)]
    pub settings: Value,
    /// What may follow when nobody knows how it ended.
    pub effect: Effect,
    /// All stages that it waits for: named ones, and those that produce what it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StageName>,
    /// The artifacts that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<ArtifactName>,
    /// The artifacts that it produces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub produces: Vec<ArtifactName>,
    /// The environment that it targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// What must allow it to start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<PlannedGate>,
    /// How long an attempt may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Whether it plans its actions.
    #[serde(default)]
    pub plans: bool,
    /// Whether any worker can build it from type and settings.
    #[serde(default = "yes")]
    pub portable: bool,
}

impl PlannedStage {
    /// How long an attempt may take.
    pub fn timeout(&self) -> Option<SignedDuration> {
        self.timeout_seconds
            .map(|seconds| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
    }
}

/// One gate of a planned stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedGate {
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The version of its type.
    pub version: u32,
    /// Its settings.
    #[serde(default)]
    pub settings: Value,
}

fn yes() -> bool {
    true
}

/// A plan that only the process that made it can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "only this process can run stages {}: they are built around closures",
    list(stages)
)]
pub struct NotPortable {
    /// The stages that no other worker can build.
    pub stages: Vec<StageName>,
}

fn list(stages: &[StageName]) -> String {
    stages
        .iter()
        .map(|stage| format!("`{stage}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl RunPlan {
    /// The digest of the plan.
    ///
    /// # Errors
    ///
    /// Never in practice: a plan has a canonical form.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Digest::of_data(self)
    }

    /// Whether any worker with the right stage types can run it.
    ///
    /// # Errors
    ///
    /// When some stages cannot be built from data; the error names them.
    pub fn portable(&self) -> Result<(), NotPortable> {
        let stages: Vec<_> = self
            .stages
            .iter()
            .filter(|stage| !stage.portable)
            .map(|stage| stage.name.clone())
            .collect();
        if stages.is_empty() {
            Ok(())
        } else {
            Err(NotPortable { stages })
        }
    }

    /// A stage by name.
    pub fn stage(&self, name: &str) -> Option<&PlannedStage> {
        self.stages.iter().find(|stage| stage.name.as_str() == name)
    }
}
