use std::fmt;
use std::sync::Arc;

use pipeline_core::{EventRef, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

/// Where a fact was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactSource {
    /// An event of a journal.
    Event(EventRef),
    /// A line of a delivery log.
    Line {
        /// The name of the log, as the caller gave it.
        file: Arc<str>,
        /// The number of the line, from 1.
        line: u64,
    },
}

impl fmt::Display for FactSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Line { file, line } => write!(f, "{file}:{line}"),
        }
    }
}

/// Names a deployment, an incident or a rollback among all [`Facts`](crate::Facts).
///
/// Two facts of one kind with equal ids are the same fact, whatever their source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactId {
    /// The event of a journal that the fact is.
    Event(EventRef),
    /// What another system calls it. In a journal, the stream of an incident.
    Text(Arc<str>),
}

impl From<&str> for FactId {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for FactId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A source change: a revision of a component. Its component and sha name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The component.
    pub component: Arc<str>,
    /// The revision, such as a git commit's id.
    pub sha: Arc<str>,
    /// When it was committed: where lead time starts.
    pub at: Timestamp,
    /// Where it was read.
    pub source: FactSource,
}

/// Whether a deployment went live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentResult {
    /// It went live.
    Success,
    /// It failed on the way: users never had it.
    Failure,
}

/// Why a deployment was made. All but [`Planned`](Self::Planned) are unplanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeploymentKind {
    /// Planned work.
    Planned,
    /// Rework because of an incident, as the run of a journal says.
    Rework,
    /// A hotfix, as a delivery log calls it.
    Hotfix,
    /// A deployment of an older state, which a delivery log writes as a deployment of its own.
    Rollback,
}

/// A deployment that ended, well or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Names it.
    pub id: FactId,
    /// The component.
    pub component: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// Whether users are there.
    pub production: bool,
    /// When it ended. Weeks and windows go by it.
    pub finished: Timestamp,
    /// When it began, if that is known.
    pub started: Option<Timestamp>,
    /// Whether it went live.
    pub result: DeploymentResult,
    /// Why it was made.
    pub kind: DeploymentKind,
    /// The shas of the changes that came with it.
    pub revisions: Vec<Arc<str>>,
    /// What was deployed, by digest, if that is known. A [`Rollback`] finds its deployment by it.
    pub release: Option<Arc<str>>,
    /// Where it was read.
    pub source: FactSource,
}

impl Deployment {
    /// Whether it gave users something: it went live in production.
    pub fn is_live(&self) -> bool {
        self.production && self.result == DeploymentResult::Success
    }
}

/// An incident: users noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Names it.
    pub id: FactId,
    /// The component that it concerns.
    pub component: Arc<str>,
    /// The environment, if that is known.
    pub environment: Option<Arc<str>>,
    /// When it began.
    pub opened: Timestamp,
    /// The deployment that caused it, if somebody said.
    pub deployment: Option<FactId>,
    /// Where it was read.
    pub source: FactSource,
}

/// An incident is over for users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The incident.
    pub incident: FactId,
    /// When it was over.
    pub at: Timestamp,
    /// Where it was read.
    pub source: FactSource,
}

/// What was live was not good, and the state before it is live again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Names it.
    pub id: FactId,
    /// The component.
    pub component: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// Whether users are there.
    pub production: bool,
    /// When the state before was live again.
    pub at: Timestamp,
    /// The digest of the release that was not good.
    pub release: Arc<str>,
    /// Where it was read.
    pub source: FactSource,
}

/// One fact about delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A source change.
    Change(Change),
    /// A deployment.
    Deployment(Deployment),
    /// The beginning of an incident.
    Incident(Incident),
    /// The end of an incident.
    Recovery(Recovery),
    /// A rollback.
    Rollback(Rollback),
}

/// One of the [`Facts`](crate::Facts) that a number was computed from. Its JSON form names the fact:
/// `{"kind": …, "id": …, "at": …, "source": …}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactRef<'f> {
    /// A source change.
    Change(&'f Change),
    /// A deployment.
    Deployment(&'f Deployment),
    /// The beginning of an incident.
    Incident(&'f Incident),
    /// The end of an incident.
    Recovery(&'f Recovery),
    /// A rollback.
    Rollback(&'f Rollback),
}

impl<'f> FactRef<'f> {
    /// What kind of fact it is, for people and programs: `change`, `deployment`, `incident`, `recovery` or
    /// `rollback`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Change(_) => "change",
            Self::Deployment(_) => "deployment",
            Self::Incident(_) => "incident",
            Self::Recovery(_) => "recovery",
            Self::Rollback(_) => "rollback",
        }
    }

    /// Where it was read.
    pub fn source(&self) -> &'f FactSource {
        match self {
            Self::Change(change) => &change.source,
            Self::Deployment(deployment) => &deployment.source,
            Self::Incident(incident) => &incident.source,
            Self::Recovery(recovery) => &recovery.source,
            Self::Rollback(rollback) => &rollback.source,
        }
    }

    /// When it happened: committed, finished, opened, over, rolled back.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Change(change) => change.at,
            Self::Deployment(deployment) => deployment.finished,
            Self::Incident(incident) => incident.opened,
            Self::Recovery(recovery) => recovery.at,
            Self::Rollback(rollback) => rollback.at,
        }
    }

    /// Orders facts of one component by time, and those of one time by what names them: two changes may
    /// come out of one event, so a source does not tell facts apart.
    pub(crate) fn rank(&self) -> (Timestamp, &'static str, Option<&'f FactId>, &'f str) {
        let (id, sha) = match self {
            Self::Change(change) => (None, &*change.sha),
            Self::Deployment(deployment) => (Some(&deployment.id), ""),
            Self::Incident(incident) => (Some(&incident.id), ""),
            Self::Recovery(recovery) => (Some(&recovery.incident), ""),
            Self::Rollback(rollback) => (Some(&rollback.id), ""),
        };
        (self.at(), self.kind(), id, sha)
    }

    /// What names it within its kind; the sha of a change, the incident of a recovery.
    pub fn id(&self) -> &'f dyn fmt::Display {
        match self {
            Self::Change(change) => &change.sha,
            Self::Deployment(deployment) => &deployment.id,
            Self::Incident(incident) => &incident.id,
            Self::Recovery(recovery) => &recovery.incident,
            Self::Rollback(rollback) => &rollback.id,
        }
    }
}

impl fmt::Display for FactRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind(), self.id(), self.source())
    }
}

impl Serialize for FactRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            kind: &'static str,
            id: String,
            at: Timestamp,
            source: &'a FactSource,
        }
        let named = Named {
            kind: self.kind(),
            id: self.id().to_string(),
            at: self.at(),
            source: self.source(),
        };
        named.serialize(serializer)
    }
}
