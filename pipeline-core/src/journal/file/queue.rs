use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

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

/// From so many events on, two threads encode a batch: one more costs less than the half of it then.
const SHARED_FROM: usize = 512;

fn encode(batch: &Batch, entropy: &dyn Entropy) -> Result<Vec<EncodedPayload>, AppendError> {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&entropy.next_u64().to_be_bytes());
    seed[8..].copy_from_slice(&entropy.next_u64().to_be_bytes());
    let numbered = || {
        let events = batch
            .appends
            .iter()
            .flat_map(|append| append.events.iter().map(|event| (&append.stream, event)));
        (0_u64..).zip(events)
    };
    let encoded = |(number, (stream, event))| {
        let text = text(stream, event)?;
        let salt = salt(&seed, number);
        let digest = payload_digest(&salt, text.as_bytes());
        Ok(EncodedPayload { text, salt, digest })
    };
    if batch.len() < SHARED_FROM {
        return numbered().map(encoded).collect();
    }
    let half = batch.len() / 2;
    thread::scope(|scope| {
        let rest = scope.spawn(|| {
            let rest = numbered().skip(half).map(encoded);
            rest.collect::<Result<Vec<_>, _>>()
        });
        let first: Result<Vec<_>, _> = numbered().take(half).map(encoded).collect();
        let rest = rest.join().unwrap_or_else(|panic| resume_unwind(panic));
        // The first that is wrong counts.
        let mut all = first?;
        all.append(&mut rest?);
        Ok(all)
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::event::Payload;
    use crate::journal::Expected;

    #[derive(Debug)]
    struct Fixed;

    impl Entropy for Fixed {
        fn next_u64(&self) -> u64 {
            7
        }
    }

    /// Events in three streams; those with these numbers are no JSON.
    fn batch(count: usize, wrong: &[usize]) -> Batch {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH);
        for number in 0..count {
            let stream = format!("test/{}", number * 3 / count).parse().unwrap();
            let payload = match wrong.contains(&number) {
                true => "{".to_owned(),
                false => number.to_string(),
            };
            batch.push(
                &stream,
                Expected::Any,
                NewEvent::raw("test.said", 1, Payload::json(payload)),
            );
        }
        batch
    }

    #[test]
    fn two_threads_encode_what_one_does() {
        let seed: Vec<u8> = [7_u64.to_be_bytes(), 7_u64.to_be_bytes()].concat();
        let seed = seed.try_into().unwrap();
        for count in [1, SHARED_FROM - 1, SHARED_FROM, SHARED_FROM + 1, 3 * SHARED_FROM] {
            let encoded = encode(&batch(count, &[]), &Fixed).unwrap();
            assert_eq!(encoded.len(), count);
            for (number, payload) in encoded.iter().enumerate() {
                assert_eq!(payload.text, number.to_string());
                assert_eq!(payload.salt, salt(&seed, number as u64));
                assert_eq!(
                    payload.digest,
                    payload_digest(&payload.salt, payload.text.as_bytes())
                );
            }
        }
    }

    #[test]
    fn of_many_that_are_wrong_the_first_is_named() {
        let named = |count: usize, wrong: &[usize]| match encode(&batch(count, wrong), &Fixed) {
            Err(error) => error.to_string(),
            Ok(_) => "nothing".to_owned(),
        };
        for count in [30, 3 * SHARED_FROM] {
            assert!(named(count, &[0, count - 1]).contains("`test/0`"));
            assert!(named(count, &[count - 1]).contains("`test/2`"));
            assert_eq!(named(count, &[]), "nothing");
        }
    }
}
