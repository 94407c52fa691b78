use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::chain::{NO_SALT, commit_digest, payload_digest, payload_line, write_envelope};
use super::check::{check, place};
use super::{AppendError, Batch, Checkpoint, Commit, Head, Journal, ReadError};
use crate::Digest;
use crate::event::{Cursor, Event, Position, StreamId};

/// A journal that lives as long as the process: for tests, simulations and programs that need no more.
///
/// Payloads stay the values that they were; nothing is encoded or hashed before somebody asks for a
/// [checkpoint](Journal::checkpoint). Its chain has no salts, so equal events give equal checkpoints.
///
/// ```
/// use pipeline_core::{Batch, Expected, Journal, MemoryJournal, NewEvent, Payload, StreamId};
/// # use pipeline_core::{Actor, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let journal = MemoryJournal::new();
/// let stream: StreamId = "run/first".parse()?;
/// let event = NewEvent {
///     kind: "lamp.switched".into(),
///     version: 1,
///     actor: Actor::Engine,
///     causes: Vec::new(),
///     payload: Payload::json(r#"{"on":true}"#),
/// };
/// let batch = Batch::new(Timestamp::UNIX_EPOCH).event(&stream, Expected::At(0), event);
/// let commit = journal.append(batch).await?;
/// assert_eq!(commit.cursor, 1);
/// assert_eq!(journal.read(&stream, 0, 10).await?[0].kind, "lamp.switched");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct MemoryJournal {
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    events: Vec<Event>,
    /// Where the events of a stream lie in `events`.
    streams: HashMap<StreamId, Vec<u64>>,
    /// The cursor after each commit.
    commits: Vec<Cursor>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // A batch is checked before the first change, so a panic elsewhere leaves the log whole.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn position(&self, stream: &StreamId) -> Position {
        self.streams.get(stream).map_or(0, |events| events.len() as u64)
    }

    fn append(&mut self, batch: Batch) -> Result<Commit, AppendError> {
        check(&batch, |stream| self.position(stream))?;
        let first = self.events.len();
        let count = batch.len();
        if count == 0 {
            return Ok(Commit {
                cursor: first as Cursor,
                events: Vec::new(),
            });
        }
        let Self {
            events,
            streams,
            commits,
        } = self;
        events.reserve(count);
        for append in batch.appends.iter().filter(|append| !append.events.is_empty()) {
            if !streams.contains_key(&append.stream) {
                streams.insert(append.stream.clone(), Vec::new());
            }
        }
        place(
            batch,
            first as Cursor,
            |stream| streams.get(stream).map_or(0, |held| held.len() as u64),
            |event| {
                events.push(event);
            },
        );
        let mut index = first;
        while let Some(event) = events.get(index) {
            let run = events[index..]
                .iter()
                .take_while(|next| next.stream == event.stream)
                .count();
            if let Some(held) = streams.get_mut(&event.stream) {
                held.extend((index..index + run).map(|index| index as u64));
            }
            index += run;
        }
        commits.push(events.len() as Cursor);
        Ok(Commit {
            cursor: events.len() as Cursor,
            events: events[first..].to_vec(),
        })
    }

    fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        let mut heads: BTreeMap<StreamId, Head> = BTreeMap::new();
        let mut commit = Digest::ZERO;
        let mut envelope = Vec::new();
        let mut start = 0;
        for (number, end) in (1u64..).zip(&self.commits) {
            let mut hashes = Vec::new();
            for event in &self.events[start as usize..*end as usize] {
                let payload =
                    payload_line(&event.payload).map_err(|error| ReadError::Other(Box::new(error)))?;
                let payload = payload_digest(NO_SALT.as_bytes(), payload.as_bytes());
                let previous = heads.get(&event.stream).map_or(Digest::ZERO, |head| head.hash);
                envelope.clear();
                write_envelope(&mut envelope, event, &payload, &previous);
                let hash = Digest::of(&envelope);
                heads.insert(
                    event.stream.clone(),
                    Head {
                        position: event.position,
                        hash,
                    },
                );
                hashes.push(hash);
            }
            commit = commit_digest(&commit, number, *end, &hashes);
            start = *end;
        }
        Ok(Checkpoint {
            format: 1,
            cursor: start,
            commits: self.commits.len() as u64,
            commit,
            heads,
        })
    }
}

/// The part of a list after a position, at most `limit` long.
fn page<T>(list: &[T], after: u64, limit: usize) -> &[T] {
    let rest = usize::try_from(after)
        .ok()
        .and_then(|after| list.get(after..))
        .unwrap_or_default();
    &rest[..rest.len().min(limit)]
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        self.log().append(batch)
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        let log = self.log();
        let held = log.streams.get(stream).map_or(&[][..], Vec::as_slice);
        Ok(page(held, after, limit)
            .iter()
            .map(|index| log.events[*index as usize].clone())
            .collect())
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        Ok(page(&self.log().events, after, limit).to_vec())
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.log().checkpoint()
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log();
        f.debug_struct("MemoryJournal")
            .field("events", &log.events.len())
            .field("streams", &log.streams.len())
            .finish_non_exhaustive()
    }
}
