use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::chain::{NO_SALT, commit_digest, payload_digest, payload_line, write_envelope};
use super::check::{check, check_events, check_position};
use super::{Append, AppendError, Batch, Checkpoint, Commit, Head, Journal, ReadError};
use crate::event::{Cursor, Event, NewEvent, Position, StreamId};
use crate::{Digest, Timestamp};

/// A journal that lives as long as the process: for tests, simulations and programs that need no more.
///
/// Payloads stay the values that they were; nothing is encoded or hashed before somebody asks for a
/// [checkpoint](Journal::checkpoint). Its chain has no salts, so equal events give equal checkpoints.
///
/// ```
/// use pipeline_core::{Batch, Expected, Journal, MemoryJournal, NewEvent, Payload, StreamId};
/// # use pipeline_core::Timestamp;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let journal = MemoryJournal::new();
/// let stream: StreamId = "run/first".parse()?;
/// let event = NewEvent::raw("lamp.switched", 1, Payload::json(r#"{"on":true}"#));
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

/// Flat, so that an event costs what it says and little more.
#[derive(Default)]
struct Log {
    /// How many events there are.
    cursor: Cursor,
    events: Blocks,
    pieces: Vec<Piece>,
    commits: Vec<(Cursor, Timestamp)>,
    streams: Vec<Stream>,
    numbers: HashMap<StreamId, u32>,
}

/// All events, one after another, in blocks: none is moved when more come.
#[derive(Default)]
struct Blocks(Vec<Vec<NewEvent>>);

/// How many events are in a block.
const BLOCK: usize = 1024;

impl Blocks {
    /// Takes all events out of a list.
    #[inline]
    fn take(&mut self, events: &mut Vec<NewEvent>) {
        if let Some(last) = self.0.last_mut()
            && events.len() <= BLOCK - last.len()
        {
            return last.append(events);
        }
        self.take_many(events);
    }

    fn take_many(&mut self, events: &mut Vec<NewEvent>) {
        let mut events = events.drain(..);
        while events.len() > 0 {
            let mut block = match self.0.pop() {
                // Who holds a few events has no whole block.
                None => Vec::new(),
                Some(full) if full.len() == BLOCK => {
                    self.0.push(full);
                    Vec::with_capacity(BLOCK)
                }
                Some(block) => block,
            };
            block.extend(events.by_ref().take(BLOCK - block.len()));
            self.0.push(block);
        }
    }

    /// The event after so many others.
    fn after(&self, others: Cursor) -> &NewEvent {
        let others = others as usize;
        &self.0[others / BLOCK][others % BLOCK]
    }
}

/// Events of one stream that were appended together, up to where the next piece begins.
struct Piece {
    /// How many events there were before, in the log and in the stream.
    start: Cursor,
    before: Position,
    stream: u32,
    commit: u32,
}

struct Stream {
    id: StreamId,
    position: Position,
    pieces: Vec<u32>,
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
    /// The number of a stream. Most batches go where the last one went.
    #[inline]
    fn number(&self, stream: &StreamId) -> Option<u32> {
        let last = self.pieces.last().map(|piece| piece.stream);
        match last.filter(|&last| self.streams[last as usize].id == *stream) {
            Some(last) => Some(last),
            None => self.numbers.get(stream).copied(),
        }
    }

    fn position(&self, stream: &StreamId) -> Position {
        let number = self.number(stream);
        number.map_or(0, |number| self.streams[number as usize].position)
    }

    /// Takes the events out of a batch, if it is good, and tells the cursor after them.
    fn append(&mut self, batch: &mut Batch) -> Result<Cursor, AppendError> {
        // What most batches are: events of one stream.
        if let [append] = &mut *batch.appends {
            check_events(append)?;
            let known = self.number(&append.stream);
            let position = known.map_or(0, |number| self.streams[number as usize].position);
            check_position(append, position)?;
            self.add(append, known);
        } else {
            check(batch, |stream| self.position(stream))?;
            for append in &mut batch.appends {
                let known = self.number(&append.stream);
                self.add(append, known);
            }
        }
        // A commit that added nothing is none.
        let before = self.commits.last().map_or(0, |(end, _)| *end);
        if self.cursor > before {
            self.commits.push((self.cursor, batch.at));
        }
        Ok(self.cursor)
    }

    /// Adds checked events to a stream.
    #[inline]
    fn add(&mut self, append: &mut Append, known: Option<u32>) {
        let count = append.events.len() as u64;
        if count == 0 {
            return;
        }
        let number = known.unwrap_or_else(|| {
            let number = self.streams.len() as u32;
            self.streams.push(Stream {
                id: append.stream.clone(),
                position: 0,
                pieces: Vec::new(),
            });
            self.numbers.insert(append.stream.clone(), number);
            number
        });
        let stream = &mut self.streams[number as usize];
        stream.pieces.push(self.pieces.len() as u32);
        self.pieces.push(Piece {
            start: self.cursor,
            before: stream.position,
            stream: number,
            commit: self.commits.len() as u32,
        });
        self.cursor += count;
        stream.position += count;
        self.events.take(&mut append.events);
    }

