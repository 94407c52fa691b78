use std::fmt::Write;

use pipeline_core::{Decision, Digest, Estate, RunState, RunStatus, StageResult, StageState, StageView};
use serde_json::{Value, json};

use crate::live::clock;

/// A run for a program.
pub fn run_data(state: &RunState) -> Value {
    json!({
        "run": state.id(),
        "pipeline": state.plan().pipeline,
        "component": state.plan().component,
        "status": state.status(),
        "purpose": state.purpose(),
        "requested_by": state.requested_by(),
        "requested_at": state.requested_at(),
        "revision": state.revision(),
        "finished_at": state.finished().map(|(_, at)| at),
        "next_wake": state.next_wake(),
        "stages": state.stages().map(|stage| stage_data(&stage)).collect::<Vec<_>>(),
        "waiting": waiting(state),
        "rollback": state.is_rollback(),
        "again": state.again(),
        "waits_for_run": state.waits_for_run(),
        "parked": state.parked(),
        "cancel": state.cancel().map(|cancel| json!({
            "by": cancel.by,
            "reason": cancel.reason,
            "force": cancel.force,
            "timed_out": cancel.timed_out,
        })),
        "pools": Value::Object(state.plan().pools.iter().map(|(name, pool)| {
            let taken = state.pool(name).map(|pool| pool.slots.values().collect::<Vec<_>>());
            (name.to_string(), json!({ "capacity": pool.capacity, "slots": taken.unwrap_or_default() }))
        }).collect()),
    })
}

fn stage_data(stage: &StageView<'_>) -> Value {
    json!({
        "stage": stage.planned().name,
        "state": stage.state().word(),
        "reason": stage.end().map(|end| end.reason()).unwrap_or_default(),
        "attempts": stage.attempts(),
        "started": stage.started(),
        "ended": stage.ended(),
        "output": stage.output(),
        "action_plan": stage.action_plan().map(|planned| planned.digest),
        "artifacts": stage.end().and_then(|end| end.outcome()).map(|outcome| &outcome.artifacts),
        "facts": stage.end().and_then(|end| end.outcome()).map(|outcome| &outcome.facts),
        "item": stage.item(),
        "instances_open": match stage.state() {
            StageState::Expanded { open } => Some(open),
            _ => None,
        },
        "retry": match stage.state() {
            StageState::Backoff(backoff) => Some(json!({
                "at": backoff.until,
                "because": why_failed(&backoff.result),
            })),
            _ => None,
        },
    })
}

/// Why an attempt failed.
fn why_failed(result: &StageResult) -> String {
    match result {
        StageResult::Completed { outcome } => outcome.reason.clone(),
        StageResult::Failed { error, .. } => error.join(": "),
        StageResult::Cancelled { reason } => reason.clone(),
    }
}

/// The pools that keep a stage from beginning, and who has their slots.
fn full_pools(state: &RunState, stage: &StageView<'_>) -> Vec<String> {
    if !matches!(stage.state(), StageState::Ready) || state.waits_for_run().is_some() {
        return Vec::new();
    }
    let pools = stage.planned().pools.iter();
    let full = pools.filter_map(|name| {
        let capacity = state.plan().pools.get(name)?.capacity;
        let slots = &state.pool(name)?.slots;
        let taken = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        (taken >= capacity).then(|| {
            let who: Vec<_> = slots
                .values()
                .map(|slot| {
                    format!(
                        "stage `{}` of run {} since {}",
                        slot.stage,
                        slot.run,
                        clock(slot.since)
                    )
                })
                .collect();
            format!(
                "pool `{name}` is full ({taken} of {capacity}): {}",
                who.join(", ")
            )
        })
    });
    full.collect()
}

/// What a run waits for that others have: who waits, and for what.
pub fn taken(state: &RunState) -> Vec<(String, String)> {
    if let Some(before) = state.waits_for_run() {
        return vec![(
            "run".to_owned(),
            format!("waits for its turn: run {before} comes first"),
        )];
    }
    let stages = state.stages();
    let pools = stages.filter_map(|stage| {
        let full = full_pools(state, &stage);
        (!full.is_empty()).then(|| (stage.planned().name.to_string(), full.join("; ")))
    });
    pools.collect()
}

/// What holds each waiting stage, and what would be approved.
pub fn waiting(state: &RunState) -> Vec<Value> {
    let mut waiting = Vec::new();
    for stage in state.stages() {
        let reasons: Vec<_> = match stage.state() {
            StageState::Held { verdicts, .. } => verdicts
                .iter()
                .filter(|gate| gate.verdict.decision != Decision::Allow)
                .map(|gate| json!({ "gate": gate.gate, "verdict": gate.verdict }))
                .collect(),
            StageState::Unknown { reason, .. } => vec![json!({
                "gate": "decision",
                "verdict": { "decision": "wait", "reason": reason, "who": ["a person, by `release decide`"] },
            })],
            StageState::Backoff(backoff) => vec![json!({
                "gate": "retry",
                "verdict": {
                    "decision": "wait",
                    "reason": format!("attempt {} failed: {}", stage.attempts(), why_failed(&backoff.result)),
                    "earliest": backoff.until,
                    "who": ["nobody: it is tried again by itself"],
                },
            })],
            StageState::Ready => full_pools(state, &stage)
                .into_iter()
                .map(|reason| json!({
                    "gate": "pool",
                    "verdict": { "decision": "wait", "reason": reason, "who": ["whoever has a slot, by ending"] },
                }))
                .collect(),
            _ => continue,
        };
        if reasons.is_empty() {
            continue;
        }
        waiting.push(json!({
            "stage": stage.planned().name,
            "subject": stage.gates().map(|gates| gates.subject),
            "action_plan": stage.action_plan().map(|planned| &planned.plan),
            "gates": reasons,
        }));
    }
    waiting
}

