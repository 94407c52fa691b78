use serde::{Deserialize, Serialize};

use super::Choice;

/// What is a deployment, for all five numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeploymentOptions {
    /// The names of environments with users, whatever their case, for deployments that do not say it themselves.
    pub production: Vec<String>,
    /// Deployments that failed on the way.
    pub failed_runs: FailedRuns,
    /// Deployments that list no revision whose change is known.
    pub without_changes: Choice,
    /// Deployments of the release (or version) that the component's environment had already.
    pub repeated_versions: Choice,
    /// Deployments of the kind `rollback`.
    pub rollbacks: Choice,
    /// The first deployment of a component's environment.
    pub first: Choice,
    /// How those of several components are one selection.
    pub several: Several,
}

impl Default for DeploymentOptions {
    fn default() -> Self {
        Self {
            production: vec!["production".to_owned()],
            failed_runs: FailedRuns::LeftOut,
            without_changes: Choice::Counted,
            repeated_versions: Choice::Counted,
            rollbacks: Choice::Counted,
            first: Choice::Counted,
            several: Several::Apart,
        }
    }
}

impl DeploymentOptions {
    /// Whether an environment of this name has users.
    pub fn is_production(&self, environment: &str) -> bool {
        self.production
            .iter()
            .any(|name| name.eq_ignore_ascii_case(environment))
    }
}

/// What a deployment that failed on the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedRuns {
    /// No deployment: users never had it.
    LeftOut,
    /// A failure, and one of the whole that the change fail rate is of; still none for frequency and lead time.
    Failures,
}

/// How the deployments of several components are one selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Several {
    /// Each component's by themselves; what they give is added up.
    Apart,
    /// As one row, as if of one component, of those that count. Intervals are between neighbours in the row. While
    /// fixes of several components overlap, they are one failure: it is that of the last fix, and began with the last
    /// deployment before all of them that was no fix.
    OneRow,
}
