use std::fs::{self, File};
use std::io::{self, BufWriter, Write};

use super::directory::{Directory, read_at};
use super::image::Image;
use super::index::Entry;
use super::line::erased;
use super::store::Store;
use crate::Timestamp;
use crate::event::{Actor, EventRef, NewEvent};
use crate::journal::{Batch, EraseError, Expected, JournalEvent, PayloadErased};

impl Store {
    /// Records an erasure, then writes the file anew without the payload.
    pub(super) fn erase(
        &self,
        event: &EventRef,
        by: Actor,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), EraseError> {
        let unread = |source| EraseError::Read {
            event: event.clone(),
            source,
        };
        let refused = |source| EraseError::Append {
            event: event.clone(),
            source,
        };
        let stream = JournalEvent::erasures();
        let mut state = self.state();
        let _lock = self.begin(&mut state).map_err(refused)?;
        if state.image.entry(event).is_none() {
            return Err(EraseError::Missing { event: event.clone() });
        }
        if event.stream == stream {
            return Err(EraseError::Record { event: event.clone() });
        }
        if !state.image.scan.erasures.recorded.contains_key(event) {
            let record = PayloadErased {
                event: event.clone(),
                reason: reason.to_owned(),
            };
            let record = NewEvent::new(by, JournalEvent::from(record));
            let batch = Batch::new(at).event(&stream, Expected::Any, record);
            let _commit = self.append_locked(&mut state, batch).map_err(refused)?;
        }
        let open = state.image.unfinished_erasures();
        if !open.is_empty() {
            let failed = |source| EraseError::Rewrite {
                event: event.clone(),
                path: self.directory.rewrite(),
                source,
            };
            rewrite(&self.directory, &state.image, &open).map_err(failed)?;
            self.advance(&mut state).map_err(unread)?;
        }
        Ok(())
    }
}

/// Writes the journal anew, with some payloads erased. Under the lock; there is nothing after the last commit.
pub(super) fn rewrite(directory: &Directory, image: &Image, erase: &[(EventRef, Entry)]) -> io::Result<()> {
    // The state of a fold may hold what is erased, and no place in an index stays.
    directory.derived().clear()?;
    let path = directory.rewrite();
    let mut out = BufWriter::new(File::create(&path)?);
    let mut from = 0;
    for (_, entry) in erase {
        copy(&image.file, from, entry.offset, &mut out)?;
        let mut line = Vec::with_capacity(entry.len as usize);
        from = entry.offset + u64::from(entry.len);
        copy(&image.file, entry.offset, from, &mut line)?;
        let line = erased(&line).map_err(|_| io::Error::other("the event is not what was read before"))?;
        out.write_all(&line)?;
    }
    copy(&image.file, from, image.scan.closed.offset, &mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_permissions(image.file.metadata()?.permissions())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&path, directory.journal())?;
    directory.sync()
}

fn copy(file: &File, mut from: u64, to: u64, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while from < to {
        let want = buffer.len().min(usize::try_from(to - from).unwrap_or(usize::MAX));
        match read_at(file, &mut buffer[..want], from)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                out.write_all(&buffer[..count])?;
                from += count as u64;
            }
        }
    }
    Ok(())
}
