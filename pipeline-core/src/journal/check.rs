use std::collections::HashSet;

use super::{Append, AppendError, Batch, Commit, Conflict, Expected};
use crate::event::{Cursor, Position, StreamId};

/// Checks a batch against the streams as they stand: what every journal does before it appends.
pub(super) fn check(batch: &Batch, position: impl Fn(&StreamId) -> Position) -> Result<(), AppendError> {
    if let Some(stream) = repeated(&batch.appends) {
        return Err(invalid(format!("stream `{stream}` occurs twice")));
    }
    for append in &batch.appends {
        check_events(append)?;
    }
    for append in &batch.appends {
        check_position(append, position(&append.stream))?;
    }
    Ok(())
}

/// Nobody appends what was erased.
pub(super) fn check_events(append: &Append) -> Result<(), AppendError> {
    if append.events.iter().any(|event| event.payload().is_erased()) {
        return Err(invalid(format!(
            "an event for stream `{}` has an erased payload",
            append.stream
        )));
    }
    Ok(())
}

/// Whether the stream holds what is expected.
pub(super) fn check_position(append: &Append, actual: Position) -> Result<(), AppendError> {
    match append.expected {
        Expected::At(at) if at != actual => Err(Conflict {
            stream: append.stream.clone(),
            expected: append.expected,
            actual,
        }
        .into()),
        _ => Ok(()),
    }
}

fn repeated(appends: &[Append]) -> Option<&StreamId> {
    // Most batches touch a few streams: comparing them costs less than a set.
    if appends.len() <= 8 {
        let twice =
            |(index, append): &(usize, &Append)| appends[..*index].iter().any(|a| a.stream == append.stream);
        return appends
            .iter()
            .enumerate()
            .find(twice)
            .map(|(_, append)| &append.stream);
    }
    let mut seen = HashSet::with_capacity(appends.len());
    appends
        .iter()
        .map(|append| &append.stream)
        .find(|stream| !seen.insert(*stream))
}

pub(super) fn invalid(reason: String) -> AppendError {
    AppendError::Invalid { reason, source: None }
}

/// Where a checked batch will lie: the journal's cursor is still the one before it.
pub(super) fn commit(batch: &Batch, cursor: Cursor, position: impl Fn(&StreamId) -> Position) -> Commit {
    let heads = batch.appends.iter();
    Commit {
        cursor: cursor + batch.len() as u64,
        heads: heads
            .map(|append| position(&append.stream) + append.events.len() as u64)
            .collect(),
    }
}
