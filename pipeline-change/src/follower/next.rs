use pipeline_core::{EventRef, NewEvent, RunId, RunOutcome, StageName};

use super::facts::RunFacts;
use super::stage::GatedStage;
use crate::{
    ChangeAssessed, ChangeAuthorized, ChangeCanceled, ChangeClosed, ChangeEvent, ChangeId, ChangeImplemented,
    ChangeImplementing, ChangeOpened, ChangeRecord, ChangeReplanned, ChangeScheduled, ChangeState,
    ChangeSubmitted, CloseCode, EvidenceRef, WorkOutcome,
};

/// The events that a record lacks to say what the run says, in order.
///
/// It compares what is true of the run with where the record stands, so it does not matter how late it is
/// asked, how often, or by how many: when the record says it all, nothing is due.
pub(super) fn due(
    run: &RunId,
    name: &StageName,
    facts: &RunFacts,
    stage: &GatedStage,
    record: Option<&ChangeRecord>,
) -> Vec<NewEvent> {
    let mut record = record.cloned();
    let mut due = Vec::new();
    while let Some((event, causes)) = next(run, name, facts, stage, record.as_ref()) {
        match (&mut record, &event) {
            (Some(record), event) => {
                if record.take(event).is_err() {
                    break;
                }
            }
            (None, ChangeEvent::Opened(opened)) => record = Some(ChangeRecord::open(opened)),
            (None, _) => break,
        }
        due.push(
            causes
                .into_iter()
                .fold(NewEvent::engine(event), NewEvent::caused_by),
        );
    }
    due
}

type Step = Option<(ChangeEvent, Vec<EventRef>)>;

fn step(event: impl Into<ChangeEvent>, cause: &EventRef) -> Step {
    Some((event.into(), vec![cause.clone()]))
}

fn next(
    run: &RunId,
    name: &StageName,
    facts: &RunFacts,
    stage: &GatedStage,
    record: Option<&ChangeRecord>,
) -> Step {
    let planned = stage.planned.as_ref()?;
    let Some(record) = record else {
        return step(opened(run, name, facts, stage)?, &planned.event);
    };
    // By the event, not the digest: a plan that came back after another one is a new plan, too.
    if record.state.is_open() && record.planned != planned.event {
        let replanned = ChangeReplanned {
            at: planned.at,
            title: title(stage)?,
            planned: planned.event.clone(),
            action_plan: planned.what.digest,
            plan: planned.what.plan.clone(),
        };
        return step(replanned, &planned.event);
    }
    let needs_authorisation = record.change_type.needs_authorisation();
    match record.state {
        ChangeState::New if needs_authorisation => {
            let settings = stage.gate.settings();
            let submitted = ChangeSubmitted {
                at: planned.at,
                authorisers: settings.authorisers.clone(),
                count: settings.count,
            };
            step(submitted, &planned.event)
        }
        ChangeState::New => {
            let scheduled = ChangeScheduled {
                at: planned.at,
                action_plan: planned.what.digest,
            };
            step(scheduled, &planned.event)
        }
        ChangeState::Assess => {
            let assessed = ChangeAssessed {
                at: planned.at,
                evidence: planned.what.assessment.clone(),
            };
            step(assessed, &planned.event)
        }
        ChangeState::Authorize => authorized(stage).or_else(|| given_up(stage)),
        ChangeState::Scheduled => {
            let again = authorized(stage).filter(
                |(event, _)| matches!(event, ChangeEvent::Authorized(new) if new.by != record.authorised_by),
            );
            again.or_else(|| implementing(stage)).or_else(|| given_up(stage))
        }
        ChangeState::Implement => implemented(facts, stage),
        ChangeState::Review => closed(facts, stage, record.work.as_ref()?),
        ChangeState::Closed | ChangeState::Canceled => None,
    }
}

fn title(stage: &GatedStage) -> Option<String> {
    let plan = &stage.planned.as_ref()?.what.plan;
    let verb = if plan.is_unchanged() { "Confirm" } else { "Deploy" };
    Some(format!("{verb} {} to {}", plan.title, plan.environment))
}

