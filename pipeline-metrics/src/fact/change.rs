use jiff::Timestamp;
use serde::Serialize;

use super::{FactSource, Sha};

/// A source change: a revision of a component. Its component and sha name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The component.
    pub component: &'a str,
    /// The revision.
    pub sha: Sha<'a>,
    /// When it was committed.
    pub at: Timestamp,
    /// Further moments of its way, as far as they are known.
    pub phases: Phases,
    /// Where it was read.
    pub source: FactSource<'a>,
}

/// Moments on a change's way to the branch that is deployed, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Phases {
    /// The first commit of the work that became the change.
    pub first_commit: Option<Timestamp>,
    /// It was offered for review.
    pub opened: Option<Timestamp>,
    /// The first review.
    pub reviewed: Option<Timestamp>,
    /// It came to the branch that is deployed.
    pub merged: Option<Timestamp>,
}

impl Phases {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
