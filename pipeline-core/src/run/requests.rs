use super::decide::Decisions;
use super::event::StageDecided;
use super::graph::StageIndex;
use super::input::{ApproveRequest, DecideRequest, Refusal};
use super::stage_state::StageState;
use super::state::RunState;
use crate::{Approval, StageName, Timestamp};

/// What people ask of a run.
impl RunState {
    pub(super) fn approve(
        &self,
        request: &ApproveRequest,
        now: Timestamp,
        out: &mut Decisions,
    ) -> Result<(), Refusal> {
        let index = self.stage_of(&request.stage)?;
        let record = &self.stages[index as usize];
        let nothing = |reason: &str| Refusal::NothingToApprove {
            run: self.id.clone(),
            stage: request.stage.clone(),
            reason: reason.to_owned(),
        };
        if self.planned(index).gates.is_empty() {
            return Err(nothing("it has no gates"));
        }
        if !matches!(
            record.state,
            StageState::Ready | StageState::Held { .. } | StageState::Pending { .. }
        ) {
            return Err(nothing(&format!("it is {}", record.state.word())));
        }
        let gates = record.extra.as_ref().and_then(|extra| extra.gates.as_ref());
        let Some(current) = gates.map(|gates| gates.subject) else {
            return Err(nothing("what it would do is not known yet"));
        };
        if current != request.action_plan {
            return Err(Refusal::OtherPlan {
                stage: request.stage.clone(),
                current,
                seen: request.action_plan,
            });
        }
        let approval = Approval {
            stage: request.stage.clone(),
            action_plan: request.action_plan,
            by: request.by.clone(),
            at: now,
            expires: now.saturating_add(request.valid_for).unwrap_or(Timestamp::MAX),
            comment: request.comment.clone(),
            used: false,
        };
        out.by(request.by.clone(), approval);
        Ok(())
    }

    pub(super) fn decide_unknown(&self, request: &DecideRequest, out: &mut Decisions) -> Result<(), Refusal> {
        let DecideRequest {
            stage,
            happened,
            by,
            comment,
        } = request;
        let happened = *happened;
        let index = self.stage_of(stage)?;
        let state = &self.stages[index as usize].state;
        let StageState::Unknown { attempt, .. } = state else {
            return Err(Refusal::NothingToDecide {
                run: self.id.clone(),
                stage: stage.clone(),
                state: state.word(),
            });
        };
        let produces = &self.planned(index).produces;
        if happened && !produces.is_empty() {
            let artifacts = produces
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Refusal::Produces {
                stage: stage.clone(),
                artifacts,
            });
        }
        let (stage, attempt, comment) = (stage.clone(), attempt.attempt, comment.to_owned());
        out.by(
            by.clone(),
            StageDecided {
                stage,
                attempt,
                happened,
                comment,
            },
        );
        Ok(())
    }

    fn stage_of(&self, stage: &StageName) -> Result<StageIndex, Refusal> {
        let no_stage = || Refusal::NoStage {
            run: self.id.clone(),
            stage: stage.clone(),
        };
        self.find(stage).ok_or_else(no_stage)
    }
}
