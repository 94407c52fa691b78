use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{Level, Span, event, field, span};

use super::names::{self, Ending};
use crate::run::GateVerdict;
use crate::{
    Channel, Decision, EnvironmentName, Event, Observer, PipelineName, RunEvent, RunId, RunOutcome, RunPlan,
    RunState, Signal, StageFinished, StageName, StageResult, StageStarted, StreamKind, Timestamp,
};

/// The target of all spans and events.
const TARGET: &str = "pipeline_core";

/// An observer that tells runs to `tracing`: a span for each run, below it one for each attempt, and events for what
/// happens besides. Cloning is cheap; clones are the same observer.
///
/// # Spans
///
/// | span | begins | ends | fields |
/// |---|---|---|---|
/// | `pipeline run` | when a worker takes the run | when the run ends | `cicd.pipeline.name`, `.run.id`, `.run.state`, `.action.name`, `.result`, `cicd.worker.name`, `vcs.ref.head.revision`, `error.type` |
/// | `stage attempt` | when the attempt begins | when it ends | `cicd.pipeline.task.name`, `.task.run.id`, `.task.run.result`, `deployment.environment.name`, `error.type`, `attempt` |
///
/// Both are at level info, and their target is `pipeline_core`. The names are those of [`names`](super::names). The
/// fields `otel.name`, `otel.kind`, `otel.status_code` and `otel.status_description` are for the layer
/// `tracing-opentelemetry`, which makes the name, the kind and the status of its spans of them: a run is called
/// `RUN PIPELINE` there, an attempt as its stage. An attempt that fails or errors at its deadline or later ended with
/// `timeout`. There is no URL of a run, so `cicd.pipeline.task.run.url.full`, which the conventions ask for, is left to
/// whoever has a page to lead to.
///
/// Attempts begin and end in any order; no span is ever entered, each is named as the parent of what is below it.
///
/// # Events
///
/// What a gate says, an approval, a reused outcome and a decision are at level info; a skipped stage, a request to
/// stop, an effect that nobody knows of, and a warning are at level warn; a line of output is at level debug, progress
/// at level trace. They are below the attempt that is going on, else below the run.
///
/// # More than one process
///
/// Spans are a view of what this process sees. A run that goes on in another process gets a span there, too; the run's
/// id ties them together. What was told only in the first event of a run (its pipeline, its environments, its
/// revision) is known to the other one when it is [told of](TracingObserver::introduce) the run before it drives it.
///
/// A run that waits leaves no event behind when its worker lets go of it, so its span stays open, to go on when the
/// run does. The observer remembers a run until it ends, or until it is told to [close](TracingObserver::close) it:
/// a process that lives long and leaves its runs to others should tell it.
///
/// ```
/// use std::sync::Arc;
///
/// use pipeline_core::observe::TracingObserver;
/// use pipeline_core::testing::MemoryArtifacts;
/// use pipeline_core::{MemoryJournal, Runner};
///
/// let spans = TracingObserver::new();
/// let runner = Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new()))
///     .observer(spans.clone());
/// ```
#[derive(Debug, Clone, Default)]
pub struct TracingObserver(Arc<Mutex<HashMap<RunId, Run>>>);

/// A run that has not ended.
#[derive(Debug, Default)]
struct Run {
    pipeline: Option<PipelineName>,
    revision: Option<String>,
    environments: HashMap<StageName, EnvironmentName>,
    /// From when a worker has it.
    span: Option<Span>,
    attempts: BTreeMap<StageName, Attempt>,
    /// The stages that will have made it fail, if it does, the first one first.
    troubles: Vec<(StageName, Ending)>,
}

/// An attempt that has not ended.
#[derive(Debug)]
struct Attempt {
    number: u32,
    deadline: Option<Timestamp>,
    span: Span,
}

