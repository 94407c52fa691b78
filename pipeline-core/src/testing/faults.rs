use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::event::{Cursor, Event, Position, StreamId};
use crate::journal::{AppendError, Batch, Checkpoint, Commit, Conflict, Expected, Journal, ReadError};

/// What goes wrong with an append.
#[non_exhaustive]
pub enum Fault {
    /// Nothing is written, and the caller is told so: the disk is full. The journal goes on.
    Refused,
    /// It is written, and the caller is told that nobody knows. The journal takes no more.
    Written,
    /// Nothing is written, and the caller is told that nobody knows. The journal takes no more.
    Lost,
    /// The caller is told that another writer was first, and there was none.
    Conflict,
    /// This happens first, however long it takes; then the append is what it would have been. A sleep makes the
    /// append slow, an append of another writer makes it a real conflict, a future that never ends is a process
    /// that dies before it writes.
    Behind(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Fault {
    /// This happens first; see [`Fault::Behind`].
    pub fn behind(first: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Behind(Box::pin(first))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "Refused",
            Self::Written => "Written",
            Self::Lost => "Lost",
            Self::Conflict => "Conflict",
            Self::Behind(_) => "Behind(..)",
        })
    }
}

/// A journal that fails when a test says so, and else is the journal that it is around.
///
/// It keeps the contract of [`Journal`] but for [`Fault::Conflict`], which the contract's callers must be able to take.
/// After an append of which nobody knows the end it takes no more, as a journal on disk does: put a new one around the
/// inner journal to open it again.
///
/// ```
/// use std::sync::Arc;
///
/// use pipeline_core::testing::{Fault, FaultyJournal, journal};
/// use pipeline_core::{AppendError, Batch, Expected, Journal, MemoryJournal, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let inner = Arc::new(MemoryJournal::new());
/// let faulty = FaultyJournal::new(Arc::clone(&inner)).at(2, Fault::Written);
/// let stream = journal::stream("run/a");
/// let say = |text| Batch::new(Timestamp::UNIX_EPOCH).event(&stream, Expected::Any, journal::event(text));
///
/// assert!(faulty.append(say("one")).await.is_ok());
/// assert!(matches!(faulty.append(say("two")).await, Err(AppendError::Uncertain { .. })));
/// assert!(matches!(faulty.append(say("three")).await, Err(AppendError::Uncertain { .. })));
/// assert_eq!(inner.read(&stream, 0, 9).await?.len(), 2, "the second one is there");
/// # Ok::<(), pipeline_core::ReadError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FaultyJournal<J> {
    inner: J,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    appends: u64,
    faults: BTreeMap<u64, Fault>,
    /// Whether an append ended and nobody knows how.
    uncertain: bool,
}

impl<J: Journal> FaultyJournal<J> {
    /// A journal without faults.
    pub fn new(inner: J) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// The append with this number fails so; the first one is 1.
    #[must_use]
    pub fn at(self, number: u64, fault: Fault) -> Self {
        self.state().faults.insert(number, fault);
        self
    }

    /// How many appends were asked for so far, those that failed included.
    pub fn appends(&self) -> u64 {
        self.state().appends
    }

    /// Whether the append that was to fail was asked for.
    pub fn is_spent(&self) -> bool {
        self.state().faults.is_empty()
    }

    /// The journal inside.
    pub fn inner(&self) -> &J {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after each of its changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of the append that begins now.
    fn next(&self) -> Result<Option<Fault>, AppendError> {
        let mut state = self.state();
        if state.uncertain {
            return Err(uncertain());
        }
        state.appends += 1;
        let number = state.appends;
        Ok(state.faults.remove(&number))
    }

    /// Takes no more from now on.
    fn uncertain(&self) -> AppendError {
        self.state().uncertain = true;
        uncertain()
    }

    /// The conflict that a caller of this batch might be told of.
    async fn conflict(&self, batch: &Batch) -> Result<Option<Conflict>, AppendError> {
        let checked = batch
            .appends
            .iter()
            .find(|append| append.expected != Expected::Any);
        let Some(append) = checked else { return Ok(None) };
        let heads = self.inner.checkpoint().await.map_err(AppendError::Read)?.heads;
        Ok(Some(Conflict {
            stream: append.stream.clone(),
            expected: append.expected,
            actual: heads.get(&append.stream).map_or(0, |head| head.position),
        }))
    }
}

fn uncertain() -> AppendError {
    AppendError::Uncertain {
        path: PathBuf::from("faulty"),
        source: io::Error::other("a test says so"),
    }
}

#[async_trait]
impl<J: Journal> Journal for FaultyJournal<J> {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        match self.next()? {
            None => self.inner.append(batch).await,
            Some(Fault::Refused) => Err(AppendError::Io {
                path: PathBuf::from("faulty"),
                source: io::ErrorKind::StorageFull.into(),
            }),
            Some(Fault::Lost) => Err(self.uncertain()),
            Some(Fault::Written) => {
                let _ = self.inner.append(batch).await?;
                Err(self.uncertain())
            }
            // A batch that expects nothing conflicts with nobody.
            Some(Fault::Conflict) => match self.conflict(&batch).await? {
                Some(conflict) => Err(conflict.into()),
                None => self.inner.append(batch).await,
            },
            Some(Fault::Behind(first)) => {
                first.await;
                self.inner.append(batch).await
            }
        }
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.inner.read(stream, after, limit).await
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.inner.read_all(after, limit).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.inner.checkpoint().await
    }
}
