use std::sync::Arc;

use serde::Serialize;

use super::create::created;
use super::prepare::Job;
use super::worker::Runner;
use super::{RunError, RunRequest};
use crate::pipeline::Pipeline;
use crate::run::{GateVerdict, Preparation, RunEvent, RunState, StageIndex, StageReused, StageState};
use crate::{ActionPlan, Digest, Effect, GateRequest, RunId, RunPlan, StageContext, StageName};

/// What a run would do if it were created now: nothing is changed to find out.
#[derive(Debug, Clone, Serialize)]
pub struct Forecast {
    /// The run plan.
    pub plan: Arc<RunPlan>,
    /// Its digest.
    pub plan_digest: Digest,
    /// The stages, in the order of the plan.
    pub stages: Vec<StageForecast>,
}

/// What one stage would do.
#[derive(Debug, Clone, Serialize)]
pub struct StageForecast {
    /// The stage.
    pub stage: StageName,
    /// Whether it would run.
    pub verb: Verb,
    /// Why, in a sentence.
    pub reason: String,
    /// What it would do, if its inputs exist already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_plan: Option<ForecastPlan>,
    /// What its gates would say now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateVerdict>,
}

/// An action plan with its digest.
#[derive(Debug, Clone, Serialize)]
pub struct ForecastPlan {
    /// The digest that an approval would name.
    pub digest: Digest,
    /// The plan.
    pub plan: ActionPlan,
}

/// Whether a stage would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It would run.
    Run,
    /// An old outcome would be reused.
    Reuse,
    /// It would run, and find that nothing is to be changed.
    Unchanged,
    /// It cannot be told: preparing it fails now.
    Fail,
}

impl Runner {
    /// Tells what a run of this pipeline would do now, and why. Action plans are computed for stages whose inputs
    /// exist: an artifact counts as existing when the stage that produces it would be reused.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn forecast(
        self: &Arc<Self>,
        pipeline: &Pipeline,
        request: &RunRequest,
    ) -> Result<Forecast, RunError> {
        self.refresh_history().await?;
        let now = self.services.clock.now();
        let created = created(pipeline, request)?;
        let run = request.id.clone().unwrap_or_else(|| RunId::generate(now, 0));
        let graph = Arc::clone(pipeline.graph());
        let mut state = RunState::new(&run, &created, &request.by, now, graph);
        self.refresh(&mut state).await?;
        let mut stages = Vec::new();
        for index in 0..created.plan.stages.len() as StageIndex {
            stages.push(self.forecast_stage(&mut state, pipeline, index).await);
        }
        Ok(Forecast {
            plan_digest: created.plan_digest,
            plan: created.plan,
            stages,
        })
    }

    async fn forecast_stage(
        self: &Arc<Self>,
        state: &mut RunState,
        pipeline: &Pipeline,
        index: StageIndex,
    ) -> StageForecast {
        let now = self.services.clock.now();
        let planned = state.view(index).planned().clone();
        let mut forecast = StageForecast {
            stage: planned.name.clone(),
            verb: Verb::Run,
            reason: String::new(),
            action_plan: None,
            gates: Vec::new(),
        };
        let missing = planned.needs.iter().find(|name| state.artifact(name).is_none());
        if let Some(missing) = missing {
            forecast.reason =
                format!("artifact `{missing}` does not exist yet; what it would do is known once it does");
            return forecast;
        }
        // A pure stage depends on the facts of the stages before it, so those must be known.
        let ready = matches!(state.view(index).state(), StageState::Ready);
        let pure = planned.effect == Effect::Pure;
        if !(pure && ready || planned.plans || !planned.gates.is_empty()) {
            forecast.reason = match pure {
                true => "a stage before it would run".to_owned(),
                false => format!("its effect is {}, so it runs every time", planned.effect),
            };
            return forecast;
        }
        let environment = planned.environment.as_ref();
        let environment = environment.and_then(|name| pipeline.environment(name.as_str()));
        let context = StageContext::new(
            state.call(index, None),
            self.services.clone(),
            environment.map(Arc::clone),
        );
        let Some(job) = Job::new(state, pipeline, context, index) else {
            return forecast;
        };
        let gates = job.gates.clone();
        let preparation = self.prepare(job, false).await;
        if !preparation.error.is_empty() {
            forecast.verb = Verb::Fail;
            forecast.reason = preparation.error.join(": ");
            return forecast;
        }
        let Preparation {
            action_plan,
            fingerprint,
            reuse,
            evidence,
            ..
        } = preparation;
        let subject = action_plan.as_ref().map_or(fingerprint, |(digest, _)| *digest);
        let plan = action_plan.as_ref().map(|(_, plan)| plan.clone());
        let request: GateRequest = state.gate_request(index, subject, plan);
        forecast.gates = gates
            .iter()
            .map(|gate| GateVerdict {
                gate: gate.type_name().to_owned(),
                verdict: gate.decide(&request, &evidence, now),
            })
            .collect();
        forecast.reason = match (&reuse, &action_plan) {
            (Some((from, _)), _) if ready => {
                forecast.verb = Verb::Reuse;
                format!("nothing that it depends on changed since run {from}")
            }
            (_, Some((_, plan))) if plan.is_unchanged() => {
                forecast.verb = Verb::Unchanged;
                format!(
                    "{} is live in `{}` with this configuration",
                    plan.title, plan.environment
                )
            }
            (_, Some((_, plan))) => {
                let actions: Vec<_> = plan.actions.iter().map(ToString::to_string).collect();
                actions.join("; ")
            }
            (None, None) if pure => "no earlier run had these inputs".to_owned(),
            _ => format!("its effect is {}, so it runs every time", planned.effect),
        };
        forecast.action_plan = action_plan.map(|(digest, plan)| ForecastPlan { digest, plan });
        if let (Verb::Reuse, Some((from, outcome))) = (forecast.verb, reuse) {
            // As if it had been reused: stages after it may find their inputs.
            let reused = StageReused {
                stage: planned.name,
                fingerprint,
                from,
                outcome,
            };
            let position = state.position() + 1;
            state.apply_run(
                position,
                now,
                &crate::Actor::Engine,
                &RunEvent::from(reused),
                Some(index),
            );
        }
        forecast
    }
}