fn opened(run: &RunId, name: &StageName, facts: &RunFacts, stage: &GatedStage) -> Option<ChangeOpened> {
    let planned = stage.planned.as_ref()?;
    let plan = &planned.what.plan;
    let settings = stage.gate.settings();
    Some(ChangeOpened {
        id: ChangeId::of(run, name),
        at: planned.at,
        change_type: settings.change_type,
        title: title(stage)?,
        description: settings.description.clone(),
        justification: settings.justification.clone(),
        pipeline: stage.pipeline.clone(),
        component: stage.component.clone(),
        tier: stage.tiers.get(&plan.environment).copied(),
        run: run.clone(),
        stage: name.clone(),
        requested_by: facts.requested_by.clone(),
        requested_at: facts.requested_at,
        purpose: facts.purpose,
        window: stage.gate.window(),
        revisions: facts
            .revisions
            .get(&plan.environment)
            .cloned()
            .unwrap_or_default(),
        planned: planned.event.clone(),
        action_plan: planned.what.digest,
        plan: plan.clone(),
    })
}

fn authorized(stage: &GatedStage) -> Step {
    let authorised = stage.authorised.as_ref()?;
    let event = ChangeAuthorized {
        at: authorised.at,
        action_plan: stage.planned.as_ref()?.what.digest,
        by: authorised.what.clone(),
    };
    let causes = authorised.what.iter().map(|one| one.approval.clone());
    Some((event.into(), causes.collect()))
}

fn implementing(stage: &GatedStage) -> Step {
    let started = stage.started.as_ref()?;
    let event = ChangeImplementing {
        at: started.at,
        attempt: started.what,
    };
    step(event, &started.event)
}

fn given_up(stage: &GatedStage) -> Step {
    let given_up = stage.given_up.as_ref()?;
    let reason = if stage.started.is_some() {
        "the work was begun without an authorisation".to_owned()
    } else {
        let issues = stage.issues.iter().map(|issue| format!("{issue}; "));
        issues.collect::<String>() + &given_up.what
    };
    let event = ChangeCanceled {
        at: given_up.at,
        reason,
    };
    step(event, &given_up.event)
}

fn implemented(facts: &RunFacts, stage: &GatedStage) -> Step {
    let (at, cause, outcome, reason) = match (&stage.ended, &facts.finished) {
        (Some(ended), finished) if ended.what.outcome.is_success() || finished.is_some() => (
            ended.at,
            &ended.event,
            ended.what.outcome,
            ended.what.reason.clone(),
        ),
        (None, Some(finished)) => {
            let reason = "the run ended without a word of the stage".to_owned();
            (finished.at, &finished.event, WorkOutcome::Unknown, reason)
        }
        _ => return None,
    };
    step(ChangeImplemented { at, outcome, reason }, cause)
}

fn closed(facts: &RunFacts, stage: &GatedStage, work: &ChangeImplemented) -> Step {
    let finished = facts.finished.as_ref()?;
    let mut notes = vec![if work.reason.is_empty() {
        format!("The work {}.", work.outcome)
    } else {
        format!(
            "The work {}: {}.",
            work.outcome,
            work.reason.trim_end_matches('.')
        )
    }];
    if let Some(back) = &stage.rolled_back {
        notes.push(format!(
            "It was rolled back: {}.",
            back.what.trim_end_matches('.')
        ));
    }
    notes.extend(stage.issues.iter().map(|issue| format!("Issue: {issue}.")));
    notes.push(match finished.what {
        RunOutcome::Succeeded => "The run succeeded.".to_owned(),
        RunOutcome::Failed => "The run failed.".to_owned(),
        RunOutcome::Cancelled => "The run was cancelled.".to_owned(),
    });
    let undone = stage.rolled_back.is_some() || finished.what == RunOutcome::Failed;
    let code = if undone || !work.outcome.is_success() {
        CloseCode::Unsuccessful
    } else if !stage.issues.is_empty() || finished.what == RunOutcome::Cancelled {
        CloseCode::SuccessfulWithIssues
    } else {
        CloseCode::Successful
    };
    let mut evidence = facts.findings();
    evidence.extend(stage.verdicts.iter().cloned());
    evidence.extend(stage.environment.iter().cloned());
    if let Some(back) = &stage.rolled_back
        && !evidence.iter().any(|one| one.event == back.event)
    {
        evidence.push(EvidenceRef {
            subject: "rollback".to_owned(),
            finding: back.what.clone(),
            event: back.event.clone(),
            digest: None,
        });
    }
    let event = ChangeClosed {
        at: finished.at,
        code,
        notes: notes.join("\n"),
        evidence,
    };
    step(event, &finished.event)
}
