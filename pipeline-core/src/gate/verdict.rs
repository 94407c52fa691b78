use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The stage may start.
    Allow,
    /// Not now; it may change.
    Wait,
    /// Never in this run.
    Deny,
}

/// A gate's answer: the decision, why, when it can change at the earliest, and who can change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// Why, for a person.
    pub reason: String,
    /// The earliest time at which it can change by itself; `None` when time alone changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Timestamp>,
    /// Who can change it; empty when nobody can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
}

impl Verdict {
    fn new(decision: Decision, reason: impl Into<String>) -> Self {
        Self {
            decision,
            reason: reason.into(),
            earliest: None,
            who: Vec::new(),
        }
    }

    /// The stage may start.
    pub fn allow(reason: impl Into<String>) -> Self {
        Self::new(Decision::Allow, reason)
    }

    /// Not now.
    pub fn wait(reason: impl Into<String>) -> Self {
        Self::new(Decision::Wait, reason)
    }

    /// Never in this run.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::new(Decision::Deny, reason)
    }

    /// The same verdict, which can change by itself at this time at the earliest.
    #[must_use]
    pub fn earliest(mut self, at: Timestamp) -> Self {
        self.earliest = Some(at);
        self
    }

    /// The same verdict, which these can change.
    #[must_use]
    pub fn who(mut self, who: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.who.extend(who.into_iter().map(Into::into));
        self
    }

    /// Whether the stage may start.
    pub fn allows(&self) -> bool {
        self.decision == Decision::Allow
    }
}
