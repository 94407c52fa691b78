use std::sync::Arc;

use super::fingerprint::{Fingerprint, Reported, facts_digest};
use super::guard::guarded;
use super::signal::Signal;
use super::worker::Runner;
use crate::chain::error_chain;
use crate::pipeline::Pipeline;
use crate::run::{Input, Preparation, RunState, StageIndex};
use crate::stage::{AnyStage, Reads, StageContext};
use crate::{
    AnyGate, Configuration, Digest, Effect, EnvironmentDescriptor, EvidenceSet, Failure, GateRequest,
    PlannedStage, SourcePath, StageError,
};

/// A stage of a pipeline with everything that a task needs to prepare it, detached from the run's state.
#[derive(Debug)]
pub(super) struct Job {
    index: StageIndex,
    planned: PlannedStage,
    stage: AnyStage,
    pub(super) gates: Vec<AnyGate>,
    context: StageContext,
    request: GateRequest,
    /// The action plan that is in the journal.
    recorded: Option<Digest>,
    /// What never changes of the fingerprint.
    fixed: Digest,
}

impl Job {
    /// `None` when the pipeline has no such stage: it was checked against the run's plan before.
    pub(super) fn new(
        state: &RunState,
        pipeline: &Pipeline,
        context: StageContext,
        index: StageIndex,
    ) -> Option<Self> {
        let template = state.template(index);
        let node = pipeline.get(template)?;
        Some(Self {
            index,
            planned: state.planned(index).clone(),
            stage: node.stage().clone(),
            gates: node.gates().to_vec(),
            context,
            request: state.gate_request(index, state.plan_digest(), None),
            recorded: state.view(index).action_plan().map(|planned| planned.digest),
            fixed: pipeline.fixed(template),
        })
    }
}

impl Runner {
    /// The context of a call, with the environment's configuration as it is now.
    pub(super) async fn configured(&self, context: &StageContext) -> Result<StageContext, StageError> {
        match context.target() {
            Some(target) => {
                let configuration = self.configuration(&target.descriptor).await?;
                Ok(context.configured(configuration))
            }
            None => Ok(context.clone()),
        }
    }

    /// What follows for a stage about which nothing but what the run knows decides: no gates, no environment, no
    /// source, and an old outcome without artifacts that would have to be looked for. Without an old outcome it begins.
    /// With the digest of the old outcome's facts.
    pub(super) fn prepared_at_once(
        &self,
        state: &RunState,
        pipeline: &Pipeline,
        index: StageIndex,
        fingerprint: &mut Fingerprint,
        reported: &mut Reported,
    ) -> Option<(Input, Option<Digest>)> {
        let template = state.template(index);
        if pipeline.get(template)?.stage().reads() != Reads::Nothing {
            return None;
        }
        fingerprint.begin(&pipeline.fixed(template));
        // By name, as in a call.
        let mut needs: Vec<_> = state.planned(index).needs.iter().collect();
        needs.sort_unstable();
        for name in needs {
            if let Some(artifact) = state.artifact(name) {
                fingerprint.artifact(name, artifact);
            }
        }
        let before = state.dependencies(index);
        let name = |before: &StageIndex| &state.planned(*before).name;
        let mut put = |before: &StageIndex| {
            if let Some(facts) = reported.facts(state, *before) {
                fingerprint.facts(name(before), &facts);
            }
        };
        if before.is_sorted_by_key(name) {
            before.iter().for_each(&mut put);
        } else {
            let mut before = before.to_vec();
            before.sort_unstable_by_key(|before| name(before));
            before.iter().for_each(&mut put);
        }
        fingerprint.item(state.view(index).item());
        let fingerprint = fingerprint.finish();
        match self.history().find(&fingerprint) {
            Some(old) if old.artifacts => None,
            Some(old) => {
                let input = Input::Reusable {
                    stage: index,
                    fingerprint,
                    from: old.from,
                    outcome: old.outcome,
                };
                Some((input, old.facts))
            }
            None => {
                let input = Input::Prepared(Box::new(Preparation {
                    fingerprint,
                    ..Preparation::empty(index)
                }));
                Some((input, None))
            }
        }
    }

    /// The configuration of an environment, from its own file, as it is now.
    pub(super) async fn configuration(
        &self,
        environment: &EnvironmentDescriptor,
    ) -> Result<Configuration, StageError> {
        let Some(file) = &environment.configuration else {
            return Ok(Configuration::empty(environment.name.clone()));
        };
        let wrong =
            |error: Box<dyn std::error::Error + Send + Sync>| StageError::new(Failure::Errored, error);
        let path: SourcePath = file.parse().map_err(|error| wrong(Box::new(error)))?;
        let bytes = self
            .services
            .source
            .read(&path)
            .await
            .map_err(|error| wrong(Box::new(error)))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{file} is not UTF-8").into()))?;
        Configuration::parse(environment.name.clone(), &text, file).map_err(|error| wrong(Box::new(error)))
    }

