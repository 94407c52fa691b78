use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::Cut;
use super::error::OpenError;
use super::store::{OpenReport, Store};
use crate::event::{Actor, Cursor, Event, EventRef, Position, StreamId};
use crate::journal::{
    AppendError, Batch, Checkpoint, Commit, EraseError, FoldSnapshot, Journal, ReadError, StoreFoldError,
};
use crate::name::FoldName;
use crate::{Entropy, Timestamp};

/// A journal in a directory, shared by any number of handles and processes on one computer.
///
/// The [form on disk](super) is part of the contract. An append returns when the system says that the commit
/// is on the disk. All work blocks: inside a tokio runtime (feature `runtime`) it is done on tokio's threads
/// for blocking work, elsewhere at once. If the future of an append is dropped, the append may still happen.
///
/// A reader may see a commit of another process a moment before it is durable.
///
/// ```
/// use std::sync::Arc;
///
/// use pipeline_core::{Batch, Expected, FileJournal, Journal, NewEvent, Payload, StreamId, SystemEntropy};
/// # use pipeline_core::Timestamp;
///
/// # let directory = tempfile::tempdir()?;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (journal, report) = FileJournal::open(directory.path(), Arc::new(SystemEntropy))?;
/// assert!(report.created && report.cut.is_none());
///
/// let stream: StreamId = "run/first".parse()?;
/// let event = NewEvent::raw("lamp.switched", 1, Payload::json(r#"{"on":true}"#));
/// journal.append(Batch::new(Timestamp::UNIX_EPOCH).event(&stream, Expected::At(0), event)).await?;
///
/// let (journal, report) = FileJournal::open(directory.path(), Arc::new(SystemEntropy))?;
/// assert_eq!(report.events, 1);
/// assert_eq!(journal.read(&stream, 0, 10).await?[0].payload.to_json()?, r#"{"on":true}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FileJournal {
    store: Arc<Store>,
}

impl FileJournal {
    /// Opens a journal for writing, or makes a new one. Blocks while another process writes.
    ///
    /// A last commit that was not finished is cut off and kept aside; an erasure that was recorded but not
    /// finished is finished. The report says so. `entropy` gives the salts.
    ///
    /// # Errors
    ///
    /// [`OpenError::Corrupt`] when the journal is damaged: nothing is changed then. Damage in what an index vouches for
    /// is found when it is read, or by [`verify_files`](super::verify_files).
    pub fn open(
        directory: impl AsRef<Path>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let (store, report) = Store::open(directory.as_ref(), entropy)?;
        let store = Arc::new(store);
        store.note(&store.state());
        Store::save_behind(&store);
        Ok((Self { store }, report))
    }

    /// Opens a journal for reading. Nothing on the disk is made or changed; a last commit that is not
    /// finished is passed over.
    ///
    /// # Errors
    ///
    /// When there is no journal, or it is damaged.
    pub fn open_read_only(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        Ok(Self {
            store: Arc::new(Store::open_read_only(directory.as_ref())?),
        })
    }

    /// Writes an index beside the journal, so that opening it need not read what is there now. Blocks.
    ///
    /// A handle for writing does so by itself: now and then in the background, and when the last clone of it is
    /// dropped, which may take some milliseconds, when enough was appended. A handle for reading does nothing. The
    /// [form on disk](super) says what is checked when a journal is opened with an index, and what only when its
    /// events are read, or by [`verify_files`](super::verify_files).
    ///
    /// # Errors
    ///
    /// When the index could not be written. Nothing is lost by it but time.
    pub fn save_index(&self) -> io::Result<()> {
        self.store.save_index()
    }

    /// The file that holds the events.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// All unfinished commits that this handle cut off: when it was opened, or later, when another process
    /// had stopped in the middle of an append.
    pub fn cuts(&self) -> Vec<Cut> {
        self.store.state().cuts.clone()
    }

    /// How often this handle waited for the disk to keep what was appended (`fdatasync`): once for each commit, or
    /// less often when appends arrive together and share a write.
    pub fn syncs(&self) -> u64 {
        self.store.syncs.load(Ordering::Relaxed)
    }

    /// Erases the payload of an event for ever; its envelope stays, and so do all hashes. Blocks, and takes
    /// as long as writing the whole journal anew.
    ///
    /// First an event in the stream [`JournalEvent::erasures`](crate::JournalEvent::erasures) records who erased
    /// it and why. Erasing again what is erased changes nothing. Pieces in `cut/` and copies of the directory
    /// are not touched.
    ///
    /// # Errors
    ///
    /// [`EraseError::Missing`] when there is no such event; [`EraseError::Rewrite`] when the erasure is recorded,
    /// but not done yet.
    pub fn erase(&self, event: &EventRef, by: Actor, reason: &str, at: Timestamp) -> Result<(), EraseError> {
        self.store.erase(event, by, reason, at)
    }

    /// Does work that blocks where it blocks nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> T + Send + 'static,
    ) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        let store = Arc::clone(&self.store);
        crate::blocking::unblock(move || work(&store)).await
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        let append = move |store: &Arc<Store>| {
            let commit = store.append(batch)?;
            Store::save_behind(store);
            Ok(commit)
        };
        self.blocking(append).await.map_err(AppendError::Other)?
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        let stream = stream.clone();
        self.blocking(move |store| store.read(&stream, after, limit))
            .await
            .map_err(ReadError::Other)?
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.blocking(move |store| store.read_all(after, limit))
            .await
            .map_err(ReadError::Other)?
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.blocking(|store| store.checkpoint())
            .await
            .map_err(ReadError::Other)?
    }

    async fn load_fold(&self, name: &FoldName, version: u32) -> Option<FoldSnapshot> {
        let name = name.clone();
        let loaded = self.blocking(move |store| store.load_fold(&name, version)).await;
        loaded.unwrap_or_default()
    }

    async fn store_fold(&self, fold: FoldSnapshot) -> Result<(), StoreFoldError> {
        let name = fold.name.clone();
        let stored = self.blocking(move |store| store.store_fold(&fold)).await;
        stored.map_err(|source| StoreFoldError::Other { name, source })?
    }

    fn keeps_folds(&self) -> bool {
        true
    }

    async fn forget_fold(&self, name: &FoldName) {
        let name = name.clone();
        let _ = self.blocking(move |store| store.forget_fold(&name)).await;
    }
}
