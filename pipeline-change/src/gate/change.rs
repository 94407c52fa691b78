use pipeline_core::{
    Actor, Approval, Digest, EvidenceNeed, EvidenceSet, Gate, GateRequest, SignedDuration, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

use super::{ChangeSettings, ChangeSettingsError};
use crate::{ChangeEvidence, ChangeFinding, ChangeId, ChangeState, PlannedWindow, WindowPlace};

/// Lets a stage start when its change record says so.
///
/// It decides on the record of exactly this action plan, as [`ChangeEvidence`] gathers it, on the approvals of the run,
/// and on the planned window:
///
/// | record | within the window | before it | after it |
/// |---|---|---|---|
/// | none, stale or unreadable | wait | wait | deny |
/// | new, assess, authorize | wait for the authorisers | wait for the authorisers | deny |
/// | scheduled | allow; wait when the approvals expired | wait until the start | deny |
/// | implement (a further attempt) | allow | wait until the start | deny |
/// | review, closed, canceled | deny | deny | deny |
/// | of another type or stage | deny | deny | deny |
///
/// Once all have authorised, a record that has not heard of it yet is looked at again.
/// A window without a start has always begun, one without an end never ends. The order is that of Octopus Deploy's change
/// control (its documentation, `approvals/servicenow`), but that it deploys in `implement` only: here the start of the
/// stage is what takes the record from `scheduled` to `implement`.
///
/// # Approvals
///
/// A person authorises the change by approving the stage of the run, not in another place. An approval counts when it
/// names the digest of the action plan, has not expired, was not used, and comes from one of the authorisers;
/// several of one person count as one. A gate of another type on the same stage may count the same approval: each
/// gate decides for itself, and the start of the stage uses it up once for all of them.
///
/// # Example
///
/// ```
/// use pipeline_change::ChangeGate;
///
/// let settings = r#"{"change-type": "normal", "authorisers": ["alice", "bob"], "count": 2}"#;
/// let gate: ChangeGate = serde_json::from_str(settings)?;
/// assert_eq!(gate.settings().count, 2);
///
/// let nobody = serde_json::from_str::<ChangeGate>("{}").unwrap_err();
/// assert!(nobody.to_string().starts_with("`authorisers` is empty"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ChangeSettings", into = "ChangeSettings")]
pub struct ChangeGate {
    settings: ChangeSettings,
}

/// How soon to look again when nothing but the next look can help.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

impl ChangeGate {
    /// A gate with these settings.
    ///
    /// # Errors
    ///
    /// When the settings make no sense, such as a count that cannot be reached.
    pub fn new(settings: ChangeSettings) -> Result<Self, ChangeSettingsError> {
        settings.checked().map(|settings| Self { settings })
    }

    /// Its settings, with the authorisers as plain names.
    pub fn settings(&self) -> &ChangeSettings {
        &self.settings
    }

    /// When the change is planned to be carried out.
    pub fn window(&self) -> PlannedWindow {
        PlannedWindow {
            start: self.settings.window_start,
            end: self.settings.window_end,
        }
    }

    /// The approvals that authorise an action plan at some time, the oldest first: one of each authoriser,
    /// not more than the count. Indices into `approvals`.
    pub fn counting(&self, approvals: &[Approval], action_plan: &Digest, now: Timestamp) -> Vec<usize> {
        let mut counting: Vec<usize> = Vec::new();
        if !self.settings.change_type.needs_authorisation() {
            return counting;
        }
        for (index, approval) in approvals.iter().enumerate() {
            let Actor::Person(name) = &approval.by else {
                continue;
            };
            let entitled = self.settings.authorisers.iter().any(|one| **one == **name);
            let again = counting.iter().any(|&index| approvals[index].by == approval.by);
            if entitled && !again && approval.counts(action_plan, now) {
                counting.push(index);
            }
            if counting.len() == self.settings.count as usize {
                break;
            }
        }
        counting
    }

    /// Whether enough have authorised an action plan.
    pub(crate) fn is_authorised(&self, counting: &[usize]) -> bool {
        !self.settings.change_type.needs_authorisation() || counting.len() >= self.settings.count as usize
    }

    fn need(request: &GateRequest) -> EvidenceNeed {
        EvidenceNeed {
            kind: ChangeEvidence::kind_name(),
            subject: request.subject,
        }
    }

    /// Waits for those who have not approved yet. The end of the window ends the wait, too.
    fn ask(&self, request: &GateRequest, now: Timestamp, why: &str) -> Verdict {
        let counting = self.counting(&request.approvals, &request.subject, now);
        let missing = (self.settings.count as usize).saturating_sub(counting.len());
        let rest = self.settings.authorisers.iter().filter(|name| {
            !counting
                .iter()
                .any(|&index| request.approvals[index].by.name() == **name)
        });
        let verdict = Verdict::wait(format!(
            "{why}: {missing} of {} approvals of stage `{}` are missing",
            self.settings.count, request.stage
        ))
        .who(rest.cloned());
        match self.settings.window_end {
            Some(end) => verdict.earliest(end),
            None => verdict,
        }
    }

    fn within_window(&self, now: Timestamp, finding: &ChangeFinding) -> Verdict {
        let window = self.window();
        match window.place(now) {
            WindowPlace::Before(start) => Verdict::wait(format!(
                "change {} is in state `{}`, and planned {window}",
                finding.id, finding.state
            ))
            .earliest(start),
            WindowPlace::After(end) => passed(end),
            WindowPlace::Inside => Verdict::allow(format!(
                "change {} ({}) is in state `{}`",
                finding.id, finding.change_type, finding.state
            )),
        }
    }
}

fn passed(end: Timestamp) -> Verdict {
    Verdict::deny(format!(
        "the planned window ended at {end}: plan the change again"
    ))
}

/// A wait for the record: nobody can help, and only looking again tells.
fn look_again(now: Timestamp, why: String) -> Verdict {
    let verdict = Verdict::wait(why);
    match now.checked_add(AGAIN) {
        Ok(at) => verdict.earliest(at),
        Err(_) => verdict,
    }
}

impl Gate for ChangeGate {
    const TYPE: &'static str = "change";

    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        vec![Self::need(request)]
    }

    fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict {
        if let WindowPlace::After(end) = self.window().place(now) {
            return passed(end);
        }
        if request.action_plan.is_none() {
            return Verdict::wait(format!(
                "stage `{}` has planned no actions, so there is no change to decide on",
                request.stage
            ))
            .who(["whoever maintains the pipeline"]);
        }
        let found = match evidence.find(&Self::need(request), now) {
            Ok(found) => found,
            Err(none) => return look_again(now, none.to_string()),
        };
        let finding: ChangeFinding = match serde_json::from_value(found.content.clone()) {
            Ok(finding) => finding,
            Err(error) => {
                return look_again(now, format!("the evidence of the change cannot be read: {error}"));
            }
        };
        let mine = finding.id == ChangeId::of(&request.run, &request.stage)
            && finding.action_plan == request.subject
            && finding.change_type == self.settings.change_type;
        if !mine {
            return Verdict::deny(format!(
                "change {} ({}) is not the {} change that this gate asks for",
                finding.id, finding.change_type, self.settings.change_type
            ));
        }
        match finding.state {
            ChangeState::New | ChangeState::Assess | ChangeState::Authorize => {
                let counting = self.counting(&request.approvals, &request.subject, now);
                if self.is_authorised(&counting) {
                    // The record follows the run, and has not heard of the last approval.
                    return look_again(now, format!("change {} is not scheduled yet", finding.id));
                }
                let why = format!("change {} is not authorised", finding.id);
                self.ask(request, now, &why)
            }
            ChangeState::Scheduled => {
                let counting = self.counting(&request.approvals, &request.subject, now);
                if self.is_authorised(&counting) {
                    self.within_window(now, &finding)
                } else {
                    let why = format!("the approvals of change {} no longer count", finding.id);
                    self.ask(request, now, &why)
                }
            }
            ChangeState::Implement => self.within_window(now, &finding),
            state @ (ChangeState::Review | ChangeState::Closed | ChangeState::Canceled) => {
                Verdict::deny(format!("change {} is in state `{state}`", finding.id))
            }
        }
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        self.counting(&request.approvals, &request.subject, now)
    }
}

impl TryFrom<ChangeSettings> for ChangeGate {
    type Error = ChangeSettingsError;

    fn try_from(settings: ChangeSettings) -> Result<Self, ChangeSettingsError> {
        Self::new(settings)
    }
}

impl From<ChangeGate> for ChangeSettings {
    fn from(gate: ChangeGate) -> Self {
        gate.settings
    }
}
