//! Action plans and approvals: what exactly would be done, and who agreed to exactly that.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::CanonicalError;
use crate::{Actor, Digest, EnvironmentName, FactName, StageName, Timestamp};

/// One thing that a deployment would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What is done: `deploy`, `switch`, `create`, `delete`.
    pub verb: String,
    /// What it is done to.
    pub subject: String,
    /// What a person should know more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Action {
    /// An action without more to say.
    pub fn new(verb: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            verb: verb.into(),
            subject: subject.into(),
            detail: String::new(),
        }
    }

    /// The same action with a detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.subject)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.detail)
        }
    }
}

/// What one stage would do to one environment, computed once its inputs exist.
///
/// It holds nothing that differs between two equal intentions: no time, no run id. So an approval of its
/// digest outlives a re-plan that comes to the same result, and no other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionPlan {
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that would be live.
    pub release: Digest,
    /// The release in words, such as `edge-proxy 1.4.0`.
    pub title: String,
    /// The configuration that it would run with.
    pub configuration: Digest,
    /// What would be done, in order. Empty when nothing would change.
    pub actions: Vec<Action>,
    /// What would undo it, in order.
    pub rollback: Vec<Action>,
    /// How success would be told, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_measures: Vec<String>,
    /// The facts of the environment that the plan depends on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<FactName, Value>,
}

impl ActionPlan {
    /// The digest that an approval names.
    ///
    /// # Errors
    ///
    /// Never in practice: an action plan has a canonical form.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Digest::of_data(self)
    }

    /// Whether nothing would change.
    pub fn is_unchanged(&self) -> bool {
        self.actions.is_empty()
    }
}

/// Somebody's consent to one action plan. It names the plan's digest, expires, and is used once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The stage that may go on.
    pub stage: StageName,
    /// The digest of the action plan that was approved.
    pub action_plan: Digest,
    /// Who approved.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// What the approver said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether a stage started on the strength of it.
    #[serde(default)]
    pub used: bool,
}

impl Approval {
    /// Whether the approval counts for this action plan at this time.
    pub fn counts(&self, action_plan: &Digest, now: Timestamp) -> bool {
        !self.used && self.action_plan == *action_plan && now < self.expires
    }
}
