use std::sync::Arc;

use serde_json::Value;

use super::guard::guarded;
use super::signal::Signal;
use super::worker::Runner;
use crate::chain::error_chain;
use crate::pipeline::Pipeline;
use crate::run::{Preparation, RunState, StageIndex};
use crate::stage::{AnyStage, Reads, StageCall, StageContext};
use crate::{
    AnyGate, Configuration, Digest, DigestBuilder, Effect, EnvironmentDescriptor, EvidenceSet, Failure, GateRequest,
    PlannedStage, SourcePath, StageError, canonical_json,
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

/// What decides whether an outcome can be used again: what never changes of the stage, and what it works on.
fn fingerprint(fixed: &Digest, call: &StageCall, configuration: Option<&Digest>, source: Option<&Digest>) -> Digest {
    let mut builder = DigestBuilder::new();
    let mut put = |tag: u8, parts: &[&[u8]]| {
        builder.update([tag]);
        for part in parts {
            builder.update((part.len() as u64).to_be_bytes());
            builder.update(part);
        }
    };
    put(1, &[fixed.as_bytes()]);
    for (name, artifact) in &call.artifacts {
        put(2, &[name.as_str().as_bytes(), artifact.digest.as_bytes()]);
    }
    let text = |value: &Value| canonical_json(value).unwrap_or_default();
    for (stage, facts) in &call.facts {
        for (name, value) in facts {
            put(3, &[stage.as_str().as_bytes(), name.as_str().as_bytes(), text(value).as_ref()]);
        }
    }
    if let Some(item) = &call.item {
        put(4, &[text(item).as_ref()]);
    }
    if let Some(configuration) = configuration {
        put(5, &[configuration.as_bytes()]);
    }
    if let Some(source) = source {
        put(6, &[source.as_bytes()]);
    }
    builder.finish()
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

    /// The preparation of a stage about which nothing but what the run knows decides: no gates, no environment, no
    /// source, and an old outcome without artifacts that would have to be looked for. Without an old outcome it begins.
    pub(super) fn prepared_at_once(
        &self,
        state: &RunState,
        pipeline: &Pipeline,
        index: StageIndex,
    ) -> Option<Preparation> {
        let template = state.template(index);
        if pipeline.get(template)?.stage().reads() != Reads::Nothing {
            return None;
        }
        let fingerprint = fingerprint(&pipeline.fixed(template), &state.call(index, None), None, None);
        let reuse = self.history().find(&fingerprint);
        if reuse.as_ref().is_some_and(|(_, outcome)| !outcome.artifacts.is_empty()) {
            return None;
        }
        Some(Preparation {
            fingerprint,
            reuse,
            ..Preparation::empty(index)
        })
    }

    /// The configuration of an environment, from its own file, as it is now.
    pub(super) async fn configuration(&self, environment: &EnvironmentDescriptor) -> Result<Configuration, StageError> {
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
        Ok(fingerprint(
            &job.fixed,
            context.call(),
            configuration.as_ref(),
            source.as_ref(),
        ))
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
        let (run, outcome) = self.history().find(fingerprint)?;
        if !self.has_artifacts(&outcome).await {
            return None;
        }
        Some((run, outcome))
    }
}
