use std::cmp::Ordering;

use jiff::Timestamp;

use super::{FactSource, Sha};

/// An incident: users noticed. Its id names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident<'a> {
    /// Names it among all incidents.
    pub id: &'a str,
    /// The component that it concerns.
    pub component: &'a str,
    /// The environment, if that is known.
    pub environment: Option<&'a str>,
    /// When it began.
    pub opened: Timestamp,
    /// The id of the deployment that caused it, if somebody said.
    pub deployment: Option<&'a str>,
    /// The revisions that caused it, as far as somebody said.
    pub changes: Vec<Sha<'a>>,
    /// Where it was read.
    pub source: FactSource<'a>,
}

/// An incident is over for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery<'a> {
    /// The id of the incident.
    pub incident: &'a str,
    /// When it was over.
    pub at: Timestamp,
    /// Where it was read.
    pub source: FactSource<'a>,
}

/// What was live was not good, and an engine brought the state before it back. Its id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollback<'a> {
    /// Names it among all rollbacks.
    pub id: &'a str,
    /// The component.
    pub component: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// Whether users are there; see [`Deployment::production`](crate::Deployment::production).
    pub production: Option<bool>,
    /// When the state before was live again.
    pub at: Timestamp,
    /// The digest of the release that was not good.
    pub release: &'a str,
    /// Where it was read.
    pub source: FactSource<'a>,
}

impl PartialOrd for Incident<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the opening, then by everything else: which of two facts with one id wins does not depend on their order.
impl Ord for Incident<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        fn rank<'r>(incident: &'r Incident<'_>) -> impl Ord + use<'r> {
            let Incident {
                id,
                component,
                environment,
                opened,
                deployment,
                changes,
                source,
            } = incident;
            (opened, component, environment, deployment, changes, source, id)
        }
        rank(self).cmp(&rank(other))
    }
}
