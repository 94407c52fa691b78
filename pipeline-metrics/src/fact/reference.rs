use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Change, Deployment, FactSource, Incident, Recovery, Rollback, Sha};

/// One fact about delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// A source change.
    Change(Change<'a>),
    /// A deployment.
    Deployment(Deployment<'a>),
    /// The beginning of an incident.
    Incident(Incident<'a>),
    /// The end of an incident.
    Recovery(Recovery<'a>),
    /// A rollback by an engine.
    Rollback(Rollback<'a>),
}

/// Names one of the [`Facts`](crate::Facts) that a number was computed from. Its JSON form:
/// `{"kind": …, "id": …, "at": …, "source": …}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactRef<'f> {
    pub(crate) kind: &'static str,
    pub(crate) id: Sha<'f>,
    pub(crate) at: Timestamp,
    pub(crate) source: FactSource<'f>,
}

impl<'f> FactRef<'f> {
    /// What kind of fact it is, for people and programs: `change`, `deployment`, `incident`, `recovery` or
    /// `rollback`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What names it within its kind: an id; the sha of a change, the incident of a recovery.
    pub fn id(&self) -> impl fmt::Display + 'f {
        self.id
    }

    /// Where it was read.
    pub fn source(&self) -> FactSource<'f> {
        self.source
    }

    /// When it happened: committed, finished, opened, over, rolled back.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl fmt::Display for FactRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind, self.id, self.source)
    }
}

impl Serialize for FactRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            kind: &'static str,
            id: Sha<'a>,
            at: Timestamp,
            source: FactSource<'a>,
        }
        let named = Named {
            kind: self.kind,
            id: self.id,
            at: self.at,
            source: self.source,
        };
        named.serialize(serializer)
    }
}
