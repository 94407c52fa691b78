//! Events: what happened, in a form that ages well.
//!
//! An [`Event`] is a stable envelope (stream, position, time, kind and version, actor, causes) around a
//! payload that belongs to the crate that defines the kind. Readers keep kinds they do not know.

mod actor;
mod envelope;
mod payload;
mod stream;

pub use actor::{Actor, ActorParseError};
pub use envelope::{Event, EventRef, NewEvent};
pub use payload::{DecodeError, EventPayload, Payload, PayloadError, macro_support};
pub use stream::{Cursor, Position, StreamId, StreamIdError, StreamKind};
