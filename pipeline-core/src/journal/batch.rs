use std::fmt;

use crate::Timestamp;
use crate::event::{Cursor, Event, NewEvent, Position, StreamId};

/// What a writer believes about a stream before it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The stream holds exactly this many events. Anything that was decided from a stream's events is
    /// appended so.
    At(Position),
    /// Whatever the stream holds: for facts that do not depend on it.
    Any,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(position) => write!(f, "{position}"),
            Self::Any => f.write_str("any"),
        }
    }
}

/// Events for one stream.
#[derive(Debug, Clone)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// What the writer believes about it.
    pub expected: Expected,
    /// The events, in order. An empty list only checks the expectation.
    pub events: Vec<NewEvent>,
}

/// Events that are appended together or not at all, over any number of streams.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The time of the events.
    pub at: Timestamp,
    /// The events, stream by stream; a stream occurs once.
    pub appends: Vec<Append>,
}

impl Batch {
    /// A batch without events.
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            appends: Vec::new(),
        }
    }

    /// The same batch with an event more; see [`push`](Self::push).
    #[must_use]
    pub fn event(mut self, stream: &StreamId, expected: Expected, event: NewEvent) -> Self {
        self.push(stream, expected, event);
        self
    }

    /// Adds an event. Events of one stream are kept together; the first expectation given for a stream counts.
    pub fn push(&mut self, stream: &StreamId, expected: Expected, event: NewEvent) {
        match self.appends.iter_mut().find(|append| append.stream == *stream) {
            Some(append) => append.events.push(event),
            None => self.appends.push(Append {
                stream: stream.clone(),
                expected,
                events: vec![event],
            }),
        }
    }

    /// Only checks a stream: the batch is appended when the stream is as expected, and adds nothing to it.
    pub fn expect(&mut self, stream: &StreamId, expected: Expected) {
        if !self.appends.iter().any(|append| append.stream == *stream) {
            self.appends.push(Append {
                stream: stream.clone(),
                expected,
                events: Vec::new(),
            });
        }
    }

    /// Adds the events of a batch that follows this one: for each stream, this batch's expectation counts.
    pub fn follow(&mut self, next: Batch) {
        for Append {
            stream,
            expected,
            events,
        } in next.appends
        {
            match self.appends.iter_mut().find(|append| append.stream == stream) {
                Some(append) => append.events.extend(events),
                None => self.appends.push(Append {
                    stream,
                    expected,
                    events,
                }),
            }
        }
    }

    /// How many events the batch holds.
    #[inline]
    pub fn len(&self) -> usize {
        self.appends.iter().map(|append| append.events.len()).sum()
    }

    /// Whether the batch holds no event.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a batch was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Commit {
    /// The cursor after the batch.
    pub cursor: Cursor,
    /// For each append of the batch, in its order, the position of its stream afterwards.
    pub heads: Vec<Position>,
}

impl Commit {
    /// The events of the batch that was appended so, with stream, position, cursor and time, in order.
    pub fn events<'a>(&'a self, batch: &'a Batch) -> impl Iterator<Item = Event> + 'a {
        let mut cursor = self.cursor.saturating_sub(batch.len() as u64);
        batch
            .appends
            .iter()
            .zip(&self.heads)
            .flat_map(|(append, head)| {
                let before = head.saturating_sub(append.events.len() as u64);
                (before + 1..)
                    .zip(&append.events)
                    .map(|(position, event)| (&append.stream, position, event))
            })
            .map(move |(stream, position, event)| {
                cursor += 1;
                event.placed(stream, position, cursor, batch.at)
            })
    }
}
