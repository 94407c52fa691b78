use std::fmt;

use serde::{Serialize, Serializer};

/// Why a fact was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It concerns an environment without users.
    NotProduction,
    /// The deployment failed before it went live, so users never had it.
    NeverLive,
    /// A rollback restores what users had; it delivers nothing.
    RollbackDeliversNothing,
    /// The environment had this release already.
    Repeated,
    /// It is the first deployment of the component's environment in the facts: what it brought came before them.
    FirstDeployment,
    /// It lists no revision whose change is known.
    NoKnownChange,
    /// It ended before it began: the clocks disagree.
    Skewed,
    /// The moment where the clock starts is not known of it.
    NoStart,
    /// No production deployment has listed the change yet.
    NotDelivered,
    /// The deployment lists a revision that no change is known for.
    UnknownRevision,
    /// No production deployment of the component finished before it.
    NoDeployment,
    /// The last production deployment before it is too long ago.
    TooLate,
    /// It names a deployment that is not among the facts.
    UnknownDeployment,
    /// It names no deployment.
    NamesNone,
    /// It is over for an incident that is not among the facts.
    UnknownIncident,
    /// It is not over yet.
    Open,
    /// The deployment also has an incident, which tells when users were well again.
    IncidentTells,
}

impl Reason {
    /// Its name in JSON and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotProduction => "not-production",
            Self::NeverLive => "never-live",
            Self::RollbackDeliversNothing => "rollback-delivers-nothing",
            Self::Repeated => "repeated",
            Self::FirstDeployment => "first-deployment",
            Self::NoKnownChange => "no-known-change",
            Self::Skewed => "skewed",
            Self::NoStart => "no-start",
            Self::NotDelivered => "not-delivered",
            Self::UnknownRevision => "unknown-revision",
            Self::NoDeployment => "no-deployment",
            Self::TooLate => "too-late",
            Self::UnknownDeployment => "unknown-deployment",
            Self::NamesNone => "names-none",
            Self::UnknownIncident => "unknown-incident",
            Self::Open => "open",
            Self::IncidentTells => "incident-tells",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotProduction => "not in production",
            Self::NeverLive => "the deployment never went live",
            Self::RollbackDeliversNothing => "a rollback delivers nothing",
            Self::Repeated => "the environment had this release already",
            Self::FirstDeployment => "the first deployment in the facts",
            Self::NoKnownChange => "lists no known change",
            Self::Skewed => "ended before it began",
            Self::NoStart => "the start of the clock is unknown",
            Self::NotDelivered => "not delivered yet",
            Self::UnknownRevision => "no change is known for this revision",
            Self::NoDeployment => "no deployment before it",
            Self::TooLate => "the last deployment before it is too long ago",
            Self::UnknownDeployment => "names an unknown deployment",
            Self::NamesNone => "names no deployment",
            Self::UnknownIncident => "the incident is unknown",
            Self::Open => "not over yet",
            Self::IncidentTells => "an incident tells the recovery",
        })
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
