use std::collections::HashSet;

use super::{Append, AppendError, Batch, Conflict, Expected};
use crate::event::{Cursor, Event, Position, StreamId};

/// Checks a batch against the streams as they stand: what every journal does before it appends.
pub(super) fn check(batch: &Batch, position: impl Fn(&StreamId) -> Position) -> Result<(), AppendError> {
    if let Some(stream) = repeated(&batch.appends) {
        return Err(invalid(format!("stream `{stream}` occurs twice")));
    }
    for append in &batch.appends {
        if append.events.iter().any(|event| event.payload.is_erased()) {
            return Err(invalid(format!(
                "an event for stream `{}` has an erased payload",
                append.stream
            )));
        }
    }
    for Append { stream, expected, .. } in &batch.appends {
        let actual = position(stream);
        if matches!(expected, Expected::At(at) if *at != actual) {
            return Err(Conflict {
                stream: stream.clone(),
                expected: *expected,
                actual,
            }
            .into());
        }
    }
    Ok(())
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

/// Gives the events of a checked batch their positions and cursors.
pub(super) fn place(
    batch: Batch,
    mut cursor: Cursor,
    position: impl Fn(&StreamId) -> Position,
    mut take: impl FnMut(Event),
) {
    let at = batch.at;
    for Append { stream, events, .. } in batch.appends {
        for (position, new) in (position(&stream) + 1..).zip(events) {
            cursor += 1;
            take(Event {
                stream: stream.clone(),
                position,
                cursor,
                at,
                kind: new.kind,
                version: new.version,
                actor: new.actor,
                causes: new.causes,
                payload: new.payload,
            });
        }
    }
}
