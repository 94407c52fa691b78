use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Actor, Cursor, DecodeError, EventPayload, Payload, Position, StreamId};
use crate::Timestamp;

/// Names one event for ever: its stream and its position there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventRef {
    /// The stream.
    pub stream: StreamId,
    /// The position in the stream; the first event has 1.
    pub position: Position,
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.stream, self.position)
    }
}

/// An event that is to be appended. The journal adds stream, position and time.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// What happened: `prefix.name`, defined by one crate.
    pub kind: Cow<'static, str>,
    /// The version of the payload's form.
    pub version: u16,
    /// Who caused it.
    pub actor: Actor,
    /// The events that led to it, if they lie in other streams or far back.
    pub causes: Vec<EventRef>,
    /// What the kind says more.
    pub payload: Payload,
}

impl NewEvent {
    /// An event that an actor caused.
    pub fn new(actor: Actor, payload: impl EventPayload) -> Self {
        Self {
            kind: Cow::Borrowed(payload.kind()),
            version: payload.version(),
            actor,
            causes: Vec::new(),
            payload: Payload::value(payload),
        }
    }

    /// An event of the engine itself.
    pub fn engine(payload: impl EventPayload) -> Self {
        Self::new(Actor::Engine, payload)
    }

    /// The same event with a cause more.
    #[must_use]
    pub fn caused_by(mut self, cause: EventRef) -> Self {
        self.causes.push(cause);
        self
    }
}

/// An event as a journal holds it.
#[derive(Debug, Clone)]
pub struct Event {
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Its number in the stream, from 1.
    pub position: Position,
    /// Its number in the journal, from 1.
    pub cursor: Cursor,
    /// When it was appended, by the clock of whoever appended it.
    pub at: Timestamp,
    /// What happened: `prefix.name`.
    pub kind: Cow<'static, str>,
    /// The version of the payload's form.
    pub version: u16,
    /// Who caused it.
    pub actor: Actor,
    /// The events that led to it.
    pub causes: Vec<EventRef>,
    /// What the kind says more.
    pub payload: Payload,
}

impl Event {
    /// The event's name for ever.
    pub fn reference(&self) -> EventRef {
        EventRef {
            stream: self.stream.clone(),
            position: self.position,
        }
    }

    /// Reads the payload as one family of events: `None` when the kind belongs to another family.
    ///
    /// # Errors
    ///
    /// When the kind is of this family and this code cannot read it, or when it was erased.
    pub fn read<P: EventPayload>(&self) -> Result<Option<Cow<'_, P>>, DecodeError> {
        self.payload.read(&self.kind, self.version)
    }
}
