use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AppendError, ReadError};
use crate::event::{EventRef, StreamId, StreamKind};

/// A payload was erased: the event stays, what it said is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadErased {
    /// The event whose payload was erased.
    pub event: EventRef,
    /// Why; write nothing here that would have to be erased in turn.
    pub reason: String,
}

crate::event_family! {
    /// What a journal records about itself, in streams of the kind [`StreamKind::JOURNAL`].
    #[derive(PartialEq, Eq)]
    pub enum JournalEvent in "journal" {
        /// A payload was erased.
        PayloadErased(PayloadErased) = "payload-erased" v1,
    }
}

impl JournalEvent {
    /// The stream that records erased payloads: `journal/erasures`.
    #[expect(clippy::expect_used, reason = "the name obeys the rule for names")]
    pub fn erasures() -> StreamId {
        StreamId::new(&StreamKind::JOURNAL, "erasures").expect("a good name")
    }
}

/// A payload that was not erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The journal holds no such event.
    #[error("the journal holds no event `{event}`")]
    Missing {
        /// The event.
        event: EventRef,
    },
    /// The event records an erasure; without it the journal could not be read.
    #[error("event `{event}` records an erasure, so it stays")]
    Record {
        /// The event.
        event: EventRef,
    },
    /// The erasure could not be recorded; nothing was erased.
    #[error("cannot record that the payload of `{event}` is erased")]
    Append {
        /// The event.
        event: EventRef,
        /// What the journal said.
        source: AppendError,
    },
    /// The journal could not be read.
    #[error("the journal cannot be read before the payload of `{event}` is erased")]
    Read {
        /// The event.
        event: EventRef,
        /// What the journal said.
        source: ReadError,
    },
    /// The erasure is recorded, but the file could not be written anew. Erase again, or open the journal
    /// again, which finishes it.
    #[error("the erasure of `{event}` is recorded, but {} was not written", path.display())]
    Rewrite {
        /// The event.
        event: EventRef,
        /// The file that could not be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
