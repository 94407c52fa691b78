use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::Choice;

/// What is a failure, and of which deployment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailureOptions {
    /// The deployment that an incident is the fault of.
    pub attribution: Attribution,
    /// What is set against the deployments.
    pub share: FailShare,
    /// What the share is of.
    pub of: FailedOf,
    /// Rollbacks of an engine, as failures of the deployment that was rolled back.
    pub rollbacks: Choice,
    /// How the rates of several components become one number.
    pub blend: RateBlend,
}

impl Default for FailureOptions {
    fn default() -> Self {
        Self {
            attribution: Attribution::default(),
            share: FailShare::Deployments,
            of: FailedOf::Deployments,
            rollbacks: Choice::Counted,
            blend: RateBlend::Together,
        }
    }
}

/// Finds the deployment that an incident is the fault of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attribution {
    /// What the incident says itself.
    pub named: Named,
    /// Where else the last deployment before the opening is looked for.
    pub reach: Reach,
    /// Whether a deployment that finished at the very opening is before it.
    pub bound: Bound,
    /// How long before the opening it may have finished; `None` is however long.
    pub within: Option<SignedDuration>,
}

impl Default for Attribution {
    fn default() -> Self {
        Self {
            named: Named::First,
            reach: Reach::Component,
            bound: Bound::Inclusive,
            within: None,
        }
    }
}

/// What an incident's own word is worth: the deployment that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// It decides. Only an incident that names none is attributed by time.
    First,
    /// Nothing: all are attributed by time.
    Ignored,
}

/// Where the last deployment before an incident is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Among those of the incident's component, and of its environment if it names one.
    Component,
    /// Among those of all components.
    Project,
    /// Nowhere: only a named deployment counts.
    Nowhere,
}

/// Whether an equal moment is before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// It is.
    Inclusive,
    /// It is not.
    Strict,
}

/// What the change fail rate sets against the deployments of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailShare {
    /// Deployments of the window with at least one failure. Never above 1.
    Deployments,
    /// Incidents that were opened in the window, attributed or not. May exceed 1.
    Opened,
    /// Failed runs, and nothing else; needs [`FailedRuns::Failures`](super::FailedRuns::Failures).
    Runs,
    /// Revisions that deployments of the window list and that an incident names as its cause. May exceed 1.
    Changes,
    /// Unplanned deployments of the window: a fix is taken for the sign of a failure.
    Fixes,
}

/// What the change fail rate is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedOf {
    /// Deployments.
    Deployments,
    /// Deployments that list a revision whose change is known.
    WithChanges,
    /// Deployments, or 1 where there is none: a failure without a deployment is then 100 %.
    AtLeastOne,
}

/// How the rates of several components become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateBlend {
    /// All failures, over all deployments.
    Together,
    /// The mean of each component's rate, of those that have one.
    ComponentMeans,
}
