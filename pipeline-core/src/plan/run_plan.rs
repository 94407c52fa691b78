use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FailurePolicy, PlannedPool, PlannedStage, QueueMode, RunLimits};
use crate::digest::{CanonicalError, DigestBuilder, canonical_json};
use crate::{
    ComponentName, Digest, EnvironmentDescriptor, EnvironmentName, PipelineName, PoolName, StageName,
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
    /// The pools that its stages take slots of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<PoolName, PlannedPool>,
    /// How much of it may go on at once, and for how long.
    #[serde(default, skip_serializing_if = "RunLimits::is_none")]
    pub limits: RunLimits,
    /// What the first failure does to the rest.
    #[serde(default, skip_serializing_if = "FailurePolicy::is_default")]
    pub on_failure: FailurePolicy,
    /// What runs of this pipeline do with each other.
    #[serde(default, skip_serializing_if = "QueueMode::is_default")]
    pub runs: QueueMode,
    /// The stages, each after all that it depends on.
    pub stages: Vec<PlannedStage>,
}

impl RunPlan {
    /// A plan without stages.
    pub fn new(pipeline: PipelineName, component: ComponentName) -> Self {
        Self {
            format: 1,
            pipeline,
            component,
            environments: BTreeMap::new(),
            pools: BTreeMap::new(),
            limits: RunLimits::default(),
            on_failure: FailurePolicy::default(),
            runs: QueueMode::default(),
            stages: Vec::new(),
        }
    }
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
    /// The digest of the plan: of its lines, which are the plan without its stages, then each stage, all as canonical
    /// JSON (RFC 8785) with a line break behind. So it takes no memory to speak of, however long the plan is.
    ///
    /// # Errors
    ///
    /// Never in practice: a plan has a canonical form.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        let mut builder = DigestBuilder::new();
        builder.update(canonical_json(&self.head())?);
        builder.update("\n");
        for stage in &self.stages {
            builder.update(canonical_json(stage)?);
            builder.update("\n");
        }
        Ok(builder.finish())
    }

    /// The plan without its stages.
    pub(crate) fn head(&self) -> Self {
        Self {
            environments: self.environments.clone(),
            pools: self.pools.clone(),
            limits: self.limits,
            on_failure: self.on_failure,
            runs: self.runs,
            format: self.format,
            ..Self::new(self.pipeline.clone(), self.component.clone())
        }
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