    /// Finds out what the decision to start a stage depends on. What it reports is masked.
    pub(super) async fn prepare(self: &Arc<Self>, job: Job, locked: bool) -> Preparation {
        let masker = job.context.masker().clone();
        let empty = Preparation {
            locked,
            ..Preparation::empty(job.index)
        };
        let (runner, mut preparation) = (Arc::clone(self), empty.clone());
        let work = async move {
            let looked = runner.look_into(job, &mut preparation).await;
            looked.map(|()| preparation)
        };
        let error = match guarded(self.options.preparation, &masker, work).await {
            Ok(Ok(preparation)) => return preparation,
            Ok(Err(error)) => error_chain(&error).iter().map(|text| masker.mask(text)).collect(),
            Err(text) => vec![format!("it could not be prepared: {text}")],
        };
        Preparation { error, ..empty }
    }

    async fn look_into(&self, job: Job, preparation: &mut Preparation) -> Result<(), StageError> {
        let context = self.configured(&job.context).await?;
        preparation.fingerprint = self.fingerprint(&job, &context).await?;
        if job.planned.plans
            && context.environment().is_some()
            && let Some(plan) = job.stage.plan(&context).await?
        {
            let masked = context.masker().mask_value(plan);
            let plan = masked.map_err(|error| StageError::new(Failure::Errored, error))?;
            let digest = plan
                .digest()
                .map_err(|error| StageError::new(Failure::Errored, error))?;
            preparation.action_plan = Some((digest, plan));
        }
        let (subject, plan) = match &preparation.action_plan {
            // A new plan is recorded first; evidence about it is gathered when the journal has it.
            Some((digest, _)) if job.recorded.is_some_and(|recorded| recorded != *digest) => return Ok(()),
            Some((digest, plan)) => (*digest, Some(plan.clone())),
            None => (preparation.fingerprint, None),
        };
        let request = GateRequest {
            subject,
            action_plan: plan,
            ..job.request
        };
        preparation.evidence = self.gather(&job.gates, &request).await;
        if job.planned.effect == Effect::Pure {
            preparation.reuse = self.reusable(&preparation.fingerprint).await;
        }
        Ok(())
    }

    /// What the outcome of a stage depends on: its type, its settings, its inputs, its configuration.
    async fn fingerprint(&self, job: &Job, context: &StageContext) -> Result<Digest, StageError> {
        let wrong =
            |error: Box<dyn std::error::Error + Send + Sync>| StageError::new(Failure::Errored, error);
        let source = match job.stage.reads() {
            Reads::Nothing => None,
            Reads::Source(paths) => {
                let digest = self.services.source.digest(&paths).await;
                Some(digest.map_err(|error| wrong(Box::new(error)))?)
            }
        };
        let configuration = match context.target() {
            Some(target) => Some(
                target
                    .configuration
                    .digest()
                    .map_err(|error| wrong(Box::new(error)))?,
            ),
            None => None,
        };
        let call = context.call();
        let mut fingerprint = Fingerprint::of(&job.fixed);
        for (name, artifact) in &call.artifacts {
            fingerprint.artifact(name, artifact);
        }
        for (stage, facts) in &call.facts {
            if let Some(facts) = facts_digest(facts) {
                fingerprint.facts(stage, &facts);
            }
        }
        fingerprint.item(call.item.as_ref());
        fingerprint.digest(b'C', configuration.as_ref());
        fingerprint.digest(b'W', source.as_ref());
        Ok(fingerprint.finish())
    }

    async fn gather(&self, gates: &[AnyGate], request: &GateRequest) -> EvidenceSet {
        let mut needs: Vec<_> = gates.iter().flat_map(|gate| gate.needs(request)).collect();
        needs.sort();
        needs.dedup();
        let mut evidence = Vec::new();
        for need in needs {
            let Some(source) = self.evidence.get(&need.kind) else {
                self.warn(request, &format!("nobody here knows about evidence {need}"));
                continue;
            };
            match source.gather(&need, request).await {
                Ok(found) => evidence.extend(found),
                Err(error) => self.warn(request, &error_chain(&error).join(": ")),
            }
        }
        EvidenceSet::new(evidence)
    }

    fn warn(&self, request: &GateRequest, text: &str) {
        self.observers.send(&Signal::Warning {
            run: &request.run,
            text,
        });
    }

    /// An old outcome with this fingerprint, if all that it produced is still there.
    async fn reusable(&self, fingerprint: &Digest) -> Option<(crate::RunId, Arc<crate::Outcome>)> {
        let old = self.history().find(fingerprint)?;
        if !self.has_artifacts(&old.outcome).await {
            return None;
        }
        Some((old.from, old.outcome))
    }
}
