use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The batches that wait to be written, in the order in which they came.
#[derive(Default)]
pub(super) struct Queue(Mutex<VecDeque<(Arc<Ticket>, Prepared)>>);

/// Where the result of an append is left.
#[derive(Default)]
pub(super) struct Ticket(Mutex<Option<Result<Commit, AppendError>>>);

impl Queue {
    pub(super) fn enter(&self, prepared: Prepared) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::default());
        lock(&self.0).push_back((Arc::clone(&ticket), prepared));
        ticket
    }

    pub(super) fn next(&self) -> Option<(Arc<Ticket>, Prepared)> {
        lock(&self.0).pop_front()
    }

    pub(super) fn holds(&self, ticket: &Arc<Ticket>) -> bool {
        lock(&self.0).iter().any(|(held, _)| Arc::ptr_eq(held, ticket))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    pub(super) fn leave(&self, ticket: &Arc<Ticket>) {
        lock(&self.0).retain(|(held, _)| !Arc::ptr_eq(held, ticket));
    }
}

impl Ticket {
    pub(super) fn fill(&self, result: Result<Commit, AppendError>) {
        *lock(&self.0) = Some(result);
    }

    pub(super) fn take(&self) -> Option<Result<Commit, AppendError>> {
        lock(&self.0).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so a panic elsewhere leaves it good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
