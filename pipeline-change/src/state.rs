#![doc = include_str!("../docs/states.md")]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ChangeEvent;

/// How much ceremony a change needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeType {
    /// Authorised in advance: low risk, frequent, the same steps each time.
    Standard,
    /// Assessed and authorised one by one.
    #[default]
    Normal,
    /// Authorised without an assessment, because waiting would do more harm.
    Emergency,
}

impl ChangeType {
    /// All types.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Normal, Self::Emergency];

    /// Whether somebody has to authorise each change of the type.
    pub fn needs_authorisation(self) -> bool {
        self != Self::Standard
    }
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Standard => "standard",
            Self::Normal => "normal",
            Self::Emergency => "emergency",
        })
    }
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeState {
    /// It is written down.
    New,
    /// It is being assessed.
    Assess,
    /// It waits for those who may authorise it.
    Authorize,
    /// It may be carried out, within its planned window.
    Scheduled,
    /// The work is under way.
    Implement,
    /// The work has ended; whether it was good is not settled.
    Review,
    /// It is settled. Final.
    Closed,
    /// It was given up before its work ended. Final.
    Canceled,
}

impl ChangeState {
    /// All states, in the order in which a change passes them.
    pub const ALL: [Self; 8] = [
        Self::New,
        Self::Assess,
        Self::Authorize,
        Self::Scheduled,
        Self::Implement,
        Self::Review,
        Self::Closed,
        Self::Canceled,
    ];

    /// The state after an event: the whole state machine.
    ///
    /// [`ChangeEvent::Opened`] begins a record and is therefore illegal in every state.
    ///
    /// # Errors
    ///
    /// When a change of the type cannot take the event in this state.
    pub fn next(self, change_type: ChangeType, event: &ChangeEvent) -> Result<Self, IllegalTransition> {
        use ChangeEvent as E;
        use ChangeType::{Emergency, Normal, Standard};

        let next = match (change_type, self, event) {
            (Normal, Self::New, E::Submitted(_)) => Self::Assess,
            (Emergency, Self::New, E::Submitted(_)) => Self::Authorize,
            (Normal, Self::Assess, E::Assessed(_)) => Self::Authorize,
            (Normal | Emergency, Self::Authorize | Self::Scheduled, E::Authorized(_)) => Self::Scheduled,
            (Standard, Self::New, E::Scheduled(_)) => Self::Scheduled,
            (_, Self::Scheduled, E::Implementing(_)) => Self::Implement,
            (_, Self::Implement, E::Implemented(_)) => Self::Review,
            (_, Self::Review, E::Closed(_)) => Self::Closed,
            (of, state, E::Replanned(_)) if state.is_open() && state.is_known_to(of) => Self::New,
            (of, state, E::Canceled(_)) if state.is_open() && state.is_known_to(of) => Self::Canceled,
            _ => {
                return Err(IllegalTransition {
                    change_type,
                    state: self,
                    event: event.name(),
                });
            }
        };
        Ok(next)
    }

    /// Whether changes of a type pass through the state.
    pub fn is_known_to(self, change_type: ChangeType) -> bool {
        match self {
            Self::Assess => change_type == ChangeType::Normal,
            Self::Authorize => change_type.needs_authorisation(),
            _ => true,
        }
    }

    /// Whether the work has not ended: it may be planned again or cancelled.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::New | Self::Assess | Self::Authorize | Self::Scheduled | Self::Implement
        )
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Closed | Self::Canceled)
    }
}

impl fmt::Display for ChangeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "new",
            Self::Assess => "assess",
            Self::Authorize => "authorize",
            Self::Scheduled => "scheduled",
            Self::Implement => "implement",
            Self::Review => "review",
            Self::Closed => "closed",
            Self::Canceled => "canceled",
        })
    }
}

/// How a change was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseCode {
    /// All went as planned.
    Successful,
    /// It is done, but not quite as planned: a second attempt, a person who had to decide.
    SuccessfulWithIssues,
    /// It was not done, or was undone, or its run failed.
    Unsuccessful,
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Successful => "successful",
            Self::SuccessfulWithIssues => "successful with issues",
            Self::Unsuccessful => "unsuccessful",
        })
    }
}

/// An event that a change cannot take where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a change of type {change_type} cannot be `{event}` in state `{state}`")]
pub struct IllegalTransition {
    /// The type of the change.
    pub change_type: ChangeType,
    /// Where it stands.
    pub state: ChangeState,
    /// The name of the event, without the family's prefix.
    pub event: &'static str,
}