impl TracingObserver {
    /// An observer that knows of no run yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells of a run that began elsewhere, before it is driven here.
    pub fn introduce(&self, state: &RunState) {
        if state.finished().is_none() {
            let revision = state.revision().map(|revision| revision.id.clone());
            self.runs()
                .entry(state.id().clone())
                .or_default()
                .learn(state.plan(), revision);
        }
    }

    /// Forgets a run that does not go on here, and closes what is open of it. Should it go on here all the same,
    /// [introduce](Self::introduce) it again.
    pub fn close(&self, run: &RunId) {
        self.runs().remove(run);
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What something is below: the attempt that is going on, else the run.
    fn parent(&self, run: &RunId, stage: Option<&StageName>) -> Span {
        self.runs()
            .get(run)
            .map_or_else(Span::none, |run| run.parent(stage))
    }

    fn event(&self, event: &Event) {
        if !event.stream.is(&StreamKind::RUN) {
            return;
        }
        let (Ok(id), Ok(Some(payload))) = (RunId::new(event.stream.name()), event.read::<RunEvent>()) else {
            return;
        };
        let mut runs = self.runs();
        match &*payload {
            RunEvent::Created(created) => {
                let revision = created.revision.as_ref().map(|revision| revision.id.clone());
                runs.entry(id).or_default().learn(&created.plan, revision);
            }
            RunEvent::Claimed(claimed) => runs.entry(id.clone()).or_default().begin(&id, &claimed.worker),
            RunEvent::Finished(finished) => {
                if let Some(run) = runs.remove(&id) {
                    run.end(finished.outcome);
                }
            }
            // Of a run that nobody drives here, what people say is told without a parent.
            payload => match runs.get_mut(&id) {
                Some(run) => run.event(&id, event, payload),
                None => Run::default().event(&id, event, payload),
            },
        }
    }
}

impl Observer for TracingObserver {
    fn observe(&self, signal: &Signal<'_>) {
        match signal {
            Signal::Event(event) => self.event(event),
            Signal::Output {
                run,
                stage,
                channel,
                line,
            } => {
                // Output is much, and often nobody wants it.
                if tracing::enabled!(target: TARGET, Level::DEBUG) {
                    let channel = match channel {
                        Channel::Stdout => "stdout",
                        Channel::Stderr => "stderr",
                        Channel::Note => "note",
                    };
                    let parent = self.parent(run, Some(stage));
                    event!(target: TARGET, parent: &parent, Level::DEBUG, channel, "{line}");
                }
            }
            Signal::Progress {
                run,
                stage,
                done,
                total,
                doing,
            } => {
                if tracing::enabled!(target: TARGET, Level::TRACE) {
                    let parent = self.parent(run, Some(stage));
                    event!(target: TARGET, parent: &parent, Level::TRACE, done, total, "{doing}");
                }
            }
            Signal::Warning { run, text } => {
                let parent = self.parent(run, None);
                event!(target: TARGET, parent: &parent, Level::WARN, "{text}");
            }
        }
    }
}

impl Run {
    fn learn(&mut self, plan: &RunPlan, revision: Option<String>) {
        self.pipeline = Some(plan.pipeline.clone());
        self.revision = revision;
        let stages = plan.stages.iter();
        let targets = stages.filter_map(|stage| Some((stage.name.clone(), stage.environment.clone()?)));
        self.environments = targets.collect();
    }

    fn parent(&self, stage: Option<&StageName>) -> Span {
        let attempt = stage.and_then(|stage| self.attempts.get(stage));
        let span = attempt.map(|attempt| &attempt.span).or(self.span.as_ref());
        span.map_or_else(Span::none, Span::clone)
    }

