use serde_json::Value;

use crate::{
    AnyGate, AnyStage, ArtifactName, EnvironmentName, PlannedGate, SignedDuration, StageName, TypeName,
};

/// A stage in its [`Pipeline`](super::Pipeline).
#[derive(Debug)]
pub struct StageNode {
    pub(super) name: StageName,
    pub(super) type_name: TypeName,
    pub(super) stage: AnyStage,
    pub(super) settings: Value,
    pub(super) gates: Vec<AnyGate>,
    pub(super) planned_gates: Vec<PlannedGate>,
    pub(super) dependencies: Vec<u32>,
    pub(super) dependents: Vec<u32>,
    pub(super) needs: Vec<ArtifactName>,
    pub(super) produces: Vec<ArtifactName>,
    pub(super) environment: Option<EnvironmentName>,
    pub(super) timeout_seconds: Option<u64>,
}

impl StageNode {
    /// Its name.
    pub fn name(&self) -> &StageName {
        &self.name
    }

    /// The stage itself.
    pub fn stage(&self) -> &AnyStage {
        &self.stage
    }

    /// Its settings, as a plan keeps them.
    pub fn settings(&self) -> &Value {
        &self.settings
    }

    /// What must allow it to start.
    pub fn gates(&self) -> &[AnyGate] {
        &self.gates
    }

    /// The stages that it waits for: named ones, and those that produce what it needs. Indices for
    /// [`Pipeline::get`](super::Pipeline::get), sorted, all lower than its own.
    pub fn dependencies(&self) -> &[u32] {
        &self.dependencies
    }

    /// The stages that wait for it: indices, sorted, all higher than its own.
    pub fn dependents(&self) -> &[u32] {
        &self.dependents
    }

    /// The artifacts that it needs, each once.
    pub fn needs(&self) -> &[ArtifactName] {
        &self.needs
    }

    /// The artifacts that it produces.
    pub fn produces(&self) -> &[ArtifactName] {
        &self.produces
    }

    /// The environment that it targets.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        self.environment.as_ref()
    }

    /// How long an attempt may take, in whole seconds.
    pub fn timeout(&self) -> Option<SignedDuration> {
        self.timeout_seconds
            .map(|seconds| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
    }
}
