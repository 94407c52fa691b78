use std::collections::BTreeMap;

use super::graph::StageIndex;
use super::stage_state::StageState;
use super::state::RunState;
use crate::Configuration;
use crate::stage::{StageCall, Target};

/// The call of a stage, put together from the state.
impl RunState {
    /// Whether the call of a stage says nothing but which attempt of which stage it is.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) fn is_simple_call(&self, index: StageIndex) -> bool {
        self.instance(index).is_none()
            && self.graph.traits(index).simple
            && (!self.facts
                || self.graph.dependencies(index).iter().all(|&before| {
                    self.outcome(before)
                        .is_none_or(|outcome| outcome.facts.is_empty())
                }))
    }

    /// What a stage is called with. Without an attempt going on, the call is for planning: it has no fence.
    pub fn call(&self, index: StageIndex, configuration: Option<Configuration>) -> StageCall {
        let stage = self.planned(index);
        let record = &self.stages[index as usize];
        let attempt = match &record.state {
            StageState::Running(attempt) | StageState::Lost(attempt) => Some(attempt),
            _ => None,
        };
        let artifacts = stage
            .needs
            .iter()
            .filter_map(|name| Some((name.clone(), self.artifact(name)?.clone())))
            .collect();
        let facts: BTreeMap<_, _> = self
            .graph
            .dependencies(self.template(index))
            .iter()
            .filter_map(|&before| {
                Some((
                    self.graph.stage(before).name.clone(),
                    self.outcome(before)?.facts.clone(),
                ))
            })
            .filter(|(_, facts)| !facts.is_empty())
            .collect();
        let target = stage.environment.as_ref().and_then(|name| {
            let descriptor = self.graph.plan.environments.get(name)?.clone();
            let state = self.environments.get(name)?;
            let planned = record.extra.as_ref().and_then(|extra| extra.planned.as_ref());
            Some(Box::new(Target {
                descriptor,
                configuration: configuration.unwrap_or_else(|| Configuration::empty(name.clone())),
                fence: attempt.and_then(|attempt| attempt.details().fence),
                action_plan: attempt.and(planned).map(|planned| planned.plan.clone()),
                live: state
                    .live
                    .as_ref()
                    .map(|live| (live.release.clone(), live.configuration_digest)),
                verified: state
                    .verified
                    .as_ref()
                    .map(|one| (one.release.clone(), one.configuration_digest)),
            }))
        });
        StageCall {
            run: self.id.clone(),
            pipeline: self.graph.plan.pipeline.clone(),
            component: self.graph.plan.component.clone(),
            stage: stage.name.clone(),
            attempt: attempt.map_or(record.attempts + 1, |attempt| attempt.attempt),
            generation: attempt.map_or(record.generation, |attempt| attempt.generation),
            deadline: attempt.and_then(|attempt| attempt.deadline()),
            item: self.item(index).cloned(),
            artifacts,
            facts,
            target,
        }
    }
}
