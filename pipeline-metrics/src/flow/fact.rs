use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Origin;

/// One pass of a piece of work through a stage: a build, a test, a deployment, a review by a person.
///
/// What is known of it may come in pieces, in any order: the pieces have one `id`, and times that no piece
/// tells stay `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StageTime {
    /// Names this pass.
    pub id: Arc<str>,
    /// The component, if it is known.
    pub component: Option<Arc<str>>,
    /// The piece of work that goes from stage to stage: a run, a change, a ticket.
    pub item: Option<Arc<str>>,
    /// The stage.
    pub stage: Option<Arc<str>>,
    /// When the stage could have begun: all that it needs was there. Lead time of the stage starts here; without
    /// it, when it started.
    pub ready: Option<Timestamp>,
    /// When work on it started.
    pub started: Option<Timestamp>,
    /// When it was handed off.
    pub finished: Option<Timestamp>,
    /// How much of the time was work. `None`: all of it from `started` to `finished`.
    pub process: Option<SignedDuration>,
    /// Who works there: a person, a team, a machine. Hand-offs are told by it.
    pub by: Option<Arc<str>>,
    /// Whether the next stage could use what came out without rework: complete and accurate, as the receiver
    /// says.
    pub accurate: Option<bool>,
    /// Where it was read first.
    pub origin: Origin,
}

impl StageTime {
    /// A pass that nothing is known of yet.
    pub fn new(id: impl Into<Arc<str>>, origin: Origin) -> Self {
        Self {
            id: id.into(),
            component: None,
            item: None,
            stage: None,
            ready: None,
            started: None,
            finished: None,
            process: None,
            by: None,
            accurate: None,
            origin,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.component = first(self.component.take(), other.component);
        self.item = first(self.item.take(), other.item);
        self.stage = first(self.stage.take(), other.stage);
        self.ready = first(self.ready, other.ready);
        self.started = first(self.started, other.started);
        self.finished = self.finished.max(other.finished);
        self.process = self.process.max(other.process);
        self.by = first(self.by.take(), other.by);
        self.accurate = first(self.accurate, other.accurate);
        earlier(&mut self.origin, other.origin);
    }
}

/// What work waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WaitCause {
    /// Its turn among other work of its kind.
    Queue,
    /// Somebody's consent.
    Approval,
    /// A time at which it may happen: a change window, the end of a freeze.
    Window,
    /// The exclusive use of an environment.
    Environment,
    /// Somebody's decision what happened.
    Decision,
    /// The next attempt after a failed one.
    Retry,
    /// Anything else, as the source calls it: the type of a gate, the state of a ticket.
    Other(Arc<str>),
}

impl WaitCause {
    /// The cause with this name: the inverse of its text form.
    pub fn named(name: &str) -> Self {
        match name {
            "queue" => Self::Queue,
            "approval" => Self::Approval,
            "window" => Self::Window,
            "environment" => Self::Environment,
            "decision" => Self::Decision,
            "retry" => Self::Retry,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for WaitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "queue",
            Self::Approval => "approval",
            Self::Window => "window",
            Self::Environment => "environment",
            Self::Decision => "decision",
            Self::Retry => "retry",
            Self::Other(name) => name,
        })
    }
}

/// A time in which work stood still.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wait {
    /// Names it.
    pub id: Arc<str>,
    /// The component, if it is known.
    pub component: Option<Arc<str>>,
    /// The piece of work.
    pub item: Option<Arc<str>>,
    /// The stage that could not begin; of a queue, the pipeline.
    pub stage: Option<Arc<str>>,
    /// What it waited for.
    pub cause: WaitCause,
    /// Who could have ended it: an approval authority, a run that holds the environment.
    pub on: Option<Arc<str>>,
    /// When it began.
    pub since: Option<Timestamp>,
    /// When it ended; `None` while it lasts.
    pub until: Option<Timestamp>,
    /// Where it was read first.
    pub origin: Origin,
}

impl Wait {
    /// A wait that nothing but its cause is known of yet.
    pub fn new(id: impl Into<Arc<str>>, cause: WaitCause, origin: Origin) -> Self {
        Self {
            id: id.into(),
            component: None,
            item: None,
            stage: None,
            cause,
            on: None,
            since: None,
            until: None,
            origin,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.component = first(self.component.take(), other.component);
        self.item = first(self.item.take(), other.item);
        self.stage = first(self.stage.take(), other.stage);
        if other.cause < self.cause {
            self.cause = other.cause;
        }
        self.on = first(self.on.take(), other.on);
        self.since = first(self.since, other.since);
        self.until = self.until.max(other.until);
        earlier(&mut self.origin, other.origin);
    }
}

/// The exclusive use of an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hold {
    /// Names it.
    pub id: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// Who had it: a pipeline, a team, a person.
    pub by: Option<Arc<str>>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
    /// Where it was read first.
    pub origin: Origin,
}

impl Hold {
    /// A hold that nothing but its environment is known of yet.
    pub fn new(id: impl Into<Arc<str>>, environment: impl Into<Arc<str>>, origin: Origin) -> Self {
        Self {
            id: id.into(),
            environment: environment.into(),
            by: None,
            from: None,
            until: None,
            origin,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        earlier(&mut self.environment, other.environment);
        self.by = first(self.by.take(), other.by);
        self.from = first(self.from, other.from);
        self.until = self.until.max(other.until);
        earlier(&mut self.origin, other.origin);
    }
}

/// Work that a person did by hand to get something delivered or to keep it running.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ManualWork {
    /// Names it.
    pub id: Arc<str>,
    /// When it was done.
    pub at: Timestamp,
    /// The component, if it is known.
    pub component: Option<Arc<str>>,
    /// What was done, in a few words; equal tasks are taken together.
    pub task: Arc<str>,
    /// Who did it.
    pub by: Option<Arc<str>>,
    /// How long it took; `None` when nobody wrote it down.
    pub spent: Option<SignedDuration>,
    /// Whether a machine could do it; `None` when nobody said.
    pub automatable: Option<bool>,
    /// Where it was read.
    pub origin: Origin,
}

/// What happened to an environment as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentChange {
    /// It came into being.
    Created,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// Something happened to an environment as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EnvironmentFact {
    /// The environment.
    pub environment: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: EnvironmentChange,
    /// Where it was read.
    pub origin: Origin,
}

/// A component was taken out of an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Removal {
    /// The component.
    pub component: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Where it was read.
    pub origin: Origin,
}

/// By what means a deployment changed the infrastructure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChangeKind {
    /// The id of the deployment.
    pub deployment: Arc<str>,
    /// Such as `terraform`, `image`, `configuration`.
    pub kind: Arc<str>,
    /// Where it was read.
    pub origin: Origin,
}

/// One fact about how work flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FlowFact {
    /// A pass through a stage.
    StageTime(StageTime),
    /// A time in which work stood still.
    Wait(Wait),
    /// The exclusive use of an environment.
    Hold(Hold),
    /// Work by hand.
    ManualWork(ManualWork),
    /// Something that happened to an environment.
    Environment(EnvironmentFact),
    /// A component was taken out of an environment.
    Removal(Removal),
    /// By what means a deployment changed the infrastructure.
    ChangeKind(ChangeKind),
}

/// The lower of two values of which either may be unknown.
pub(super) fn first<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

pub(super) fn earlier<T: Ord>(one: &mut T, other: T) {
    if other < *one {
        *one = other;
    }
}
