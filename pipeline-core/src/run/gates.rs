use std::collections::HashMap;

use super::graph::StageIndex;
use super::state::RunState;
use crate::{ActionPlan, AnyGate, Digest, GateRequest, StageName};

/// The gates of a run's stages, as code. What they decided stands in the journal; the code is needed only to
/// decide anew.
#[derive(Debug, Default)]
pub struct Gates(HashMap<StageName, Vec<AnyGate>>);

impl Gates {
    /// The gates of some stages.
    pub fn new(gates: impl IntoIterator<Item = (StageName, Vec<AnyGate>)>) -> Self {
        Self(gates.into_iter().filter(|(_, gates)| !gates.is_empty()).collect())
    }

    /// The gates of one stage, in order.
    pub fn of(&self, stage: &StageName) -> &[AnyGate] {
        self.0.get(stage).map_or(&[], Vec::as_slice)
    }
}

impl RunState {
    /// What the gates of a stage are asked.
    pub(crate) fn gate_request(
        &self,
        index: StageIndex,
        subject: Digest,
        plan: Option<ActionPlan>,
    ) -> GateRequest {
        let stage = self.planned(index);
        let environment = stage.environment.clone();
        let tier = environment
            .as_ref()
            .and_then(|name| self.graph.plan.environments.get(name))
            .map(|one| one.tier);
        GateRequest {
            run: self.id.clone(),
            pipeline: self.graph.plan.pipeline.clone(),
            component: self.graph.plan.component.clone(),
            stage: stage.name.clone(),
            environment,
            tier,
            requested_by: self.requested_by.clone(),
            requested_at: self.requested_at,
            action_plan: plan,
            subject,
            approvals: self.view(index).approvals().to_vec(),
        }
    }
}
