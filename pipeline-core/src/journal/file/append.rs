use std::io;

use super::erasures::recorded;
use super::line::{EventLine, MAX_LINE, write_event};
use super::queue::{Answer, EncodedPayload, Prepared, Turn};
use super::scan::{Closed, Scan, Sealed};
use super::store::{State, Store};
use super::write::{Disk, Failure, write};
use crate::event::StreamKind;
use crate::journal::chain::EnvelopeParts;
use crate::journal::check::{check, commit, invalid};
use crate::journal::{Append, AppendError, Batch, Commit};

/// After so many bytes, batches that still wait are left to the next write.
const FULL: usize = 4 * 1024 * 1024;

impl Store {
    /// Appends a batch. Batches that arrive while another one is written share the next write and its sync.
    pub(super) fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        let prepared = Prepared::new(batch, self.entropy.as_deref());
        let result = match self.queue.enter(prepared) {
            Answer::End(result) => result,
            Answer::Turn(turn) => {
                let mut state = self.state();
                let lock = self.begin(&mut state);
                let own = turn.next();
                let _lock = lock?;
                own.map(|(_, own)| self.append_all(&mut state, own, &turn))
            }
        };
        let lost = || Failure::Uncertain(io::Error::other("the writer stopped"));
        result.unwrap_or_else(|| Err(self.failed(&lost())))
    }

    /// Appends a batch; the lock is held and everything was read.
    pub(super) fn append_locked(&self, state: &mut State, batch: Batch) -> Result<Commit, AppendError> {
        let mut group = Group::new(&state.image.scan);
        let commit = group.add(
            &mut state.image.scan,
            Prepared::new(batch, self.entropy.as_deref()),
        )?;
        match self.write(state, group) {
            Ok(()) => Ok(commit),
            Err(failure) => Err(self.failed(&failure)),
        }
    }

    /// Appends a batch and those that wait: each is a commit of its own, or refused; all share a write. The lock is
    /// held and everything was read.
    fn append_all(&self, state: &mut State, own: Prepared, turn: &Turn<'_>) -> Result<Commit, AppendError> {
        let mut group = Group::new(&state.image.scan);
        let own = group.add(&mut state.image.scan, own);
        let own_waits = !group.sealed.is_empty();
        let mut others = Vec::new();
        while group.text.len() < FULL
            && let Some((taken, prepared)) = turn.next()
        {
            let result = group.add(&mut state.image.scan, prepared);
            others.push((taken, result, !group.sealed.is_empty()));
        }
        let written = self.write(state, group);
        // What was decided behind a commit that was not written was decided wrongly.
        let told = |result, waits| match &written {
            Err(failure) if waits => Err(self.failed(failure)),
            _ => result,
        };
        for (taken, result, waits) in others {
            taken.fill(told(result, waits));
        }
        told(own, own_waits)
    }

    /// Writes a group with one sync, or takes it back.
    fn write(&self, state: &mut State, group: Group) -> Result<(), Failure> {
        let Group { before, text, sealed } = group;
        if sealed.is_empty() {
            return Ok(());
        }
        let State { image, uncertain, .. } = state;
        let disk = Disk {
            file: &image.file,
            syncs: &self.syncs,
        };
        let written = write(disk, before.offset, &text);
        match &written {
            Ok(()) => {
                for commit in sealed {
                    image.scan.confirm(commit, &mut image.index);
                }
                self.note(state);
            }
            Err(failure) => {
                image.scan.unseal(sealed, before);
                *uncertain = matches!(failure, Failure::Uncertain(_));
            }
        }
        written
    }

    /// What a caller is told of a write that failed; several callers may have to be told.
    fn failed(&self, failure: &Failure) -> AppendError {
        let copy = |error: &io::Error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        let path = self.path().to_owned();
        match failure {
            Failure::Undone(error) => AppendError::Io {
                path,
                source: copy(error),
            },
            Failure::Uncertain(error) => AppendError::Uncertain {
                path,
                source: copy(error),
            },
        }
    }
}

/// Commits that are written together.
struct Group {
    /// What was closed before them.
    before: Closed,
    text: Vec<u8>,
    sealed: Vec<Sealed>,
}

