use std::fmt::Write;

use pipeline_core::{Decision, Digest, Estate, RunState, RunStatus, StageState, StageView};
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
    })
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
            _ => continue,
        };
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
    text.push('\n');
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
    for stage in state.stages() {
        match stage.state() {
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