    /// A worker took it. Whatever another one left behind is over.
    fn begin(&mut self, id: &RunId, worker: &str) {
        self.interrupt("the worker went away");
        if let Some(span) = &self.span {
            span.record(names::WORKER_NAME, worker);
            return;
        }
        let name = match &self.pipeline {
            Some(pipeline) => format!("{} {pipeline}", names::RUN),
            None => names::RUN.to_owned(),
        };
        let span = span!(
            target: TARGET,
            parent: None,
            Level::INFO,
            "pipeline run",
            otel.name = name,
            otel.kind = "server",
            otel.status_code = field::Empty,
            otel.status_description = field::Empty,
            { names::PIPELINE_ACTION_NAME } = names::RUN,
            { names::PIPELINE_NAME } = self.pipeline.as_ref().map(PipelineName::as_str),
            { names::PIPELINE_RUN_ID } = id.as_str(),
            { names::PIPELINE_RUN_STATE } = names::EXECUTING,
            { names::PIPELINE_RESULT } = field::Empty,
            { names::WORKER_NAME } = worker,
            { names::HEAD_REVISION } = self.revision,
            { names::ERROR_TYPE } = field::Empty,
        );
        self.span = Some(span);
    }

    /// Ends the attempts whose end nobody will tell.
    fn interrupt(&mut self, why: &str) {
        for attempt in std::mem::take(&mut self.attempts).into_values() {
            attempt.end(Ending::INTERRUPTED, why);
        }
    }

    fn end(mut self, outcome: RunOutcome) {
        self.interrupt("the run ended");
        let Some(span) = &self.span else { return };
        let cause = self.troubles.first();
        let why = cause
            .map(|(stage, _)| format!("stage `{stage}`"))
            .unwrap_or_default();
        let ending = Ending::of_run(outcome, cause.map(|(_, ending)| *ending));
        record(span, names::PIPELINE_RESULT, ending, &why);
    }

    /// Anything that happens in a run between its begin and its end.
    fn event(&mut self, id: &RunId, event: &Event, payload: &RunEvent) {
        match payload {
            RunEvent::StageStarted(started) => self.attempt(id, started),
            RunEvent::StageFinished(finished) => self.finished(event.at, finished),
            RunEvent::GatesEvaluated(gates) => {
                let parent = self.parent(Some(&gates.stage));
                for gate in &gates.verdicts {
                    verdict(&parent, &gates.stage, gate, gates.locked);
                }
            }
            RunEvent::Approved(approval) => {
                event!(
                    target: TARGET,
                    parent: &self.parent(Some(&approval.stage)),
                    Level::INFO,
                    { names::TASK_NAME } = approval.stage.as_str(),
                    by = %approval.by,
                    action_plan = %approval.action_plan,
                    expires = %approval.expires,
                    "approved"
                );
            }
            RunEvent::StageReused(reused) => {
                event!(
                    target: TARGET,
                    parent: &self.parent(None),
                    Level::INFO,
                    { names::TASK_NAME } = reused.stage.as_str(),
                    from = reused.from.as_str(),
                    "reused"
                );
            }
            RunEvent::StageSkipped(skipped) => {
                if skipped.denied {
                    self.troubles.push((skipped.stage.clone(), Ending::DENIED));
                }
                event!(
                    target: TARGET,
                    parent: &self.parent(None),
                    Level::WARN,
                    { names::TASK_NAME } = skipped.stage.as_str(),
                    cause = skipped.cause.as_ref().map(StageName::as_str),
                    denied = skipped.denied,
                    reason = skipped.reason,
                    "skipped"
                );
            }
            RunEvent::StageUnknown(unknown) => {
                if let Some(attempt) = self.attempts.remove(&unknown.stage) {
                    attempt.end(Ending::UNKNOWN, &unknown.reason);
                }
                event!(
                    target: TARGET,
                    parent: &self.parent(None),
                    Level::WARN,
                    { names::TASK_NAME } = unknown.stage.as_str(),
                    reason = unknown.reason,
                    "nobody knows whether it happened"
                );
            }
            RunEvent::StageDecided(decided) => {
                event!(
                    target: TARGET,
                    parent: &self.parent(None),
                    Level::INFO,
                    { names::TASK_NAME } = decided.stage.as_str(),
                    happened = decided.happened,
                    by = %event.actor,
                    "decided"
                );
            }
            RunEvent::CancelRequested(cancel) => {
                event!(
                    target: TARGET,
                    parent: &self.parent(None),
                    Level::WARN,
                    by = %event.actor,
                    reason = cancel.reason,
                    "asked to stop"
                );
            }
            _ => {}
        }
    }

