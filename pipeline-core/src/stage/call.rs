use std::collections::BTreeMap;

use serde_json::Value;

use crate::environment::{EnvironmentDescriptor, Tier};
use crate::fence::{Fence, IdempotencyKey};
use crate::{
    ActionPlan, ArtifactName, ArtifactRef, ComponentName, Configuration, Digest, FactName, PipelineName,
    Release, RunId, StageName, Timestamp,
};

/// One call of a stage, as data: everything that the engine decided about it.
#[derive(Debug, Clone)]
pub struct StageCall {
    /// The run.
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// What the pipeline releases.
    pub component: ComponentName,
    /// The stage.
    pub stage: StageName,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Which generation, from 1: attempts of one generation intend the same effect.
    pub generation: u32,
    /// When the attempt must have ended, if there is a limit.
    pub deadline: Option<Timestamp>,
    /// The artifacts that it needs.
    pub artifacts: BTreeMap<ArtifactName, ArtifactRef>,
    /// The facts of the stages that it waits for directly.
    pub facts: BTreeMap<StageName, BTreeMap<FactName, Value>>,
    /// The item of the list that the stage runs over, if it does.
    pub item: Option<Value>,
    /// The environment that it targets.
    pub target: Option<Box<Target>>,
}

impl StageCall {
    /// Names the intended effect.
    pub fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(&self.run, &self.stage, self.generation)
    }
}

/// The environment that a stage targets, as the journal knows it.
#[derive(Debug, Clone)]
pub struct Target {
    /// What the definition says of it.
    pub descriptor: EnvironmentDescriptor,
    /// Its configuration, as read for this call.
    pub configuration: Configuration,
    /// Orders the calls to it. `None` while the stage only plans.
    pub fence: Option<Fence>,
    /// The action plan that was computed for this call and passed the gates.
    pub action_plan: Option<ActionPlan>,
    /// The release that the journal says is live there, with the digest of its configuration.
    pub live: Option<(Release, Digest)>,
    /// The release that was last verified there, with the digest of its configuration: what a rollback goes
    /// back to.
    pub verified: Option<(Release, Digest)>,
}

impl Target {
    /// The tier of the environment.
    pub fn tier(&self) -> Tier {
        self.descriptor.tier
    }
}