impl Group {
    fn new(scan: &Scan) -> Self {
        Self {
            before: scan.closed,
            text: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// Adds a batch as the next commit. A batch that is refused leaves no trace.
    fn add(&mut self, scan: &mut Scan, prepared: Prepared) -> Result<Commit, AppendError> {
        let Prepared { batch, payloads } = prepared;
        let position = |stream: &_| scan.tip(stream).position;
        check(&batch, position)?;
        let commit = commit(&batch, scan.closed.cursor, position);
        let payloads = payloads?;
        if batch.is_empty() {
            return Ok(commit);
        }
        let start = self.text.len();
        let known: usize = payloads.iter().map(|payload| payload.text.len()).sum();
        self.text.reserve(known + 448 * payloads.len() + 256);
        if let Err(error) = write_events(&mut self.text, scan, &batch, &payloads) {
            self.text.truncate(start);
            scan.rollback();
            return Err(error);
        }
        let closing = scan.closing();
        let start = self.text.len();
        closing.write(&mut self.text);
        self.text.push(b'\n');
        self.sealed
            .push(scan.seal_written(&closing, self.text.len() - start));
        Ok(commit)
    }
}

/// Writes the lines of a batch's events.
fn write_events(
    out: &mut Vec<u8>,
    scan: &mut Scan,
    batch: &Batch,
    payloads: &[EncodedPayload],
) -> Result<(), AppendError> {
    let at = batch.at.to_string();
    let mut payloads = payloads.iter();
    for Append { stream, events, .. } in batch.appends.iter().filter(|append| !append.events.is_empty()) {
        let number = scan.number(stream);
        let number = number.ok_or_else(|| invalid("the journal has too many streams".to_owned()))?;
        let erases = stream.is(&StreamKind::JOURNAL);
        for (event, payload) in events.iter().zip(&mut payloads) {
            let tip = scan.streams[number as usize].tip;
            let envelope = EnvelopeParts {
                stream: stream.as_str(),
                position: tip.position + 1,
                at: &at,
                kind: event.kind(),
                version: event.version(),
                actor: event.actor(),
                causes: event.causes(),
                payload: &payload.digest,
                previous: &tip.hash,
            };
            let start = out.len();
            let hash = write_event(out, &envelope, &payload.salt, &payload.text);
            let line = &out[start..];
            if line.len() as u64 >= MAX_LINE {
                return Err(invalid(format!(
                    "an event for stream `{stream}` has a payload over 255 MiB"
                )));
            }
            debug_assert!(
                EventLine::read(&line[..line.len() - 1]).is_ok_and(|read| read.hash == hash),
                "a line is read as it was written"
            );
            let record = if erases {
                recorded(stream.as_str(), event.kind(), event.version(), &payload.text)
            } else {
                None
            };
            scan.written(number, hash, line.len() as u32, record);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::super::image::Image;
    use super::super::verify::verify_files;
    use super::*;
    use crate::event::{NewEvent, Payload, StreamId};
    use crate::journal::Expected;
    use crate::{SystemEntropy, Timestamp};

    fn batch(stream: &str, expected: Expected, text: &str) -> Batch {
        let stream: StreamId = stream.parse().unwrap();
        let event = NewEvent::raw("test.said", 1, Payload::json(format!("\"{text}\"")));
        Batch::new(Timestamp::UNIX_EPOCH).event(&stream, expected, event)
    }

    fn store(directory: &tempfile::TempDir) -> Arc<Store> {
        Arc::new(Store::open(directory.path(), Arc::new(SystemEntropy)).unwrap().0)
    }

    /// Appends eight batches together, two for each of four streams that expect it to be empty.
    fn together(store: &Arc<Store>) -> Vec<Result<Commit, AppendError>> {
        // Somebody else writes, so whoever comes first waits, and the others behind it.
        let lock = store.directory.lock().unwrap();
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let store = Arc::clone(store);
                let stream = format!("run/{}", number / 2);
                thread::spawn(move || store.append(batch(&stream, Expected::At(0), "x")))
            })
            .collect();
        while store.queue.len() < writers.len() {
            thread::yield_now();
        }
        drop(lock);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    }

    #[test]
    fn appends_that_arrive_together_share_a_sync() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        let results = together(&store);
        assert_eq!(store.syncs.load(std::sync::atomic::Ordering::Relaxed), 1);
        for pair in results.chunks(2) {
            let won = pair.iter().filter(|result| result.is_ok()).count();
            let lost = |result: &&Result<_, _>| matches!(result, Err(AppendError::Conflict(_)));
            assert_eq!((won, pair.iter().filter(lost).count()), (1, 1), "{pair:?}");
        }
        let report = verify_files(directory.path(), None);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.events, report.commits), (4, 4));
    }

    #[test]
    fn what_was_decided_behind_a_failed_write_is_not_told() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        let before = std::fs::read(store.path()).unwrap();
        // A file that cannot be written.
        store.state().image.file = Arc::new(std::fs::File::open(store.path()).unwrap());
        for result in together(&store) {
            assert!(matches!(result, Err(AppendError::Uncertain { .. })), "{result:?}");
        }
        let again = store.append(batch("run/0", Expected::Any, "x"));
        assert!(matches!(again, Err(AppendError::Uncertain { .. })), "{again:?}");
        assert_eq!(std::fs::read(store.path()).unwrap(), before);
        assert!(store.state().image.scan.heads().is_empty());
    }

    #[test]
    fn a_group_that_was_not_written_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        let _commit = store.append(batch("run/a", Expected::At(0), "first")).unwrap();
        let mut state = store.state();
        let Image { scan, .. } = &mut state.image;
        let known = |scan: &Scan| {
            let Closed {
                commits,
                cursor,
                digest,
                offset,
                line,
            } = scan.closed;
            (
                commits,
                cursor,
                digest,
                offset,
                line,
                scan.offset(),
                scan.next_line(),
                scan.heads(),
            )
        };
        let before = known(scan);
        let prepare = |batch| Prepared::new(batch, Some(&SystemEntropy));
        let mut group = Group::new(scan);
        let mut add = |stream, expected, text| group.add(scan, prepare(batch(stream, expected, text)));
        let good = [
            add("run/a", Expected::At(1), "second"),
            add("run/b", Expected::Any, "third"),
            add("run/a", Expected::At(2), "fourth"),
        ];
        assert!(good.iter().all(Result::is_ok), "{good:?}");
        let refused = add("run/a", Expected::At(1), "fifth");
        assert!(matches!(refused, Err(AppendError::Conflict(_))), "{refused:?}");
        scan.unseal(group.sealed, group.before);
        assert_eq!(known(scan), before);
        drop(state);
        let _commit = store.append(batch("run/a", Expected::At(1), "again")).unwrap();
        assert!(verify_files(directory.path(), None).is_clean());
    }
}
