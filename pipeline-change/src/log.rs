use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline_core::{
    AppendError, Batch, Conflict, Expected, Journal, ReadError, RunId, StageName, Timestamp,
};

use crate::{ChangeFollower, ChangeId, ChangeRecord, DueChange, FollowError};

/// Keeps the change records of a journal up to date.
///
/// It is a projection with an effect: it reads the journal after the last event that it has seen, and appends the
/// events that the records lack. It keeps nothing that the journal does not hold, so it may be dropped at any moment, or
/// lose its process, and another one goes on. Two of them, in one process or in two, may do so at once: each appends where
/// it believes a stream to stand, and whoever comes second reads and decides again.
///
/// Nothing happens by itself: a host calls [`sync`](Self::sync) whenever a run went on, and
/// [`ChangeEvidence`](crate::ChangeEvidence) calls it before each evaluation of a gate.
#[derive(Debug)]
pub struct ChangeLog {
    journal: Arc<dyn Journal>,
    follower: Mutex<ChangeFollower>,
}

/// How many events to read at once.
const PAGE: usize = 1024;

impl ChangeLog {
    /// The changes of a journal. Nothing is read before the first [`sync`](Self::sync).
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self {
            journal,
            follower: Mutex::default(),
        }
    }

    /// Reads what is new in the journal and appends what the change records lack. Returns how many events it
    /// appended; `now` becomes their time.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read or appended to, or holds an event that this code cannot follow. What
    /// was appended before stays, and the next call goes on from there.
    pub async fn sync(&self, now: Timestamp) -> Result<usize, ChangeLogError> {
        let mut appended = 0;
        let mut lost: Option<Conflict> = None;
        loop {
            let news = self.catch_up().await?;
            if let Some(conflict) = lost.take()
                && news == 0
            {
                return Err(ChangeLogError::Contradiction(conflict));
            }
            let due = self.follower().due();
            if due.is_empty() {
                return Ok(appended);
            }
            for change in due {
                match self.append(change, now).await {
                    Ok(count) => appended += count,
                    Err(AppendError::Conflict(conflict)) => lost = Some(conflict),
                    Err(error) => return Err(ChangeLogError::Append(error)),
                }
            }
        }
    }

    /// The change of a stage of a run, as the last [`sync`](Self::sync) left it.
    pub fn record(&self, run: &RunId, stage: &StageName) -> Option<ChangeRecord> {
        self.follower().records().get(&ChangeId::of(run, stage)).cloned()
    }

    /// The changes of a run, as the last [`sync`](Self::sync) left them.
    pub fn records_of(&self, run: &RunId) -> Vec<ChangeRecord> {
        let follower = self.follower();
        let records = follower.records().values();
        records.filter(|record| record.run == *run).cloned().collect()
    }

    /// All changes by id, as the last [`sync`](Self::sync) left them.
    pub fn all(&self) -> Vec<ChangeRecord> {
        self.follower().records().values().cloned().collect()
    }

    /// Feeds what is new, and returns how many events that were.
    async fn catch_up(&self) -> Result<usize, ChangeLogError> {
        let mut news = 0;
        loop {
            let after = self.follower().cursor();
            let page = self
                .journal
                .read_all(after, PAGE)
                .await
                .map_err(ChangeLogError::Read)?;
            let whole = page.len() < PAGE;
            // Another call may have fed some of it in the meantime; the follower knows.
            let mut follower = self.follower();
            for event in &page {
                follower.feed(event).map_err(ChangeLogError::Follow)?;
            }
            news += page.len();
            if whole {
                return Ok(news);
            }
        }
    }

    async fn append(&self, change: DueChange, now: Timestamp) -> Result<usize, AppendError> {
        let expected = Expected::At(change.position);
        let count = change.events.len();
        let batch = change.events.into_iter().fold(Batch::new(now), |batch, event| {
            batch.event(change.id.stream(), expected, event)
        });
        let _ = self.journal.append(batch).await?;
        Ok(count)
    }

    fn follower(&self) -> MutexGuard<'_, ChangeFollower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A journal whose changes could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeLogError {
    /// The journal could not be read.
    #[error("cannot read the runs to follow")]
    Read(#[source] ReadError),
    /// An event cannot be followed.
    #[error("cannot follow the runs")]
    Follow(#[source] FollowError),
    /// The events of a change could not be appended.
    #[error("cannot write the change record")]
    Append(#[source] AppendError),
    /// The journal says that somebody else was first, and has nothing new.
    #[error("the journal reports a conflict and holds nothing new")]
    Contradiction(#[source] Conflict),
}
