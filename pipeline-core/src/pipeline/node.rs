use serde_json::Value;

use super::graph::Graph;
use crate::{AnyGate, AnyStage, ArtifactName, EnvironmentName, PlannedStage, SignedDuration, StageName};

/// A stage in its [`Pipeline`](super::Pipeline): what its plan says of it, and the code.
#[derive(Debug, Clone, Copy)]
pub struct StageNode<'a> {
    pub(super) graph: &'a Graph,
    pub(super) index: u32,
}

/// The code of a stage.
#[derive(Debug)]
pub(super) struct StageCode {
    pub(super) stage: AnyStage,
    pub(super) gates: Vec<AnyGate>,
}

impl<'a> StageNode<'a> {
    fn code(self) -> &'a StageCode {
        &self.graph.code[self.index as usize]
    }

    /// What the plan says of it.
    pub fn planned(self) -> &'a PlannedStage {
        self.graph.run.stage(self.index)
    }

    /// Its name.
    pub fn name(self) -> &'a StageName {
        self.graph.run.name(self.index)
    }

    /// The stage itself.
    pub fn stage(self) -> &'a AnyStage {
        &self.code().stage
    }

    /// Its settings, as a plan keeps them.
    pub fn settings(self) -> &'a Value {
        &self.planned().settings
    }

    /// What must allow it to start.
    pub fn gates(self) -> &'a [AnyGate] {
        &self.code().gates
    }

    /// The stages that it waits for: named ones, and those that produce what it needs. Indices for
    /// [`Pipeline::get`](super::Pipeline::get), sorted, all lower than its own.
    pub fn dependencies(self) -> &'a [u32] {
        self.graph.run.dependencies(self.index)
    }

    /// The stages that wait for it: indices, sorted, all higher than its own.
    pub fn dependents(self) -> &'a [u32] {
        self.graph.run.dependents(self.index)
    }

    /// The artifacts that it needs, each once.
    pub fn needs(self) -> &'a [ArtifactName] {
        &self.planned().needs
    }

    /// The artifacts that it produces.
    pub fn produces(self) -> &'a [ArtifactName] {
        &self.planned().produces
    }

    /// The environment that it targets.
    pub fn environment(self) -> Option<&'a EnvironmentName> {
        self.planned().environment.as_ref()
    }

    /// How long an attempt may take, in whole seconds.
    pub fn timeout(self) -> Option<SignedDuration> {
        self.planned().timeout()
    }
}
