use super::decide::Decisions;
use super::event::{StageFinished, StageResult};
use super::graph::StageIndex;
use super::input::Moment;
use super::stage_state::Attempt;
use super::state::RunState;
use crate::estate::{Deployed, DeploymentFailed, RolledBack, Verified};
use crate::{DeploymentReport, Digest, Effect, Failure, Outcome, OutcomeStatus, SignedDuration, Timestamp};

/// What follows from the end of an attempt: its own event, and what the environment's history says of it.
impl RunState {
    pub(super) fn finish(
        &self,
        index: StageIndex,
        attempt: &Attempt,
        result: &StageResult,
        output: Option<Digest>,
        moment: Moment,
        out: &mut Decisions,
    ) {
        let mut result = result.clone();
        if self.graph.traits(self.template(index)).just_ends {
            let end = self.end(index, attempt.attempt, result);
            let output = output.map(Box::new);
            return out.stage(index, StageFinished { output, ..end });
        }
        if let StageResult::Completed { outcome } = &result
            && let Some(missing) = self.missing_artifact(index, outcome)
        {
            result = StageResult::Failed {
                failure: Failure::Failed,
                error: vec![missing],
            };
        }
        let retry_at = self.retry_at(index, attempt, &result, moment);
        let ended = retry_at.is_none();
        let reported = (ended && self.planned(index).environment.is_some()).then(|| result.clone());
        out.stage(
            index,
            StageFinished {
                output: output.map(Box::new),
                retry_at: retry_at.map(Box::new),
                ..self.end(index, attempt.attempt, result)
            },
        );
        if let Some(result) = reported {
            self.report(index, attempt, &result, out);
        }
    }

    /// When the next attempt begins, if there is to be one.
    fn retry_at(
        &self,
        index: StageIndex,
        attempt: &Attempt,
        result: &StageResult,
        moment: Moment,
    ) -> Option<Timestamp> {
        let stage = self.planned(index);
        let policy = stage.retry.as_ref()?;
        let failure = match result {
            StageResult::Failed { failure, .. } => *failure,
            StageResult::Completed { outcome } if !outcome.is_success() => Failure::Failed,
            _ => return None,
        };
        let harmless =
            failure != Failure::Unknown || matches!(stage.effect, Effect::Pure | Effect::Idempotent);
        if self.is_stopping(index) || !harmless || !policy.on.contains(&failure) {
            return None;
        }
        let extra = self.stages[index as usize].extra.as_ref();
        let failures = extra.map_or(0, |extra| extra.failures) + 1;
        if failures >= policy.attempts {
            return None;
        }
        // Each attempt gets its own part of the moment's chance.
        let chance = moment.chance_for(index, failures);
        let at = moment.now.saturating_add(policy.wait(failures, chance)).ok()?;
        let first = extra.and_then(|extra| extra.first_began).unwrap_or(attempt.since);
        let end = policy.budget_seconds.map(|seconds| {
            let budget = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            first.saturating_add(budget).unwrap_or(Timestamp::MAX)
        });
        end.is_none_or(|end| at <= end).then_some(at)
    }

    fn missing_artifact(&self, index: StageIndex, outcome: &Outcome) -> Option<String> {
        if !outcome.is_success() {
            return None;
        }
        let stage = self.planned(index);
        let missing = stage
            .produces
            .iter()
            .find(|name| !outcome.artifacts.contains_key(*name))?;
        Some(format!(
            "stage `{}` succeeded without producing artifact `{missing}`, which it promises",
            stage.name
        ))
    }

    fn report(&self, index: StageIndex, attempt: &Attempt, result: &StageResult, out: &mut Decisions) {
        let stage = self.planned(index);
        let Some(name) = &stage.environment else { return };
        let Some(descriptor) = self.graph.plan.environments.get(name) else {
            return;
        };
        let run = self.id.clone();
        let planned = self.stages[index as usize]
            .extra
            .as_ref()
            .and_then(|extra| extra.planned.as_ref());
        let deploys = attempt.details().action_plan.is_some()
            && planned.is_some_and(|planned| !planned.plan.is_unchanged());
        let failed = |error: Vec<String>| DeploymentFailed {
            run: self.id.clone(),
            stage: stage.name.clone(),
            pipeline: self.graph.plan.pipeline.clone(),
            component: self.graph.plan.component.clone(),
            tier: descriptor.tier,
            release_digest: planned.map(|planned| planned.plan.release),
            error,
            started_at: attempt.since,
        };
        match result {
            StageResult::Completed { outcome } => match outcome.deployment.as_deref() {
                Some(DeploymentReport::Deployed {
                    release,
                    configuration,
                }) => {
                    let (Ok(release_digest), Ok(configuration_digest)) =
                        (release.digest(), configuration.digest())
                    else {
                        return;
                    };
                    let unchanged = outcome.status == OutcomeStatus::Unchanged;
                    let revisions = if unchanged { None } else { self.revisions.get(name) };
                    out.environment(
                        name,
                        Deployed {
                            run,
                            stage: stage.name.clone(),
                            pipeline: self.graph.plan.pipeline.clone(),
                            tier: descriptor.tier,
                            release: release.clone(),
                            release_digest,
                            configuration: configuration.clone(),
                            configuration_digest,
                            unchanged,
                            purpose: self.purpose,
                            revision: self.revision.clone(),
                            revisions: revisions.cloned().unwrap_or_default(),
                            requested_at: Some(self.requested_at),
                            started_at: attempt.since,
                        },
                    );
                }
                Some(DeploymentReport::Verified {
                    release,
                    configuration,
                }) => out.environment(
                    name,
                    Verified {
                        run,
                        stage: stage.name.clone(),
                        release_digest: *release,
                        configuration_digest: *configuration,
                    },
                ),
                Some(DeploymentReport::RolledBack {
                    from,
                    to,
                    configuration,
                }) => out.environment(
                    name,
                    RolledBack {
                        run,
                        stage: stage.name.clone(),
                        component: self.graph.plan.component.clone(),
                        tier: descriptor.tier,
                        from: *from,
                        to: to.clone(),
                        configuration: configuration.clone(),
                        reason: outcome.reason.clone(),
                    },
                ),
                None if deploys && !outcome.is_success() => {
                    out.environment(name, failed(vec![outcome.reason.clone()]));
                }
                None => {}
            },
            StageResult::Failed {
                failure: Failure::Failed | Failure::Errored,
                error,
            } if deploys => {
                out.environment(name, failed(error.clone()));
            }
            StageResult::Failed { .. } | StageResult::Cancelled { .. } => {}
        }
    }
}
