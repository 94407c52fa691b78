use std::collections::BTreeMap;

use pipeline_core::{
    ActionPlan, ActionPlanned, Approval, ComponentName, Decision, Digest, EnvironmentEvent, EnvironmentName,
    Event, EventRef, Failure, GateVerdict, GatesEvaluated, OutcomeStatus, PipelineName, StageFinished,
    StageResult, StageStarted, Tier, Timestamp,
};

use crate::{Authorisation, ChangeGate, EvidenceRef, WorkOutcome};

/// Something that happened, with the event that says so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said<T> {
    pub(super) at: Timestamp,
    pub(super) event: EventRef,
    pub(super) what: T,
}

impl<T> Said<T> {
    pub(super) fn by(event: &Event, what: T) -> Self {
        Self {
            at: event.at,
            event: event.reference(),
            what,
        }
    }
}

/// The plan that counts, and what was known when it was made.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) digest: Digest,
    pub(super) plan: ActionPlan,
    pub(super) assessment: Vec<EvidenceRef>,
}

/// How the work ended, if it ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) outcome: WorkOutcome,
    pub(super) reason: String,
}

/// What a run says about one stage that has a change gate.
#[derive(Debug)]
pub(super) struct GatedStage {
    pub(super) gate: ChangeGate,
    pub(super) pipeline: PipelineName,
    pub(super) component: ComponentName,
    pub(super) tiers: BTreeMap<EnvironmentName, Tier>,
    pub(super) planned: Option<Said<Planned>>,
    approvals: Vec<Approval>,
    approval_events: Vec<EventRef>,
    pub(super) authorised: Option<Said<Vec<Authorisation>>>,
    pub(super) started: Option<Said<u32>>,
    pub(super) ended: Option<Said<Ended>>,
    pub(super) given_up: Option<Said<String>>,
    pub(super) rolled_back: Option<Said<String>>,
    /// What did not go as planned, though it may have ended well.
    pub(super) issues: Vec<String>,
    pub(super) verdicts: Vec<EvidenceRef>,
    pub(super) denial: Option<String>,
    pub(super) environment: Vec<EvidenceRef>,
}

impl GatedStage {
    pub(super) fn new(
        gate: ChangeGate,
        pipeline: PipelineName,
        component: ComponentName,
        tiers: BTreeMap<EnvironmentName, Tier>,
    ) -> Self {
        Self {
            gate,
            pipeline,
            component,
            tiers,
            planned: None,
            approvals: Vec::new(),
            approval_events: Vec::new(),
            authorised: None,
            started: None,
            ended: None,
            given_up: None,
            rolled_back: None,
            issues: Vec::new(),
            verdicts: Vec::new(),
            denial: None,
            environment: Vec::new(),
        }
    }

    /// Whether nothing that the stage says changes its record any more: it is done, or will not be.
    fn is_over(&self) -> bool {
        let done = |ended: &Said<Ended>| ended.what.outcome.is_success();
        self.given_up.is_some() || self.ended.as_ref().is_some_and(done)
    }

    /// An equal plan changes nothing; any other voids what was agreed.
    pub(super) fn plan(&mut self, event: &Event, planned: &ActionPlanned, assessment: Vec<EvidenceRef>) {
        let equal = self
            .planned
            .as_ref()
            .is_some_and(|old| old.what.digest == planned.digest);
        if equal || self.is_over() {
            return;
        }
        if self.started.take().is_some() {
            self.ended = None;
            self.issues
                .push("after the work had begun, something else was planned".to_owned());
        }
        self.authorised = None;
        self.planned = Some(Said::by(
            event,
            Planned {
                digest: planned.digest,
                plan: planned.plan.clone(),
                assessment,
            },
        ));
        self.authorise(event);
    }

    pub(super) fn approve(&mut self, event: &Event, approval: &Approval) {
        self.approvals.push(approval.clone());
        self.approval_events.push(event.reference());
        self.authorise(event);
    }

    /// Settles whether enough have approved now. What was settled stays until it has expired.
    fn authorise(&mut self, event: &Event) {
        let Some(planned) = &self.planned else {
            return;
        };
        let holds = |by: &Said<Vec<Authorisation>>| by.what.iter().all(|one| event.at < one.expires);
        let settled = self.started.is_some() || self.is_over();
        if settled || self.authorised.as_ref().is_some_and(holds) {
            return;
        }
        let counting = self
            .gate
            .counting(&self.approvals, &planned.what.digest, event.at);
        if counting.is_empty() || !self.gate.is_authorised(&counting) {
            return;
        }
        let by = counting.into_iter().map(|index| {
            let approval = &self.approvals[index];
            Authorisation {
                by: approval.by.clone(),
                at: approval.at,
                expires: approval.expires,
                comment: approval.comment.clone(),
                approval: self.approval_events[index].clone(),
            }
        });
        self.authorised = Some(Said::by(event, by.collect()));
    }

