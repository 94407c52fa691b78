use super::decide::ENVIRONMENT_LOCK;
use super::event::GateVerdict;
use super::graph::StageIndex;
use super::stage_state::StageState;
use super::state::RunState;
use crate::estate::Locked;
use crate::{EnvironmentName, StageName, Verdict};

/// The exclusive use of environments: one run at a time, and of that run one stage at a time.
impl RunState {
    /// Whether this run has the environment's lock.
    pub(super) fn holds(&self, environment: &EnvironmentName) -> bool {
        let lock = self
            .environments
            .get(environment)
            .and_then(|state| state.lock.as_ref());
        lock.is_some_and(|lock| lock.run == self.id)
    }

    /// Whether another stage of this run is at work in the environment of this one.
    pub(super) fn is_busy_for(&self, index: StageIndex) -> bool {
        let Some(environment) = &self.graph.stage(index).environment else {
            return false;
        };
        self.graph.on_environment(environment).iter().any(|&other| {
            let state = &self.stages[other as usize].state;
            other != index && matches!(state, StageState::Running(_) | StageState::Lost(_))
        })
    }

    /// What keeps a stage from getting the environment, as if it were a gate's verdict.
    pub(super) fn lock_verdict(&self, environment: &EnvironmentName) -> Option<GateVerdict> {
        let lock = self.environments.get(environment)?.lock.as_ref()?;
        let (reason, who) = if lock.run != self.id {
            let reason = format!(
                "environment `{environment}` is in use by run {} since {}",
                lock.run, lock.since
            );
            (
                reason,
                format!("run {}, by ending, or whoever resumes or cancels it", lock.run),
            )
        } else {
            let unknown =
                self.graph.on_environment(environment).iter().find(|&&index| {
                    matches!(self.stages[index as usize].state, StageState::Unknown { .. })
                })?;
            let stage = &self.graph.stage(*unknown).name;
            let reason = format!("nobody knows what stage `{stage}` did to environment `{environment}`");
            (
                reason,
                format!("a person, by deciding whether the effect of `{stage}` happened"),
            )
        };
        Some(GateVerdict {
            gate: ENVIRONMENT_LOCK.to_owned(),
            verdict: Verdict::wait(reason).who([who]),
        })
    }

    pub(super) fn grant(&self, environment: &EnvironmentName, stage: &StageName) -> Locked {
        let grants = self.environments.get(environment).map_or(0, |state| state.grants);
        Locked {
            run: self.id.clone(),
            stage: stage.clone(),
            token: grants.saturating_add(1),
        }
    }

    /// Whether a stage of this run still needs the lock: one that has begun, one that goes on under it without
    /// a gate, or the one that it was granted to.
    pub(super) fn needs_environment(&self, environment: &EnvironmentName, granted_to: &StageName) -> bool {
        self.graph
            .on_environment(environment)
            .iter()
            .any(|&index| match &self.stages[index as usize].state {
                StageState::Running(_) | StageState::Lost(_) | StageState::Unknown { .. } => true,
                StageState::Ready => {
                    let stage = self.graph.stage(index);
                    !self.is_stopping() && (stage.gates.is_empty() || stage.name == *granted_to)
                }
                _ => false,
            })
    }
}
