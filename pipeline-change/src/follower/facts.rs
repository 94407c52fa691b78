use std::collections::BTreeMap;

use pipeline_core::{
    Actor, DeploymentReport, EnvironmentEvent, EnvironmentName, Event, Gate, OutcomeStatus, Purpose,
    Revision, RunCreated, RunEvent, RunOutcome, StageFinished, StageName, StageResult, StageStarted,
    Timestamp,
};

use super::stage::{GatedStage, Said};
use crate::{ChangeGate, EvidenceRef, WorkOutcome};

/// What the journal says about one run, as far as its changes are concerned.
#[derive(Debug)]
pub(super) struct RunFacts {
    pub(super) requested_by: Actor,
    pub(super) requested_at: Timestamp,
    pub(super) purpose: Purpose,
    pub(super) revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
    pub(super) gated: BTreeMap<StageName, GatedStage>,
    /// Where the stages of the run act.
    targets: BTreeMap<StageName, EnvironmentName>,
    /// The attempt and the epoch that count for each stage that started.
    attempts: BTreeMap<StageName, (u32, u64)>,
    /// What each stage that finished found, in the order of the first time.
    findings: Vec<(StageName, Vec<EvidenceRef>)>,
    cancel: Option<String>,
    pub(super) finished: Option<Said<RunOutcome>>,
}

impl RunFacts {
    /// The facts of a new run; `None` when no stage of it has a change gate that this code can read. Such a
    /// stage gets no record, and without a record its gate never opens.
    pub(super) fn new(event: &Event, created: &RunCreated) -> Option<Self> {
        let plan = &created.plan;
        let tiers: BTreeMap<_, _> = plan
            .environments
            .iter()
            .map(|(name, descriptor)| (name.clone(), descriptor.tier))
            .collect();
        let mut gated = BTreeMap::new();
        let mut targets = BTreeMap::new();
        for stage in &plan.stages {
            if let Some(environment) = &stage.environment {
                targets.insert(stage.name.clone(), environment.clone());
            }
            let gate = stage
                .gates
                .iter()
                .find(|gate| gate.type_name == ChangeGate::TYPE && gate.version == ChangeGate::VERSION);
            let gate = gate.and_then(|gate| serde_json::from_value(gate.settings.clone()).ok());
            if let Some(gate) = gate {
                let (pipeline, component) = (plan.pipeline.clone(), plan.component.clone());
                let facts = GatedStage::new(gate, pipeline, component, tiers.clone());
                gated.insert(stage.name.clone(), facts);
            }
        }
        (!gated.is_empty()).then(|| Self {
            requested_by: event.actor.clone(),
            requested_at: event.at,
            purpose: created.purpose,
            revisions: created.revisions.clone(),
            gated,
            targets,
            attempts: BTreeMap::new(),
            findings: Vec::new(),
            cancel: None,
            finished: None,
        })
    }

    pub(super) fn run(&mut self, event: &Event, happened: &RunEvent) {
        if self.finished.is_some() {
            return;
        }
        match happened {
            RunEvent::ActionPlanned(planned) => {
                let assessment = self.findings();
                if let Some(stage) = self.gated.get_mut(&planned.stage) {
                    stage.plan(event, planned, assessment);
                }
            }
            RunEvent::GatesEvaluated(evaluated) => {
                if let Some(stage) = self.gated.get_mut(&evaluated.stage) {
                    stage.evaluate(event, evaluated);
                }
            }
            RunEvent::Approved(approval) => {
                if let Some(stage) = self.gated.get_mut(&approval.stage) {
                    stage.approve(event, approval);
                }
            }
            RunEvent::StageStarted(started) => self.start(event, started),
            RunEvent::StageFinished(finished) => self.finish(event, finished),
            RunEvent::StageReused(reused) => {
                if let Some(stage) = self.gated.get_mut(&reused.stage) {
                    let reason = format!("nothing is done: the outcome of run `{}` is reused", reused.from);
                    stage.give_up(event, reason);
                }
            }
            RunEvent::StageSkipped(skipped) => {
                if let Some(stage) = self.gated.get_mut(&skipped.stage) {
                    stage.give_up(event, format!("the stage is skipped: {}", skipped.reason));
                }
            }
            RunEvent::StageUnknown(unknown) => {
                if let Some(stage) = self.gated.get_mut(&unknown.stage) {
                    stage.end(event, WorkOutcome::Unknown, unknown.reason.clone());
                }
            }
            RunEvent::StageDecided(decided) => {
                let verb = if decided.happened { "was" } else { "was not" };
                let issue = format!(
                    "{} decided that attempt {} of stage `{}` {verb} done",
                    event.actor, decided.attempt, decided.stage
                );
                self.issue(&decided.stage, &issue);
                if let Some(stage) = self.gated.get_mut(&decided.stage) {
                    if decided.happened {
                        stage.end(event, WorkOutcome::Succeeded, decided.comment.clone());
                    } else {
                        stage.end(event, WorkOutcome::Failed, decided.comment.clone());
                    }
                }
            }
            RunEvent::CancelRequested(cancel) => {
                self.cancel.get_or_insert_with(|| cancel.reason.clone());
            }
            RunEvent::Finished(finished) => self.end(event, finished.outcome),
            // What else happens in a run says nothing about its changes.
            _ => {}
        }
    }

