use super::decide::{ENVIRONMENT_LOCK, NEWER_DEPLOYMENT};
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
        let Some(environment) = &self.planned(index).environment else {
            return false;
        };
        self.on_environment(environment).any(|other| {
            let state = self.stage_state(other);
            let at_work = matches!(
                state,
                StageState::Running(_) | StageState::Lost(_) | StageState::Backoff(_)
            );
            other != index && at_work
        })
    }

    /// The stages that target an environment, instances included.
    pub(super) fn on_environment<'a>(
        &'a self,
        environment: &'a EnvironmentName,
    ) -> impl Iterator<Item = StageIndex> + 'a {
        let first = self.graph.len() as StageIndex;
        let instances = (first..).zip(self.instances.iter());
        let own = self.graph.on_environment(environment).iter().copied();
        own.chain(
            instances
                .filter(|(_, instance)| instance.planned.environment.as_ref() == Some(environment))
                .map(|(index, _)| index),
        )
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
            let unknown = self
                .on_environment(environment)
                .find(|&index| matches!(self.stage_state(index), StageState::Unknown { .. }))?;
            let stage = &self.planned(unknown).name;
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

    /// What keeps a stage from deploying: something newer is live, and nobody asked by name to go back.
    pub(super) fn newer_verdict(&self, environment: &EnvironmentName) -> Option<GateVerdict> {
        let live = self.environments.get(environment)?.live.as_ref()?;
        if self.rollback || live.rolled_back || live.release.component != self.graph.plan.component {
            return None;
        }
        let (newer, what) = match (&live.revision, &self.revision) {
            (Some(theirs), Some(own)) => (theirs.at > own.at, format!("revision {}", theirs.id)),
            _ => (
                live.requested_at.is_some_and(|theirs| theirs > self.requested_at),
                format!("run {}", live.run),
            ),
        };
        newer.then(|| GateVerdict {
            gate: NEWER_DEPLOYMENT.to_owned(),
            verdict: Verdict::deny(format!(
                "{what}, which is newer, is live in environment `{environment}`"
            ))
            .who(["whoever asks for a run that is a rollback".to_owned()]),
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
        self.on_environment(environment)
            .any(|index| match self.stage_state(index) {
                StageState::Running(_)
                | StageState::Lost(_)
                | StageState::Backoff(_)
                | StageState::Unknown { .. } => true,
                StageState::Ready => {
                    let stage = self.planned(index);
                    !self.is_stopping(index)
                        && stage.each.is_none()
                        && (stage.gates.is_empty() || stage.name == *granted_to)
                }
                _ => false,
            })
    }
}
