use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::evidence::{EvidenceNeed, EvidenceSet};
use crate::{
    ActionPlan, Actor, Approval, ComponentName, Digest, EnvironmentName, PipelineName, RunId, StageName,
    Tier, Timestamp,
};

/// What a gate is asked about: may this stage of this run start?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateRequest {
    /// The run.
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// What it releases.
    pub component: ComponentName,
    /// The stage that wants to start.
    pub stage: StageName,
    /// The environment that it targets.
    pub environment: Option<EnvironmentName>,
    /// The tier of that environment.
    pub tier: Option<Tier>,
    /// Who asked for the run.
    pub requested_by: Actor,
    /// When the run was created.
    pub requested_at: Timestamp,
    /// What the stage would do, if it can tell.
    pub action_plan: Option<ActionPlan>,
    /// The digest of that plan; without a plan, the digest of the stage's inputs.
    pub subject: Digest,
    /// The approvals given for this stage in this run, used and expired ones included.
    pub approvals: Vec<Approval>,
}

/// A decision on whether a stage may start.
///
/// Types are registered by name, settings are the type itself, read by serde:
///
/// ```
/// use pipeline_core::{EvidenceSet, Gate, GateRequest, Timestamp, Verdict};
/// use serde::Deserialize;
///
/// /// Opens at a time.
/// #[derive(Debug, Deserialize)]
/// struct NotBefore {
///     at: Timestamp,
/// }
///
/// impl Gate for NotBefore {
///     const TYPE: &'static str = "not-before";
///
///     fn decide(&self, _: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
///         if now >= self.at {
///             Verdict::allow(format!("it is past {}", self.at))
///         } else {
///             Verdict::wait(format!("it is not yet {}", self.at)).earliest(self.at)
///         }
///     }
/// }
/// ```
///
/// # Contract
///
/// A gate is pure: equal arguments give an equal verdict; it reads no clock, file or network. What it
/// needs from outside it names in `needs`, and an [`EvidenceSource`](crate::EvidenceSource) fetches it. The
/// engine evaluates a gate as often as it likes, at least once before the environment's lock is taken and
/// once while it is held. A gate that lacks evidence waits or denies; it never allows.
pub trait Gate: Debug + Send + Sync + 'static {
    /// The name that definitions call it by.
    const TYPE: &'static str;

    /// The version of its meaning; a run that was planned with another one is not resumed with this.
    const VERSION: u32 = 1;

    /// The evidence that it wants to see.
    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        let _ = request;
        Vec::new()
    }

    /// Decides.
    fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict;

    /// The approvals that [`decide`](Gate::decide) counted when it allowed: they are used up when the stage
    /// starts. Indices into [`GateRequest::approvals`].
    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        let _ = (request, now);
        Vec::new()
    }
}
