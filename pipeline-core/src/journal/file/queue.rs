use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::de::IgnoredAny;

use crate::event::{NewEvent, PayloadError, StreamId};
use crate::journal::chain::{SALT_LEN, payload_digest, payload_line, salt};
use crate::journal::{AppendError, Batch, Commit};
use crate::{Digest, Entropy};

/// A payload as it will stand in its line.
pub(super) struct EncodedPayload {
    pub(super) text: String,
    pub(super) salt: [u8; SALT_LEN],
    pub(super) digest: Digest,
}

/// A batch with all of its work done that needs neither the lock nor the journal.
pub(super) struct Prepared {
    pub(super) batch: Batch,
    /// In the order of the events.
    pub(super) payloads: Result<Vec<EncodedPayload>, AppendError>,
}

impl Prepared {
    pub(super) fn new(batch: Batch, entropy: Option<&dyn Entropy>) -> Self {
        let payloads = match entropy.filter(|_| !batch.is_empty()) {
            Some(entropy) => encode(&batch, entropy),
            None => Ok(Vec::new()),
        };
        Self { batch, payloads }
    }
}

fn encode(batch: &Batch, entropy: &dyn Entropy) -> Result<Vec<EncodedPayload>, AppendError> {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&entropy.next_u64().to_be_bytes());
    seed[8..].copy_from_slice(&entropy.next_u64().to_be_bytes());
    let mut payloads = Vec::with_capacity(batch.len());
    for append in &batch.appends {
        for event in &append.events {
            let text = text(&append.stream, event)?;
            let salt = salt(&seed, payloads.len() as u64);
            payloads.push(EncodedPayload {
                digest: payload_digest(&salt, text.as_bytes()),
                text,
                salt,
            });
        }
    }
    Ok(payloads)
}

/// The payload as JSON text on one line.
fn text(stream: &StreamId, event: &NewEvent) -> Result<String, AppendError> {
    let refuse = |source| AppendError::Invalid {
        reason: format!("an event for stream `{stream}` has no good payload"),
        source: Some(source),
    };
    let text = payload_line(event.payload()).map_err(refuse)?;
    let parsed = serde_json::from_str::<IgnoredAny>(&text);
    parsed.map_err(|source| {
        let kind = event.kind().to_owned().into();
        refuse(PayloadError { kind, source })
    })?;
    Ok(text.into_owned())
}

/// The batches that wait to be written, in the order in which they came. One of those who wait writes for all.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    batches: VecDeque<(Arc<Ticket>, Prepared)>,
    /// Whether somebody's turn is not over.
    writing: bool,
}

/// Tells one who waits what became of the batch, or that it is his turn.
#[derive(Default)]
struct Ticket {
    news: Mutex<News>,
    changed: Condvar,
}

#[derive(Default)]
enum News {
    #[default]
    Nothing,
    Turn,
    /// Nothing more will come: the result, unless whoever wrote it panicked.
    End(Option<Result<Commit, AppendError>>),
}

/// A batch that is being written; dropped without a word, whoever waits for it is told so.
pub(super) struct Taken(Option<Arc<Ticket>>);

/// The right to write for all who wait; dropped, it goes to the next.
pub(super) struct Turn<'a>(&'a Queue);

/// What comes to one who waits.
pub(super) enum Answer<'a> {
    /// His batch is the first that waits, and he writes.
    Turn(Turn<'a>),
    /// Somebody wrote for him. `None` if that one panicked.
    End(Option<Result<Commit, AppendError>>),
}

impl Queue {
    /// Waits until the batch was written by somebody else, or is to be written here.
    pub(super) fn enter(&self, prepared: Prepared) -> Answer<'_> {
        let ticket = Arc::new(Ticket::default());
        let mut waiting = lock(&self.0);
        waiting.batches.push_back((Arc::clone(&ticket), prepared));
        if !std::mem::replace(&mut waiting.writing, true) {
            return Answer::Turn(Turn(self));
        }
        drop(waiting);
        let mut news = lock(&ticket.news);
        loop {
            match std::mem::take(&mut *news) {
                News::Turn => return Answer::Turn(Turn(self)),
                News::End(result) => return Answer::End(result),
                News::Nothing => news = ticket.changed.wait(news).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).batches.len()
    }
}

impl Turn<'_> {
    /// The next batch; the first one is one's own.
    pub(super) fn next(&self) -> Option<(Taken, Prepared)> {
        let (ticket, prepared) = lock(&self.0.0).batches.pop_front()?;
        Some((Taken(Some(ticket)), prepared))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.0);
        match waiting.batches.front() {
            Some((next, _)) => next.tell(News::Turn),
            None => waiting.writing = false,
        }
    }
}

impl Taken {
    pub(super) fn fill(mut self, result: Result<Commit, AppendError>) {
        if let Some(ticket) = self.0.take() {
            ticket.tell(News::End(Some(result)));
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.tell(News::End(None));
        }
    }
}

impl Ticket {
    fn tell(&self, news: News) {
        *lock(&self.news) = news;
        self.changed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so a panic elsewhere leaves it good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
