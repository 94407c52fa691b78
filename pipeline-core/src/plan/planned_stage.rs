use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Each, RetryPolicy, When};
use crate::{ArtifactName, Effect, EnvironmentName, PoolName, SignedDuration, StageName, TypeName};

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
    /// The pools of which an attempt takes a slot each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolName>,
    /// When it runs, by how the stages before it ended.
    #[serde(default, skip_serializing_if = "When::is_default")]
    pub when: When,
    /// What happens after a failed attempt; without it, one attempt is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Box<RetryPolicy>>,
    /// The list that it runs over, once for each item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Box<Each>>,
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
    /// A stage without settings that waits for nothing.
    pub fn new(name: StageName, type_name: TypeName, effect: Effect) -> Self {
        Self {
            name,
            type_name,
            version: 1,
            settings: Value::Null,
            effect,
            after: Vec::new(),
            needs: Vec::new(),
            produces: Vec::new(),
            environment: None,
            gates: Vec::new(),
            pools: Vec::new(),
            when: When::default(),
            retry: None,
            each: None,
            timeout_seconds: None,
            plans: false,
            portable: true,
        }
    }

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
