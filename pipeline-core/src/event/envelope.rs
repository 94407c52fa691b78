use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Actor, Cursor, DecodeError, EventPayload, Payload, Position, StreamId};
use crate::Timestamp;
use crate::run::Brief;

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
///
/// It is small (48 bytes, and its payload if that says much): a journal in memory keeps it as it is.
#[derive(Debug, Clone)]
pub struct NewEvent {
    payload: Payload,
    /// What most events of the engine have no need of.
    rest: Option<Box<Rest>>,
}

#[derive(Debug, Clone)]
struct Rest {
    /// Kind and version of a payload that does not know them.
    form: Option<(Cow<'static, str>, u16)>,
    actor: Actor,
    causes: Vec<EventRef>,
}

impl Rest {
    const EMPTY: Self = Self {
        form: None,
        actor: Actor::Engine,
        causes: Vec::new(),
    };
}

impl NewEvent {
    /// An event that an actor caused.
    pub fn new(actor: Actor, payload: impl EventPayload) -> Self {
        match actor {
            Actor::Engine => Self::engine(payload),
            actor => Self::engine(payload).by(actor),
        }
    }

    /// An event of the engine itself.
    pub fn engine(payload: impl EventPayload) -> Self {
        Self {
            payload: Payload::value(payload),
            rest: None,
        }
    }

    /// An event of the engine that says what most say.
    #[inline]
    pub(crate) fn brief(brief: Brief) -> Self {
        Self {
            payload: Payload::brief(brief),
            rest: None,
        }
    }

    /// An event whose payload somebody shares.
    pub(crate) fn shared(actor: Actor, payload: Arc<impl EventPayload>) -> Self {
        let event = Self {
            payload: Payload::shared(payload),
            rest: None,
        };
        match actor {
            Actor::Engine => event,
            actor => event.by(actor),
        }
    }

    /// An event whose payload is text, of the engine: what tools write that copy a journal.
    pub fn raw(kind: impl Into<Cow<'static, str>>, version: u16, payload: Payload) -> Self {
        Self {
            payload,
            rest: Some(Box::new(Rest {
                form: Some((kind.into(), version)),
                ..Rest::EMPTY
            })),
        }
    }

    /// The same event, caused by somebody else.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        if actor != Actor::Engine || self.rest.is_some() {
            self.rest().actor = actor;
        }
        self
    }

    /// The same event with a cause more.
    #[must_use]
    pub fn caused_by(mut self, cause: EventRef) -> Self {
        self.rest().causes.push(cause);
        self
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_with(|| Box::new(Rest::EMPTY))
    }

    /// What happened: `prefix.name`, defined by one crate.
    pub fn kind(&self) -> &str {
        match &self.rest {
            Some(rest) => match &rest.form {
                Some((kind, _)) => kind,
                None => self.says().0,
            },
            None => self.says().0,
        }
    }

    /// The version of the payload's form.
    pub fn version(&self) -> u16 {
        let form = self.rest.as_ref().and_then(|rest| rest.form.as_ref());
        form.map_or_else(|| self.says().1, |(_, version)| *version)
    }

    /// A payload without a form of its own is a value that knows it.
    fn says(&self) -> (&'static str, u16) {
        self.payload.says().unwrap_or(("", 0))
    }

    /// Who caused it.
    pub fn actor(&self) -> &Actor {
        self.rest.as_ref().map_or(&Actor::Engine, |rest| &rest.actor)
    }

    /// The events that led to it, if they lie in other streams or far back.
    pub fn causes(&self) -> &[EventRef] {
        self.rest.as_ref().map_or(&[], |rest| &rest.causes)
    }

    /// What the kind says more.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The event as a journal gives it, once it has its place there.
    pub fn placed(&self, stream: &StreamId, position: Position, cursor: Cursor, at: Timestamp) -> Event {
        let form = self.rest.as_ref().and_then(|rest| rest.form.clone());
        let (kind, version) = form.unwrap_or_else(|| {
            let (kind, version) = self.says();
            (Cow::Borrowed(kind), version)
        });
        Event {
            stream: stream.clone(),
            position,
            cursor,
            at,
            kind,
            version,
            actor: self.actor().clone(),
            causes: self.causes().to_vec(),
            payload: self.payload.clone(),
        }
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
