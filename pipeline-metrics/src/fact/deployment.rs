use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FactSource, Sha};
use crate::DeploymentOptions;

/// A deployment that ended, well or not. Its id names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment<'a> {
    /// Names it among all deployments.
    pub id: &'a str,
    /// The component.
    pub component: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// Whether users are there; `None` where the source does not say, and the environment's
    /// [name](crate::DeploymentOptions::production) decides.
    pub production: Option<bool>,
    /// When it began, if that is known.
    pub started: Option<Timestamp>,
    /// When it ended. Buckets and windows go by it.
    pub finished: Timestamp,
    /// Whether it went live.
    pub result: DeploymentResult,
    /// Why it was made.
    pub kind: DeploymentKind,
    /// What was deployed, as people call it.
    pub version: Option<&'a str>,
    /// What was deployed, by digest. A [`Rollback`](crate::Rollback) finds its deployment by it.
    pub release: Option<&'a str>,
    /// Who is responsible for it.
    pub team: Option<&'a str>,
    /// The revisions that came with it.
    pub changes: Vec<Sha<'a>>,
    /// Where it was read.
    pub source: FactSource<'a>,
}

impl Deployment<'_> {
    /// Whether users are there, by what the source says, else by the environment's name.
    pub fn is_production(&self, options: &DeploymentOptions) -> bool {
        self.production
            .unwrap_or_else(|| options.is_production(self.environment))
    }
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

impl PartialOrd for Deployment<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the end, then by everything else: which of two facts with one id wins does not depend on their order.
impl Ord for Deployment<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        fn rank<'r>(deployment: &'r Deployment<'_>) -> impl Ord + use<'r> {
            let Deployment {
                id,
                component,
                environment,
                production,
                started,
                finished,
                result,
                kind,
                version,
                release,
                team,
                changes,
                source,
            } = deployment;
            let what = (component, environment, production, result, kind);
            (
                finished,
                what,
                started,
                changes,
                (version, release, team),
                source,
                id,
            )
        }
        rank(self).cmp(&rank(other))
    }
}