    /// The events of a piece after the first `skip`, with their places.
    fn placed(&self, number: usize, skip: u64) -> impl Iterator<Item = Event> + '_ {
        let piece = &self.pieces[number];
        let (_, at) = self.commits[piece.commit as usize];
        let stream = &self.streams[piece.stream as usize].id;
        let end = self.pieces.get(number + 1).map_or(self.cursor, |next| next.start);
        (skip..end - piece.start).map(move |place| {
            let event = self.events.after(piece.start + place);
            event.placed(stream, piece.before + place + 1, piece.start + place + 1, at)
        })
    }

    fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Vec<Event> {
        let Some(&number) = self.numbers.get(stream) else {
            return Vec::new();
        };
        let pieces = &self.streams[number as usize].pieces;
        let first = pieces.partition_point(|&piece| self.pieces[piece as usize].before <= after);
        let first = first.saturating_sub(1);
        let places = pieces[first..].iter().flat_map(|&piece| {
            let skip = after.saturating_sub(self.pieces[piece as usize].before);
            self.placed(piece as usize, skip)
        });
        places.take(limit).collect()
    }

    fn read_all(&self, after: Cursor, limit: usize) -> Vec<Event> {
        let first = self.pieces.partition_point(|piece| piece.start <= after);
        let first = first.saturating_sub(1);
        let places = (first..self.pieces.len()).flat_map(|piece| {
            let skip = after.saturating_sub(self.pieces[piece].start);
            self.placed(piece, skip)
        });
        places.take(limit).collect()
    }

    fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        let mut heads: BTreeMap<StreamId, Head> = BTreeMap::new();
        let mut commit = Digest::ZERO;
        let mut envelope = Vec::new();
        let mut events = (0..self.pieces.len()).flat_map(|piece| self.placed(piece, 0));
        let mut start = 0;
        for (number, (end, _)) in (1u64..).zip(&self.commits) {
            let mut hashes = Vec::new();
            for event in events.by_ref().take((end - start) as usize) {
                let payload =
                    payload_line(&event.payload).map_err(|error| ReadError::Other(Box::new(error)))?;
                let payload = payload_digest(NO_SALT.as_bytes(), payload.as_bytes());
                let previous = heads.get(&event.stream).map_or(Digest::ZERO, |head| head.hash);
                envelope.clear();
                write_envelope(&mut envelope, &event, &payload, &previous);
                let hash = Digest::of(&envelope);
                let position = event.position;
                heads.insert(event.stream, Head { position, hash });
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

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, mut batch: Batch) -> Result<Commit, AppendError> {
        let mut log = self.log();
        let cursor = log.append(&mut batch)?;
        let heads = batch.appends.iter().map(|append| log.position(&append.stream));
        let heads = heads.collect();
        Ok(Commit { cursor, heads })
    }

    fn append_now(&self, batch: &mut Batch) -> Option<Result<Cursor, AppendError>> {
        Some(self.log().append(batch))
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        Ok(self.log().read(stream, after, limit))
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        Ok(self.log().read_all(after, limit))
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.log().checkpoint()
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log();
        f.debug_struct("MemoryJournal")
            .field("events", &log.cursor)
            .field("streams", &log.streams.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Payload;
    use crate::journal::Expected;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Blocks fill up anywhere within a batch, and are read from anywhere.
        #[test]
        fn it_holds_what_was_appended(
            batches in prop::collection::vec(prop::collection::vec((0_usize..3, 0_usize..900), 0..4), 1..12),
            look in prop::collection::vec((0_u64..4000, 0_usize..3000), 8),
        ) {
            let streams = ["a/a", "a/b", "a/c"].map(|stream| stream.parse::<StreamId>().unwrap());
            let mut log = Log::default();
            let mut model: Vec<(StreamId, Position, Timestamp, String)> = Vec::new();
            for (second, batch) in (0..).zip(batches) {
                let at = Timestamp::from_second(second).unwrap();
                let mut new = Batch::new(at);
                for (stream, count) in batch {
                    for _ in 0..count {
                        let stream = &streams[stream];
                        let text = new.len().to_string();
                        let event = NewEvent::raw("test.said", 1, Payload::json(text));
                        new.push(stream, Expected::Any, event);
                    }
                }
                for append in &new.appends {
                    for event in &append.events {
                        let mut known = model.iter().rev();
                        let last = known.find(|(stream, ..)| *stream == append.stream);
                        let position = last.map_or(0, |(_, position, ..)| *position) + 1;
                        let text = event.payload().to_json().unwrap().into_owned();
                        model.push((append.stream.clone(), position, at, text));
                    }
                }
                prop_assert_eq!(log.append(&mut new).unwrap(), model.len() as u64);
                prop_assert!(new.is_empty());
            }
            let told = |event: Event| {
                let text = event.payload.to_json().unwrap().into_owned();
                (event.stream, event.position, event.at, text)
            };
            for (after, limit) in look {
                let read: Vec<_> = log.read_all(after, limit).into_iter().map(told).collect();
                let expected: Vec<_> = model.iter().skip(after as usize).take(limit).cloned().collect();
                prop_assert_eq!(read, expected);
                for stream in &streams {
                    let read: Vec<_> = log.read(stream, after, limit).into_iter().map(told).collect();
                    let own = model.iter().filter(|(of, position, ..)| of == stream && *position > after);
                    prop_assert_eq!(read, own.take(limit).cloned().collect::<Vec<_>>());
                }
            }
        }
    }
}