    pub(super) fn environment(&mut self, event: &Event, happened: &EnvironmentEvent) {
        if self.finished.is_none() {
            for stage in self.gated.values_mut() {
                stage.environment(event, happened);
            }
        }
    }

    /// What the stages that finished have found.
    pub(super) fn findings(&self) -> Vec<EvidenceRef> {
        self.findings
            .iter()
            .flat_map(|(_, found)| found)
            .cloned()
            .collect()
    }

    /// Notes what did not go as planned with every change that was being carried out or checked then.
    fn issue(&mut self, at: &StageName, issue: &str) {
        for (name, stage) in &mut self.gated {
            if name == at || stage.started.is_some() {
                stage.issues.push(issue.to_owned());
            }
        }
    }

    fn start(&mut self, event: &Event, started: &StageStarted) {
        let this = (started.attempt, started.epoch);
        if self
            .attempts
            .get(&started.stage)
            .is_some_and(|last| *last >= this)
        {
            return;
        }
        self.attempts.insert(started.stage.clone(), this);
        if let Some(stage) = self.gated.get_mut(&started.stage) {
            stage.start(event, started);
        }
    }

    fn finish(&mut self, event: &Event, finished: &StageFinished) {
        let counts = |&(attempt, epoch): &(u32, u64)| finished.attempt == attempt && finished.epoch >= epoch;
        if !self.attempts.get(&finished.stage).is_some_and(counts) {
            return;
        }
        let found = findings_of(event, finished);
        match self
            .findings
            .iter_mut()
            .find(|(stage, _)| *stage == finished.stage)
        {
            Some((_, old)) => *old = found,
            None => self.findings.push((finished.stage.clone(), found)),
        }
        if let StageResult::Completed { outcome } = &finished.result
            && let Some(DeploymentReport::RolledBack { from, .. }) = outcome.deployment.as_deref()
            && let Some(target) = self.targets.get(&finished.stage)
        {
            for stage in self.gated.values_mut() {
                if stage.brought(target.as_str(), from) {
                    stage.roll_back(event, &outcome.reason);
                }
            }
        }
        if let Some(stage) = self.gated.get_mut(&finished.stage) {
            stage.finish(event, finished);
        }
    }

    fn end(&mut self, event: &Event, outcome: RunOutcome) {
        self.finished = Some(Said::by(event, outcome));
        for stage in self.gated.values_mut() {
            let reason = match (outcome, &stage.denial) {
                (RunOutcome::Cancelled, _) => match self.cancel.as_deref() {
                    None | Some("") => "the run was cancelled".to_owned(),
                    Some(reason) => format!("the run was cancelled: {reason}"),
                },
                (RunOutcome::Failed, Some(denial)) => denial.clone(),
                (RunOutcome::Failed, None) => "the run failed before the work began".to_owned(),
                (RunOutcome::Succeeded, _) => "the run ended without the stage".to_owned(),
            };
            stage.give_up(event, reason);
        }
    }
}

fn findings_of(event: &Event, finished: &StageFinished) -> Vec<EvidenceRef> {
    let (finding, artifacts) = match &finished.result {
        StageResult::Completed { outcome } => {
            let word = match outcome.status {
                OutcomeStatus::Succeeded => "succeeded",
                OutcomeStatus::Unchanged => "found nothing to change",
                OutcomeStatus::Skipped => "found nothing to do",
                OutcomeStatus::Failed => "failed",
            };
            let finding = match &*outcome.reason {
                "" => word.to_owned(),
                reason => format!("{word}, {reason}"),
            };
            (finding, outcome.artifacts.values().collect())
        }
        StageResult::Failed { error, .. } => (format!("failed, {}", error.join(": ")), Vec::new()),
        StageResult::Cancelled { reason } => (format!("was stopped, {reason}"), Vec::new()),
    };
    let mut found = vec![EvidenceRef {
        subject: format!("stage `{}`", finished.stage),
        finding,
        event: event.reference(),
        digest: finished.output.as_deref().copied(),
    }];
    found.extend(artifacts.into_iter().map(|artifact| EvidenceRef {
        subject: format!("artifact `{} {}`", artifact.name, artifact.version),
        finding: format!("produced by stage `{}`", finished.stage),
        event: event.reference(),
        digest: Some(artifact.digest),
    }));
    found
}