/// A run for a person: the stages, what holds it, and what to do about it.
pub fn run_text(state: &RunState) -> String {
    let mut text = format!(
        "run {}: {} of {}",
        state.id(),
        status_word(state.status()),
        state.plan().component
    );
    if let Some(revision) = state.revision() {
        let _ = write!(
            text,
            ", revision {} \"{}\"",
            short(&revision.id),
            revision.summary
        );
    }
    if let Some(again) = state.again() {
        let _ = write!(text, ", run {again} again");
    }
    if state.is_rollback() {
        let _ = write!(
            text,
            ", a rollback that {} asked for",
            state.requested_by().name()
        );
    }
    text.push('\n');
    if let Some(cancel) = state.cancel().filter(|_| state.finished().is_none()) {
        let how = if cancel.force { " at once" } else { "" };
        let _ = writeln!(
            text,
            "  {} asked it to stop{how} {}",
            cancel.by.name(),
            cancel.reason
        );
    }
    for stage in state.stages() {
        let reason = stage.end().map(|end| end.reason()).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<20} {:<10} {reason}",
            stage.planned().name,
            stage.state().word()
        );
    }
    text.push_str(&why_text(state));
    text
}

/// What holds a run, for a person.
pub fn why_text(state: &RunState) -> String {
    let mut text = String::new();
    if let Some(before) = state.waits_for_run() {
        let _ = writeln!(text, "the run waits for its turn: run {before} comes first");
    }
    for missing in state.parked().unwrap_or_default() {
        let _ = writeln!(text, "the run is parked: {missing}");
    }
    for stage in state.stages() {
        match stage.state() {
            StageState::Backoff(backoff) => {
                let name = &stage.planned().name;
                let _ = writeln!(text, "stage `{name}` is tried again at {}", clock(backoff.until));
                let _ = writeln!(
                    text,
                    "  attempt {} failed: {}",
                    stage.attempts(),
                    why_failed(&backoff.result)
                );
            }
            StageState::Ready => {
                for full in full_pools(state, &stage) {
                    let _ = writeln!(text, "stage `{}` waits: {full}", stage.planned().name);
                }
            }
            StageState::Held { verdicts, .. } => {
                let _ = writeln!(text, "stage `{}` waits:", stage.planned().name);
                for gate in verdicts
                    .iter()
                    .filter(|gate| gate.verdict.decision != Decision::Allow)
                {
                    let _ = writeln!(text, "  gate `{}`: {}", gate.gate, gate.verdict.reason);
                    if let Some(earliest) = gate.verdict.earliest {
                        let _ = writeln!(text, "    can change at {} at the earliest", clock(earliest));
                    }
                    if !gate.verdict.who.is_empty() {
                        let _ = writeln!(text, "    can be changed by {}", gate.verdict.who.join(", "));
                    }
                }
                if let (Some(planned), Some(gates)) = (stage.action_plan(), stage.gates()) {
                    text.push_str(&plan_text(&planned.plan, gates.subject));
                }
            }
            StageState::Unknown { reason, attempt } => {
                let _ = writeln!(text, "stage `{}` is unknown: {reason}", stage.planned().name);
                let _ = writeln!(
                    text,
                    "  attempt {} began at {}; find out, then:",
                    attempt.attempt,
                    clock(attempt.since)
                );
                let _ = writeln!(
                    text,
                    "  release decide {} {} --happened | --did-not-happen --by WHO",
                    state.id(),
                    stage.planned().name
                );
            }
            _ => {}
        }
    }
    text
}

/// An action plan, for the person who is to approve it.
pub fn plan_text(plan: &pipeline_core::ActionPlan, digest: Digest) -> String {
    let mut text = format!("  action plan {digest}\n");
    let _ = writeln!(text, "    {} to `{}`", plan.title, plan.environment);
    if plan.actions.is_empty() {
        text.push_str("    nothing would change\n");
    }
    for action in &plan.actions {
        let _ = writeln!(text, "    - {action}");
    }
    for action in &plan.rollback {
        let _ = writeln!(text, "    back: {action}");
    }
    for measure in &plan.success_measures {
        let _ = writeln!(text, "    good when: {measure}");
    }
    text
}

/// What is live where, for a program.
pub fn estate_data(estate: &Estate) -> Value {
    let environments = estate.environments().map(|(name, state)| {
        (
            name.to_string(),
            json!({ "live": state.live, "verified": state.verified, "lock": state.lock }),
        )
    });
    Value::Object(environments.collect())
}

/// What is live where, for a person.
pub fn estate_text(estate: &Estate) -> String {
    let mut text = String::new();
    for (name, state) in estate.environments() {
        match &state.live {
            Some(live) => {
                let verified = if live.verified { "verified" } else { "not verified" };
                let back = if live.rolled_back { ", rolled back to" } else { "" };
                let _ = writeln!(
                    text,
                    "  {name:<20} {} ({}), {verified}{back}, since {}, by run {}",
                    live.release,
                    live.release_digest.short(),
                    clock(live.since),
                    live.run
                );
            }
            None => {
                let _ = writeln!(text, "  {name:<20} nothing");
            }
        }
        if let Some(lock) = &state.lock {
            let _ = writeln!(
                text,
                "  {:<20} in use by run {} since {}",
                "",
                lock.run,
                clock(lock.since)
            );
        }
    }
    text
}

/// One word for a status.
pub fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Waiting => "waiting",
        RunStatus::NeedsDecision => "needs a decision",
        RunStatus::Parked => "parked",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}

/// The start of a commit's id.
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