    fn attempt(&mut self, id: &RunId, started: &StageStarted) {
        let stage = &started.stage;
        let span = span!(
            target: TARGET,
            parent: &self.parent(None),
            Level::INFO,
            "stage attempt",
            otel.name = stage.as_str(),
            otel.kind = "internal",
            otel.status_code = field::Empty,
            otel.status_description = field::Empty,
            { names::TASK_NAME } = stage.as_str(),
            { names::TASK_RUN_ID } = format!("{id}/{stage}/{}", started.attempt),
            { names::TASK_RUN_RESULT } = field::Empty,
            { names::ENVIRONMENT_NAME } = self.environments.get(stage).map(EnvironmentName::as_str),
            { names::ERROR_TYPE } = field::Empty,
            attempt = started.attempt,
        );
        let attempt = Attempt {
            number: started.attempt,
            deadline: started.details().deadline,
            span,
        };
        if let Some(before) = self.attempts.insert(stage.clone(), attempt) {
            before.end(Ending::INTERRUPTED, "another attempt began");
        }
    }

    fn finished(&mut self, at: Timestamp, finished: &StageFinished) {
        let mut ending = Ending::of_attempt(&finished.result);
        let why = match &finished.result {
            StageResult::Completed { outcome } => outcome.reason.clone(),
            StageResult::Failed { error, .. } => error.join(": "),
            StageResult::Cancelled { reason } => reason.clone(),
        };
        let number = self.attempts.get(&finished.stage).map(|attempt| attempt.number);
        let attempt = match number {
            Some(number) if number == finished.attempt => self.attempts.remove(&finished.stage),
            _ => None,
        };
        match attempt {
            Some(attempt) => {
                if ending.is_error() && attempt.deadline.is_some_and(|deadline| at >= deadline) {
                    ending = Ending::TIMEOUT;
                }
                attempt.end(ending, &why);
            }
            // It began in another process, or could not even be prepared.
            None => {
                event!(
                    target: TARGET,
                    parent: &self.parent(None),
                    Level::INFO,
                    { names::TASK_NAME } = finished.stage.as_str(),
                    { names::TASK_RUN_RESULT } = ending.result,
                    { names::ERROR_TYPE } = ending.error_type,
                    attempt = finished.attempt,
                    reason = why,
                    "ended"
                );
            }
        }
        // What an earlier attempt ran into no longer matters.
        self.troubles.retain(|(stage, _)| *stage != finished.stage);
        if ending.is_error() {
            self.troubles.push((finished.stage.clone(), ending));
        }
    }
}

impl Attempt {
    fn end(self, ending: Ending, why: &str) {
        record(&self.span, names::TASK_RUN_RESULT, ending, why);
    }
}

/// Writes down how a span ended. It closes when it is dropped.
fn record(span: &Span, result: &'static str, ending: Ending, why: &str) {
    span.record(result, ending.result);
    if let Some(error_type) = ending.error_type {
        span.record(names::ERROR_TYPE, error_type);
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", why);
    }
}

fn verdict(parent: &Span, stage: &StageName, gate: &GateVerdict, locked: bool) {
    let decision = match gate.verdict.decision {
        Decision::Allow => "allow",
        Decision::Wait => "wait",
        Decision::Deny => "deny",
    };
    event!(
        target: TARGET,
        parent: parent,
        Level::INFO,
        { names::TASK_NAME } = stage.as_str(),
        gate = gate.gate,
        decision,
        reason = gate.verdict.reason,
        locked,
        "gate"
    );
}
