use serde::de::IgnoredAny;

use super::image::Image;
use super::line::{MAX_LINE, write_event};
use super::store::{State, Store};
use super::write::{Failure, write};
use crate::Entropy;
use crate::event::Event;
use crate::event::PayloadError;
use crate::journal::chain::{payload_line, salt};
use crate::journal::check::{check, commit, invalid};
use crate::journal::{AppendError, Batch, Commit};

impl Store {
    pub(super) fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        let mut state = self.state();
        let _lock = self.begin(&mut state)?;
        self.append_locked(&mut state, batch)
    }

    /// Appends a batch; the lock is held and everything was read.
    pub(super) fn append_locked(&self, state: &mut State, batch: Batch) -> Result<Commit, AppendError> {
        let State { image, uncertain, .. } = state;
        let position = |stream: &_| image.scan.tip(stream).position;
        check(&batch, position)?;
        let cursor = image.scan.closed.cursor;
        let commit = commit(&batch, cursor, position);
        let events: Vec<_> = commit.events(&batch).collect();
        let Some(entropy) = self.entropy.as_deref().filter(|_| !events.is_empty()) else {
            return Ok(commit);
        };
        let appended = stage(image, &events, entropy).and_then(|(text, closing)| {
            let path = self.path().to_owned();
            write(&*image.file, image.scan.closed.offset, &text).map_err(|failure| match failure {
                Failure::Undone(source) => AppendError::Io { path, source },
                Failure::Uncertain(source) => {
                    *uncertain = true;
                    AppendError::Uncertain { path, source }
                }
            })?;
            image.scan.line(&text[closing..], &mut image.index);
            Ok(commit)
        });
        if appended.is_err() {
            image.scan.rollback();
        }
        appended
    }
}

/// Writes a commit into memory, reading each line back as others will read it. Returns the commit and where
/// its last line starts.
fn stage(
    image: &mut Image,
    events: &[Event],
    entropy: &dyn Entropy,
) -> Result<(Vec<u8>, usize), AppendError> {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&entropy.next_u64().to_be_bytes());
    seed[8..].copy_from_slice(&entropy.next_u64().to_be_bytes());
    let mut out = Vec::with_capacity(640 * events.len());
    for (number, event) in (0..).zip(events) {
        let refuse = |source: PayloadError| AppendError::Invalid {
            reason: format!("an event for stream `{}` has no good payload", event.stream),
            source: Some(source),
        };
        let payload = payload_line(&event.payload).map_err(refuse)?;
        serde_json::from_str::<IgnoredAny>(&payload).map_err(|source| {
            refuse(PayloadError {
                kind: event.kind.clone(),
                source,
            })
        })?;
        let start = out.len();
        let previous = image.scan.tip(&event.stream).hash;
        write_event(&mut out, event, &salt(&seed, number), &payload, &previous);
        if (out.len() - start) as u64 >= MAX_LINE {
            return Err(invalid(format!(
                "an event for stream `{}` has a payload over 255 MiB",
                event.stream
            )));
        }
        image.scan.line(&out[start..], &mut image.index);
        if let Some(fault) = image.scan.faults.first() {
            return Err(invalid(format!(
                "`{}` could not be read back: {}",
                event.reference(),
                fault.reason
            )));
        }
    }
    let closing = out.len();
    out.extend_from_slice(&image.scan.closing().write());
    out.push(b'\n');
    Ok((out, closing))
}
