use std::sync::Arc;

use super::budget::Budget;
use super::decide::Decisions;
use super::event::{ActionPlanned, GateVerdict, GatesEvaluated, StageReused, StageSkipped, StartDetails};
use super::gates::Gates;
use super::graph::StageIndex;
use super::input::{Moment, Preparation};
use super::stage_state::StageState;
use super::state::RunState;
use crate::{Decision, Digest, Effect, Outcome, RunId};

/// How many action plans may come one after another before a stage is refused that never plans the same twice.
const MOST_PLANS_IN_A_ROW: u32 = 3;

/// What follows when it was found out what the beginning of a stage depends on.
impl RunState {
    /// A pure stage that nothing holds was done before.
    pub(super) fn reuse(
        &self,
        index: StageIndex,
        fingerprint: Digest,
        from: &RunId,
        outcome: &Arc<Outcome>,
        out: &mut Decisions,
    ) {
        let known = (index as usize) < self.stages.len();
        if !known
            || !matches!(self.stage_state(index), StageState::Ready)
            || self.must_not_begin(index).is_some()
        {
            return;
        }
        let stage = self.planned(index);
        if stage.effect == Effect::Pure && stage.gates.is_empty() && stage.environment.is_none() {
            out.stage(
                index,
                StageReused {
                    stage: stage.name.clone(),
                    fingerprint,
                    from: from.clone(),
                    outcome: Arc::clone(outcome),
                },
            );
        }
    }

    pub(super) fn prepared(
        &self,
        gates: &Gates,
        preparation: &Preparation,
        moment: Moment,
        out: &mut Decisions,
    ) {
        let (index, now) = (preparation.stage, moment.now);
        let Some(record) = self.stages.get(index as usize) else {
            return;
        };
        let held = matches!(record.state, StageState::Held { .. });
        if !self.may_begin(index) || self.is_stopping(index) {
            return;
        }
        let stage = self.planned(index);
        if !preparation.error.is_empty() {
            return out.stage(index, self.not_begun(index, preparation.error.clone()));
        }
        let ours = stage.environment.as_ref().is_some_and(|name| self.holds(name));
        if ours && !preparation.locked || self.is_busy_for(index) {
            // The lock came meanwhile: what was found out before it does not count. Or another stage of this run
            // began there: it comes first.
            return;
        }
        let locked = ours && preparation.locked;
        let last = record.extra.as_ref();
        let news = preparation.action_plan.as_ref().filter(|(digest, _)| {
            let planned = last.and_then(|extra| extra.planned.as_ref());
            planned.is_none_or(|planned| planned.digest != *digest)
        });
        if news.is_some() && last.is_some_and(|extra| extra.plans_in_a_row >= MOST_PLANS_IN_A_ROW) {
            let error = format!(
                "its action plan was different {MOST_PLANS_IN_A_ROW} times in a row: it holds what changes by itself"
            );
            return out.stage(index, self.not_begun(index, vec![error]));
        }
        if let Some((digest, plan)) = news {
            out.stage(
                index,
                ActionPlanned {
                    stage: stage.name.clone(),
                    digest: *digest,
                    plan: plan.clone(),
                },
            );
            if !stage.gates.is_empty() {
                // Evidence is about what is in the journal: it is gathered anew for the new plan.
                return;
            }
        }
        let subject = preparation
            .action_plan
            .as_ref()
            .map_or(preparation.fingerprint, |(digest, _)| *digest);
        let request = self.gate_request(
            index,
            subject,
            preparation.action_plan.as_ref().map(|(_, plan)| plan.clone()),
        );
        let mut verdicts = Vec::new();
        let mut used = Vec::new();
        for gate in gates.of(&self.planned(self.template(index)).name) {
            let mut verdict = gate.decide(&request, &preparation.evidence, now);
            // A time that has come says nothing about when to look again.
            verdict.earliest.take_if(|earliest| *earliest <= now);
            if verdict.allows() {
                used.extend(gate.uses(&request, now));
            }
            verdicts.push(GateVerdict {
                gate: gate.type_name().to_owned(),
                verdict,
            });
        }
        let deploys = preparation
            .action_plan
            .as_ref()
            .is_some_and(|(_, plan)| !plan.is_unchanged());
        if deploys
            && let Some(name) = &stage.environment
            && let Some(verdict) = self.newer_verdict(name)
        {
            out.depends_on(name);
            verdicts.push(verdict);
        }
        let denied = verdicts
            .iter()
            .find(|gate| gate.verdict.decision == Decision::Deny)
            .cloned();
        let open = verdicts.iter().all(|gate| gate.verdict.allows());
        let environment = stage.environment.as_ref();
        let blocked = environment
            .filter(|_| open)
            .and_then(|name| Some((name, self.lock_verdict(name)?)));
        let waits = !open || blocked.is_some();
        let reuses = stage.effect == Effect::Pure && preparation.reuse.is_some();
        let begins = !waits && !reuses && (environment.is_none() || ours);
        if begins && !held && !Budget::of(self, moment).take(self, index) {
            // It waits for a slot, and is prepared again when there is one: nothing is worth an event yet.
            return;
        }
        if let Some((name, verdict)) = blocked {
            out.depends_on(name);
            verdicts.push(verdict);
        }
        if !verdicts.is_empty() {
            let before = last.and_then(|extra| extra.gates.as_ref());
            let same = before.is_some_and(|before| {
                before.subject == subject && before.verdicts == verdicts && before.locked == locked
            });
            // A held stage that stays held for the same reasons is not worth an event; one that must leave
            // `Ready` or that may start is.
            if !(same && held && waits) {
                out.stage(
                    index,
                    GatesEvaluated {
                        stage: stage.name.clone(),
                        subject,
                        verdicts,
                        evidence: preparation.evidence.clone(),
                        locked,
                    },
                );
            }
        }
        if let Some(GateVerdict { gate, verdict }) = denied {
            let reason = format!("gate `{gate}` denies it: {}", verdict.reason);
            return out.stage(
                index,
                StageSkipped {
                    stage: stage.name.clone(),
                    cause: None,
                    reason,
                    denied: true,
                },
            );
        }
        if waits {
            return;
        }
        if let Some(environment) = environment.filter(|_| !ours) {
            return out.environment(environment, self.grant(environment, &stage.name));
        }
        if let (Effect::Pure, Some((from, outcome))) = (stage.effect, &preparation.reuse) {
            return out.stage(
                index,
                StageReused {
                    stage: stage.name.clone(),
                    fingerprint: preparation.fingerprint,
                    from: from.clone(),
                    outcome: Arc::clone(outcome),
                },
            );
        }
        if !Budget::of(self, moment).take(self, index) {
            // It waits for a slot, and is prepared again when there is one.
            return;
        }
        used.sort_unstable();
        used.dedup();
        let action_plan = preparation.action_plan.as_ref().map(|(digest, _)| *digest);
        let details = StartDetails {
            fingerprint: Some(preparation.fingerprint),
            action_plan,
            approvals: used,
            ..StartDetails::default()
        };
        self.start(index, details, now, out);
    }
}
