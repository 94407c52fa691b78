use std::sync::Arc;

use serde_json::json;

use super::guard::guarded;
use super::signal::Signal;
use super::worker::Runner;
use crate::chain::error_chain;
use crate::pipeline::Pipeline;
use crate::run::{Preparation, RunState, StageIndex};
use crate::stage::{AnyStage, Reads, StageCall, StageContext};
use crate::{
    AnyGate, Cancellation, Configuration, Digest, Effect, Environment, EnvironmentDescriptor, EvidenceSet,
    Failure, GateRequest, Masker, PlannedStage, SourcePath, StageError,
};

/// A stage of a pipeline with everything that a task needs to work on it, detached from the run's state.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) planned: PlannedStage,
    pub(super) stage: AnyStage,
    pub(super) gates: Vec<AnyGate>,
    pub(super) environment: Option<Arc<dyn Environment>>,
    pub(super) call: StageCall,
    request: GateRequest,
    /// The action plan that is in the journal.
    recorded: Option<Digest>,
    /// Knows every secret that the job asked for.
    pub(super) masker: Masker,
    /// Asks the job to stop.
    pub(super) cancellation: Cancellation,
}

impl Job {
    /// `None` when the pipeline has no such stage: it was checked against the run's plan before.
    pub(super) fn new(state: &RunState, pipeline: &Pipeline, index: StageIndex) -> Option<Self> {
        let planned = state.view(index).planned().clone();
        let node = pipeline.stage(planned.name.as_str())?;
        let environment = planned
            .environment
            .as_ref()
            .and_then(|name| pipeline.environment(name.as_str()))
            .map(Arc::clone);
        Some(Self {
            stage: node.stage().clone(),
            gates: node.gates().to_vec(),
            environment,
            call: state.call(index, None),
            request: state.gate_request(index, state.plan_digest(), None),
            recorded: state.view(index).action_plan().map(|planned| planned.digest),
            masker: Masker::new(),
            cancellation: Cancellation::new(),
            planned,
        })
    }
}

impl Runner {
    /// The context of a job's call, with the environment's configuration as it is now.
    pub(super) async fn context(&self, job: &Job) -> Result<StageContext, StageError> {
        let mut call = job.call.clone();
        if let Some(target) = &mut call.target {
            target.configuration = self.configuration(&target.descriptor).await?;
        }
        let context = StageContext::new(call, self.services.clone(), job.environment.clone());
        let context = context.with_signals(Arc::new(self.observers.clone()));
        Ok(context.controlled(job.cancellation.clone(), job.masker.clone()))
    }

    /// The configuration of an environment, from its own file, as it is now.
    async fn configuration(&self, environment: &EnvironmentDescriptor) -> Result<Configuration, StageError> {
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
        let masker = job.masker.clone();
        let empty = Preparation {
            stage: job.planned.name.clone(),
            locked,
            action_plan: None,
            fingerprint: Digest::ZERO,
            reuse: None,
            evidence: EvidenceSet::default(),
            error: Vec::new(),
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
        let context = self.context(&job).await?;
        preparation.fingerprint = self.fingerprint(&job, &context).await?;
        if job.planned.plans
            && job.environment.is_some()
            && let Some(plan) = job.stage.plan(&context).await?
        {
            let masked = job.masker.mask_value(plan);
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
        let inputs = json!({
            "type": job.planned.type_name,
            "version": job.planned.version,
            "settings": job.planned.settings,
            "component": call.component,
            "artifacts": call.artifacts,
            "facts": call.facts,
            "environment": job.planned.environment,
            "configuration": configuration,
            "source": source,
        });
        Digest::of_data(&inputs).map_err(|error| wrong(Box::new(error)))
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
    async fn reusable(&self, fingerprint: &Digest) -> Option<(crate::RunId, crate::Outcome)> {
        let (run, outcome) = self.history.lock().await.find(fingerprint)?;
        for artifact in outcome.artifacts.values() {
            self.services.artifacts.open(artifact).await.ok()?;
        }
        Some((run, outcome))
    }
}
