use pipeline_core::{
    ActionPlan, Actor, ComponentName, Digest, EventRef, PipelineName, Purpose, Revision, RunId, StageName,
    Tier, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{ChangeId, ChangeType, CloseCode, PlannedWindow};

/// Something that speaks for or against a change: an event, and the blob that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRef {
    /// What says something, such as ``stage `test` ``.
    pub subject: String,
    /// What it says, such as `succeeded`.
    pub finding: String,
    /// The event that says so.
    pub event: EventRef,
    /// The digest of what it is about: the output of a stage, the manifest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A change was written down: everything that somebody who is to authorise it has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeOpened {
    /// Its id.
    pub id: ChangeId,
    /// When the run planned it.
    pub at: Timestamp,
    /// Its type.
    pub change_type: ChangeType,
    /// What is changed, in a line.
    pub title: String,
    /// What is changed, at length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Why it is done, and what happens if it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub justification: String,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// What is changed.
    pub component: ComponentName,
    /// The tier of the environment, when the run plan describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The run.
    pub run: RunId,
    /// The stage that carries it out.
    pub stage: StageName,
    /// Who asked for the run.
    pub requested_by: Actor,
    /// When the run was asked for.
    pub requested_at: Timestamp,
    /// Why the run was asked for.
    #[serde(default)]
    pub purpose: Purpose,
    /// When it is planned to be carried out.
    #[serde(default)]
    pub window: PlannedWindow,
    /// The revisions of the source that come to the environment with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// The event of the run that planned it.
    pub planned: EventRef,
    /// The digest of the action plan.
    pub action_plan: Digest,
    /// How it is done, how it is undone, how success is told, where, with which release and configuration.
    pub plan: ActionPlan,
}

/// Something else would be done than what was planned before: all that was agreed is void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeReplanned {
    /// When the run planned it.
    pub at: Timestamp,
    /// What is changed, in a line.
    pub title: String,
    /// The event of the run that planned it.
    pub planned: EventRef,
    /// The digest of the new action plan.
    pub action_plan: Digest,
    /// The new action plan.
    pub plan: ActionPlan,
}

/// The authorisation was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSubmitted {
    /// When.
    pub at: Timestamp,
    /// The persons who may authorise it.
    pub authorisers: Vec<String>,
    /// How many of them have to.
    pub count: u32,
}

/// What the pipeline found out about the change before it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAssessed {
    /// When.
    pub at: Timestamp,
    /// What the stages before it found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceRef>,
}

/// One person's part in an authorisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorisation {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// What the person said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The approval in the run's stream.
    pub approval: EventRef,
}

/// Enough of those who may have authorised the change, or did so again after the first time expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAuthorized {
    /// When the last of them did.
    pub at: Timestamp,
    /// The digest of the action plan that they authorised.
    pub action_plan: Digest,
    /// Who did.
    pub by: Vec<Authorisation>,
}

/// A standard change may be carried out: it was authorised in advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeScheduled {
    /// When.
    pub at: Timestamp,
    /// The digest of the action plan.
    pub action_plan: Digest,
}

/// The work began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeImplementing {
    /// When.
    pub at: Timestamp,
    /// Which attempt of the stage it is, from 1.
    pub attempt: u32,
}

/// How the work of a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkOutcome {
    /// It is done.
    Succeeded,
    /// There was nothing to do.
    Unchanged,
    /// It failed.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It is not known whether it is done.
    Unknown,
}

impl WorkOutcome {
    /// Whether what was planned is there.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::Unchanged)
    }
}

impl std::fmt::Display for WorkOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::Unchanged => "found nothing to do",
            Self::Failed => "failed",
            Self::Cancelled => "was stopped",
            Self::Unknown => "ended in an unknown way",
        })
    }
}

/// The work ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeImplemented {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: WorkOutcome,
    /// Why so, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The change is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeClosed {
    /// When.
    pub at: Timestamp,
    /// How.
    pub code: CloseCode,
    /// Why so.
    pub notes: String,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceRef>,
}

/// The change was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCanceled {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

pipeline_core::event_family! {
    /// What happens to a change; the stream is `change/ID`.
    ///
    /// The time in a payload is when it happened in the run. The time of the event is when it was written
    /// into the record, which may be later.
    #[derive(PartialEq)]
    pub enum ChangeEvent in "change" {
        /// It was written down. Always the first event.
        Opened(ChangeOpened) = "opened" v1,
        /// Something else would be done.
        Replanned(ChangeReplanned) = "replanned" v1,
        /// The authorisation was asked for.
        Submitted(ChangeSubmitted) = "submitted" v1,
        /// The pipeline assessed it.
        Assessed(ChangeAssessed) = "assessed" v1,
        /// It was authorised.
        Authorized(ChangeAuthorized) = "authorized" v1,
        /// It was authorised in advance.
        Scheduled(ChangeScheduled) = "scheduled" v1,
        /// The work began.
        Implementing(ChangeImplementing) = "implementing" v1,
        /// The work ended.
        Implemented(ChangeImplemented) = "implemented" v1,
        /// It is settled.
        Closed(ChangeClosed) = "closed" v1,
        /// It was given up.
        Canceled(ChangeCanceled) = "canceled" v1,
    }
}

impl ChangeEvent {
    /// The name of the event, without the family's prefix.
    pub fn name(&self) -> &'static str {
        let kind = pipeline_core::EventPayload::kind(self);
        kind.split_once('.').map_or(kind, |(_, name)| name)
    }

    /// When it happened in the run.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Opened(ChangeOpened { at, .. })
            | Self::Replanned(ChangeReplanned { at, .. })
            | Self::Submitted(ChangeSubmitted { at, .. })
            | Self::Assessed(ChangeAssessed { at, .. })
            | Self::Authorized(ChangeAuthorized { at, .. })
            | Self::Scheduled(ChangeScheduled { at, .. })
            | Self::Implementing(ChangeImplementing { at, .. })
            | Self::Implemented(ChangeImplemented { at, .. })
            | Self::Closed(ChangeClosed { at, .. })
            | Self::Canceled(ChangeCanceled { at, .. }) => *at,
        }
    }
}
