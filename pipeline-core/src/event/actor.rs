use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Who caused an event, written `engine`, `person:alice` or `service:nightly`.
///
/// The library records what the host says; proving who somebody is, is the host's work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// The engine itself, following its rules.
    Engine,
    /// A person.
    Person(Arc<str>),
    /// A program that acts on its own account.
    Service(Arc<str>),
}

impl Actor {
    /// A person.
    ///
    /// # Errors
    ///
    /// When the name is empty, longer than 128 bytes, or has control characters.
    pub fn person(name: &str) -> Result<Self, ActorParseError> {
        checked(name).map(Self::Person)
    }

    /// A program that acts on its own account.
    ///
    /// # Errors
    ///
    /// When the name is empty, longer than 128 bytes, or has control characters.
    pub fn service(name: &str) -> Result<Self, ActorParseError> {
        checked(name).map(Self::Service)
    }

    /// The name without the kind; `engine` for the engine.
    pub fn name(&self) -> &str {
        match self {
            Self::Engine => "engine",
            Self::Person(name) | Self::Service(name) => name,
        }
    }
}

fn checked(name: &str) -> Result<Arc<str>, ActorParseError> {
    let bad = name.trim() != name || name.is_empty() || name.len() > 128 || name.contains(char::is_control);
    if bad {
        Err(ActorParseError {
            text: name.chars().take(140).collect(),
        })
    } else {
        Ok(name.into())
    }
}

impl FromStr for Actor {
    type Err = ActorParseError;

    fn from_str(text: &str) -> Result<Self, ActorParseError> {
        match text.split_once(':') {
            None if text == "engine" => Ok(Self::Engine),
            Some(("person", name)) => Self::person(name),
            Some(("service", name)) => Self::service(name),
            _ => Err(ActorParseError {
                text: text.chars().take(140).collect(),
            }),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = ActorParseError;

    fn try_from(text: String) -> Result<Self, ActorParseError> {
        text.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        actor.to_string()
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.write_str("engine"),
            Self::Person(name) => write!(f, "person:{name}"),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

/// A text that names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names nobody: expected `engine`, `person:NAME` or `service:NAME`, at most 128 bytes on one line"
)]
pub struct ActorParseError {
    text: String,
}
