use std::sync::Arc;

use super::decide::{Decisions, cancelled_by};
use super::event::{StageResult, StageUnknown};
use super::graph::StageIndex;
use super::input::Moment;
use super::stage_state::StageState;
use super::state::RunState;
use crate::{Failure, Inspection, Outcome};

/// What follows when a stage looked for an effect of its own that nobody knows the end of.
impl RunState {
    pub(super) fn inspected(
        &self,
        index: StageIndex,
        number: u32,
        found: &Inspection,
        moment: Moment,
        out: &mut Decisions,
    ) {
        let Some(record) = self.stages.get(index as usize) else {
            return;
        };
        let (StageState::Running(attempt) | StageState::Lost(attempt)) = &record.state else {
            return;
        };
        let interrupted = attempt.epoch < self.epoch;
        if attempt.attempt != number || !(interrupted || matches!(record.state, StageState::Lost(_))) {
            return;
        }
        match found {
            Inspection::Happened(outcome) => {
                let result = StageResult::Completed {
                    outcome: Arc::new((**outcome).clone()),
                };
                self.finish(index, attempt, &result, None, moment, out);
            }
            Inspection::DidNotHappen => {
                let cancel = self.cancel.as_ref().filter(|_| self.is_stopping(index));
                let result = match cancel {
                    Some(cancel) => StageResult::Cancelled {
                        reason: cancelled_by(cancel),
                    },
                    None if interrupted => return self.repeat(index, attempt, moment.now, out),
                    None => StageResult::Failed {
                        failure: Failure::Errored,
                        error: vec!["the stage lost sight of its effect, which did not happen".to_owned()],
                    },
                };
                self.finish(index, attempt, &result, None, moment, out);
            }
            Inspection::Unknown { reason } => {
                match record.extra.as_ref().and_then(|extra| extra.vouched.as_ref()) {
                    // Nothing can be seen, so a person's word counts.
                    Some(word) => {
                        let outcome = Outcome::succeeded().because(format!("{word} ({reason})"));
                        let result = StageResult::Completed {
                            outcome: Arc::new(outcome),
                        };
                        self.finish(index, attempt, &result, None, moment, out);
                    }
                    None => out.stage(
                        index,
                        StageUnknown {
                            stage: self.planned(index).name.clone(),
                            attempt: number,
                            reason: reason.clone(),
                        },
                    ),
                }
            }
        }
    }
}
