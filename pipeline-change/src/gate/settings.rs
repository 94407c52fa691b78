use pipeline_core::{Actor, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ChangeType;

/// What a definition says of a [`ChangeGate`](crate::ChangeGate).
///
/// ```toml
/// [[stage.gate]]
/// type = "change"
/// change-type = "normal"              # or "standard", "emergency"
/// authorisers = ["alice", "bob"]      # persons; none for a standard change
/// count = 1                           # how many of them
/// window-start = "2026-11-20T20:00:00Z"
/// window-end = "2026-11-20T23:00:00Z"
/// justification = "the certificate expires on Monday"
/// description = "replaces the proxy's certificate chain"
/// ```
///
/// All keys are optional but `authorisers`, which every change but a standard one needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ChangeSettings {
    /// How much ceremony the change needs. `type` names the gate, hence the longer key.
    #[serde(default)]
    pub change_type: ChangeType,
    /// The persons who may authorise it, by name: `alice` or `person:alice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorisers: Vec<String>,
    /// How many different ones of them have to.
    #[serde(default = "one")]
    pub count: u32,
    /// From when on it may be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_start: Option<Timestamp>,
    /// From when on it may no longer be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<Timestamp>,
    /// Why it is done, and what happens if it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub justification: String,
    /// What is changed, at length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

fn one() -> u32 {
    1
}

impl Default for ChangeSettings {
    fn default() -> Self {
        Self {
            change_type: ChangeType::default(),
            authorisers: Vec::new(),
            count: one(),
            window_start: None,
            window_end: None,
            justification: String::new(),
            description: String::new(),
        }
    }
}

impl ChangeSettings {
    /// The same settings with plain names, if they make sense.
    pub(super) fn checked(mut self) -> Result<Self, ChangeSettingsError> {
        for name in &mut self.authorisers {
            let plain = name.strip_prefix("person:").unwrap_or(name);
            if plain.contains(':') || plain == "engine" || Actor::person(plain).is_err() {
                return Err(ChangeSettingsError::NotAPerson { name: name.clone() });
            }
            *name = plain.to_owned();
        }
        let mut distinct = Vec::new();
        for name in &self.authorisers {
            if distinct.contains(name) {
                return Err(ChangeSettingsError::Twice { name: name.clone() });
            }
            distinct.push(name.clone());
        }
        if !self.change_type.needs_authorisation() {
            if !distinct.is_empty() {
                return Err(ChangeSettingsError::InAdvance);
            }
        } else if distinct.is_empty() {
            return Err(ChangeSettingsError::Nobody {
                change_type: self.change_type,
            });
        } else if self.count == 0 || self.count as usize > distinct.len() {
            return Err(ChangeSettingsError::Count {
                count: self.count,
                authorisers: distinct.len(),
            });
        }
        match (self.window_start, self.window_end) {
            (Some(start), Some(end)) if end <= start => Err(ChangeSettingsError::EmptyWindow { start, end }),
            _ => Ok(self),
        }
    }
}

/// Settings of a change gate that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeSettingsError {
    /// Nobody could ever authorise the change.
    #[error("`authorisers` is empty: somebody has to authorise a change of type {change_type}")]
    Nobody {
        /// The type of the change.
        change_type: ChangeType,
    },
    /// Nobody is asked about a standard change.
    #[error("`authorisers` has no meaning for a standard change, which is authorised in advance")]
    InAdvance,
    /// Only persons authorise.
    #[error("`{name}` in `authorisers` is no person")]
    NotAPerson {
        /// Who is named.
        name: String,
    },
    /// A person counts once.
    #[error("`{name}` is named twice in `authorisers`")]
    Twice {
        /// Who is named.
        name: String,
    },
    /// The count is nought, or can never be reached.
    #[error("`count` is {count}, and there are {authorisers} authorisers: expected 1 to {authorisers}")]
    Count {
        /// The count.
        count: u32,
        /// How many authorisers there are.
        authorisers: usize,
    },
    /// The planned window has no time in it.
    #[error("`window-end` {end} is not after `window-start` {start}")]
    EmptyWindow {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
}
