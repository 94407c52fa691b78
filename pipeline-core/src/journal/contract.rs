use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Batch, Checkpoint, Commit, Expected, FoldSnapshot, StoreFoldError};
use crate::event::{Cursor, Event, PayloadError, Position, StreamId};
use crate::name::FoldName;

/// An append-only log of events in many streams.
///
/// # Contract
///
/// For those who implement it:
///
/// - `append` is all or nothing. When it returns `Ok`, every event of the batch is as durable as the
///   journal can make it; when it returns an error other than [`AppendError::Uncertain`], none is there.
/// - Positions in a stream and cursors in the journal count from 1 without gaps.
/// - Whoever reads sees a commit whole or not at all, and sees commits in one order.
/// - An event that was read once never changes, but that its payload may become a tombstone.
///
/// For those who call it: a [`Conflict`] means that somebody else was first. Read what is new, decide again,
/// and append again, if there is still something to say.
#[async_trait]
pub trait Journal: Debug + Send + Sync + 'static {
    /// Appends a batch.
    ///
    /// # Errors
    ///
    /// [`AppendError::Conflict`] when a stream does not stand where the batch expects it; the others when the
    /// journal could not be written.
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError>;

    /// Appends a batch on the spot, if nothing has to be waited for, and tells the journal's cursor after it. Else it
    /// answers `None`, and the batch is to be [appended](Self::append).
    ///
    /// When it succeeds, the journal has taken the events out of the batch, and nothing else: the lists that are left keep
    /// their room for the next one. In any other case the batch is untouched.
    ///
    /// It spares whoever commits often, and over a journal in memory, the future and the lists. A journal whose appends
    /// wait for a disk or a network, or one that does more than the journal inside it, leaves this as it is: it never
    /// appends on the spot.
    ///
    /// # Errors
    ///
    /// Those of `append`.
    fn append_now(&self, batch: &mut Batch) -> Option<Result<Cursor, AppendError>> {
        let _ = batch;
        None
    }

    /// Reads a stream, from the event after `after` on, at most `limit` events.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError>;

    /// Reads all streams in the order of the commits, from the event after `after` on, at most `limit` events.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError>;

    /// The heads of all streams now.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    async fn checkpoint(&self) -> Result<Checkpoint, ReadError>;

    /// The state of a fold over the whole journal, if one of this version was kept and fits what the journal holds.
    /// A fold that has none begins at the first event.
    ///
    /// A journal without a place for it keeps none: this answers `None`, [`store_fold`](Self::store_fold) does
    /// nothing, and [`keeps_folds`](Self::keeps_folds) says so.
    async fn load_fold(&self, name: &FoldName, version: u32) -> Option<FoldSnapshot> {
        let _ = (name, version);
        None
    }

    /// Keeps the state of a fold in place of the one before.
    ///
    /// A fold whose state holds what payloads say owes this: when it meets an event
    /// [`PayloadErased`](super::PayloadErased), it begins at the first event again. A state that ends before such an
    /// event is refused here and never handed out.
    ///
    /// # Errors
    ///
    /// When the state was not kept. Whoever folds loses time by it and nothing else.
    async fn store_fold(&self, fold: FoldSnapshot) -> Result<(), StoreFoldError> {
        let _ = fold;
        Ok(())
    }

    /// Whether [`store_fold`](Self::store_fold) keeps anything. Nobody writes out a large state for a journal that
    /// drops it.
    fn keeps_folds(&self) -> bool {
        false
    }

    /// Forgets the state of a fold, if it is kept: nobody will ask for it again.
    ///
    /// A journal that cannot do so now may do so later, or never: what it hands out must fit in any case.
    async fn forget_fold(&self, name: &FoldName) {
        let _ = name;
    }
}

#[async_trait]
impl<J: Journal + ?Sized> Journal for Arc<J> {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        (**self).append(batch).await
    }

    fn append_now(&self, batch: &mut Batch) -> Option<Result<Cursor, AppendError>> {
        (**self).append_now(batch)
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        (**self).read(stream, after, limit).await
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        (**self).read_all(after, limit).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        (**self).checkpoint().await
    }

    async fn load_fold(&self, name: &FoldName, version: u32) -> Option<FoldSnapshot> {
        (**self).load_fold(name, version).await
    }

    async fn store_fold(&self, fold: FoldSnapshot) -> Result<(), StoreFoldError> {
        (**self).store_fold(fold).await
    }

    fn keeps_folds(&self) -> bool {
        (**self).keeps_folds()
    }

    async fn forget_fold(&self, name: &FoldName) {
        (**self).forget_fold(name).await;
    }
}

/// What is convenient on every journal.
#[async_trait]
pub trait JournalExt: Journal {
    /// Reads a whole stream after a position, page by page.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    async fn read_stream(&self, stream: &StreamId, after: Position) -> Result<Vec<Event>, ReadError> {
        let mut events = Vec::new();
        let mut after = after;
        loop {
            let page = self.read(stream, after, PAGE).await?;
            let whole = page.len() < PAGE;
            after += page.len() as u64;
            events.extend(page);
            if whole {
                return Ok(events);
            }
        }
    }

    /// Reads the whole journal after a cursor, page by page.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    async fn read_everything(&self, after: Cursor) -> Result<Vec<Event>, ReadError> {
        let mut events = Vec::new();
        let mut after = after;
        loop {
            let page = self.read_all(after, PAGE).await?;
            let whole = page.len() < PAGE;
            after += page.len() as u64;
            events.extend(page);
            if whole {
                return Ok(events);
            }
        }
    }
}

impl<J: Journal + ?Sized> JournalExt for J {}

const PAGE: usize = 4096;

/// A stream does not stand where a batch expected it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream `{stream}` holds {actual} events, expected {expected}")]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// What the batch expected.
    pub expected: Expected,
    /// What the stream holds.
    pub actual: Position,
}

/// A batch that was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Somebody else was first.
    #[error("another writer was first")]
    Conflict(#[source] Conflict),
    /// A stream occurs twice in the batch, or a payload cannot be written.
    #[error("the batch cannot be written: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
        /// The payload that could not be encoded.
        #[source]
        source: Option<PayloadError>,
    },
    /// Nothing was appended: the disk is full, say.
    #[error("cannot append to journal {}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not known whether the batch is durable. The journal takes no more until it is opened again and
    /// tells what it holds.
    #[error("it is unknown whether the last append to journal {} is durable: open it again", path.display())]
    Uncertain {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there already cannot be read, so nothing is added to it.
    #[error("the journal cannot be read before the append")]
    Read(#[source] ReadError),
    /// Another kind of journal could not append.
    #[error("the journal did not append")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Conflict> for AppendError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// A journal that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refused.
    #[error("cannot read journal {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there is not what was written.
    #[error("{}:{line}: the journal is damaged: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Another kind of journal could not be read.
    #[error("the journal cannot be read")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}