    pub(super) fn start(&mut self, event: &Event, started: &StageStarted) {
        if self.is_over() {
            return;
        }
        for &index in &started.details().approvals {
            if let Some(approval) = self.approvals.get_mut(index) {
                approval.used = true;
            }
        }
        if self.started.is_none() {
            self.started = Some(Said::by(event, started.attempt));
        }
        if started.attempt > 1 {
            self.issues
                .push(format!("attempt {} was needed", started.attempt));
        }
        self.ended = None;
    }

    /// Takes the end of an attempt. Only a success ends the work for certain; after anything else there may
    /// be a further attempt until the run ends.
    pub(super) fn finish(&mut self, event: &Event, finished: &StageFinished) {
        let (outcome, reason) = match &finished.result {
            StageResult::Completed { outcome } => {
                let kind = match outcome.status {
                    OutcomeStatus::Succeeded => WorkOutcome::Succeeded,
                    OutcomeStatus::Unchanged | OutcomeStatus::Skipped => WorkOutcome::Unchanged,
                    OutcomeStatus::Failed => WorkOutcome::Failed,
                };
                (kind, outcome.reason.clone())
            }
            StageResult::Failed { failure, error } => {
                let outcome = match failure {
                    Failure::Unknown => WorkOutcome::Unknown,
                    _ => WorkOutcome::Failed,
                };
                (outcome, error.join(": "))
            }
            StageResult::Cancelled { reason } => (WorkOutcome::Cancelled, reason.clone()),
        };
        self.end(event, outcome, reason);
    }

    pub(super) fn end(&mut self, event: &Event, outcome: WorkOutcome, reason: String) {
        if !self.is_over() {
            self.ended = Some(Said::by(event, Ended { outcome, reason }));
        }
    }

    pub(super) fn give_up(&mut self, event: &Event, reason: String) {
        if self.given_up.is_none() {
            self.given_up = Some(Said::by(event, reason));
        }
    }

    pub(super) fn evaluate(&mut self, event: &Event, evaluated: &GatesEvaluated) {
        let denies = |one: &&GateVerdict| one.verdict.decision == Decision::Deny;
        self.denial = evaluated
            .verdicts
            .iter()
            .find(denies)
            .map(|one| format!("gate `{}` denied it: {}", one.gate, one.verdict.reason));
        let verdicts = evaluated.verdicts.iter().map(|one| {
            let decision = match one.verdict.decision {
                Decision::Allow => "allows",
                Decision::Wait => "waits",
                Decision::Deny => "denies",
            };
            EvidenceRef {
                subject: format!("gate `{}`", one.gate),
                finding: format!("{decision}, {}", one.verdict.reason),
                event: event.reference(),
                digest: None,
            }
        });
        self.verdicts = verdicts.collect();
    }

    /// Whether a release in an environment is what this stage has begun to bring there.
    pub(super) fn brought(&self, environment: &str, release: &Digest) -> bool {
        self.started.is_some()
            && self.planned.as_ref().is_some_and(|planned| {
                planned.what.plan.environment == *environment && planned.what.plan.release == *release
            })
    }

    pub(super) fn roll_back(&mut self, event: &Event, reason: &str) {
        if self.rolled_back.is_none() {
            self.rolled_back = Some(Said::by(event, reason.to_owned()));
        }
    }

    /// Takes what happened in an environment.
    pub(super) fn environment(&mut self, event: &Event, happened: &EnvironmentEvent) {
        let name = event.stream.name();
        let (release, finding) = match happened {
            EnvironmentEvent::Deployed(deployed) => (deployed.release_digest, "deployed"),
            EnvironmentEvent::Verified(verified) => (verified.release_digest, "verified"),
            EnvironmentEvent::RolledBack(back) => (back.from, "rolled back"),
            _ => return,
        };
        if !self.brought(name, &release) {
            return;
        }
        if let EnvironmentEvent::RolledBack(back) = happened {
            self.roll_back(event, &back.reason);
        }
        self.environment.push(EvidenceRef {
            subject: format!("environment `{name}`"),
            finding: finding.to_owned(),
            event: event.reference(),
            digest: Some(release),
        });
    }
}
