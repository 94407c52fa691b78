use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cut::{Cut, cut};
use super::derived::MOST_FOLDS;
use super::directory::{Directory, Lock};
use super::error::{OpenError, corrupt, unreadable};
use super::image::{Fetch, Image, Tail};
use super::index::Entry;
use super::line::HEADER;
use super::queue::Queue;
use super::rewrite::rewrite;
use super::scan::{Fault, Scan};
use crate::Entropy;
use crate::event::{Cursor, Event, Position, StreamId};
use crate::journal::{AppendError, Checkpoint, ReadError};

/// What opening a journal found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Whether the journal is new.
    pub created: bool,
    /// How many events it holds.
    pub events: u64,
    /// How many commits it holds.
    pub commits: u64,
    /// How many of them an index on the disk vouched for; the others were read and checked.
    pub indexed: u64,
    /// What was cut off, if the last commit was not finished.
    pub cut: Option<Cut>,
    /// How many payloads were erased now, since their erasure was recorded but not finished.
    pub erased: u64,
}

/// A journal on disk, as one handle sees it. All of its work blocks.
pub(super) struct Store {
    pub(super) directory: Directory,
    /// Nothing when the journal was opened for reading only.
    pub(super) entropy: Option<Arc<dyn Entropy>>,
    pub(super) queue: Queue,
    pub(super) syncs: AtomicU64,
    /// Whether the index is to be written in the background, and whether it is being written.
    pub(super) due: AtomicBool,
    pub(super) saving: AtomicBool,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) image: Image,
    pub(super) cuts: Vec<Cut>,
    /// Whether an append ended and nobody knows how.
    pub(super) uncertain: bool,
    /// Up to which event there is an index on the disk.
    pub(super) saved: Cursor,
}

impl Store {
    pub(super) fn open(root: &Path, entropy: Arc<dyn Entropy>) -> Result<(Self, OpenReport), OpenError> {
        let directory = Directory::new(root);
        let path = directory.journal().to_owned();
        let refused = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        directory.create().map_err(refused)?;
        let _lock = directory.lock().map_err(refused)?;
        match fs::remove_file(directory.rewrite()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        directory.derived().tidy(MOST_FOLDS);
        let (mut image, tail) = Image::load(file.map_err(refused)?, &directory)?;
        let created = image.scan.closed.line == 0;
        let mut found = None;
        if created {
            begin(&image.file)
                .and_then(|()| directory.sync())
                .map_err(refused)?;
            image.advance(&path)?;
        } else if let Some(tail) = tail {
            found = Some(cut_tail(&directory, &image, &tail).map_err(refused)?);
        }
        let erased = image.unfinished_erasures();
        if !erased.is_empty() {
            rewrite(&directory, &image, &erased).map_err(refused)?;
            image = load(&directory, true)?.0;
        }
        let report = OpenReport {
            created,
            events: image.scan.closed.cursor,
            commits: image.scan.closed.commits,
            indexed: image.indexed,
            cut: found.clone(),
            erased: erased.len() as u64,
        };
        let state = State {
            image,
            cuts: found.into_iter().collect(),
            uncertain: false,
            saved: report.indexed,
        };
        Ok((
            Self {
                directory,
                entropy: Some(entropy),
                queue: Queue::default(),
                syncs: AtomicU64::new(0),
                due: AtomicBool::new(false),
                saving: AtomicBool::new(false),
                state: Mutex::new(state),
            },
            report,
        ))
    }

    pub(super) fn open_read_only(root: &Path) -> Result<Self, OpenError> {
        let directory = Directory::new(root);
        let path = directory.journal();
        let image = match load(&directory, false) {
            Err(ReadError::Corrupt { .. }) => {
                // Perhaps somebody was writing: look again when nobody is.
                let _lock = directory.lock_shared().map_err(unreadable(path))?;
                load(&directory, false)?
            }
            loaded => loaded?,
        };
        let state = State {
            image: image.0,
            cuts: Vec::new(),
            uncertain: false,
            saved: 0,
        };
        Ok(Self {
            directory,
            entropy: None,
            queue: Queue::default(),
            syncs: AtomicU64::new(0),
            due: AtomicBool::new(false),
            saving: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.journal()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // The image changes only by whole commits, so a panic elsewhere leaves it good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what others appended since, whether or not somebody is writing now.
    pub(super) fn refresh(&self, state: &mut State) -> Result<(), ReadError> {
        match self.advance(state) {
            Err(ReadError::Corrupt { .. }) => {
                // Perhaps somebody was writing: look again when nobody is.
                let _lock = self.directory.lock_shared().map_err(unreadable(self.path()))?;
                self.advance(state).map(|_| ())
            }
            other => other.map(|_| ()),
        }
    }

    /// Reads what others appended since. Under the lock, what is left over is an unfinished commit.
    pub(super) fn advance(&self, state: &mut State) -> Result<Option<Tail>, ReadError> {
        let path = self.path();
        let end = state.image.scan.closed.offset;
        if self
            .directory
            .replaced(&state.image.file, end)
            .map_err(unreadable(path))?
        {
            let (image, tail) = load(&self.directory, self.entropy.is_some())?;
            state.saved = image.indexed;
            state.image = image;
            return Ok(tail);
        }
        state.image.advance(path)
    }

    /// Takes the lock, reads what is new, and cuts off what somebody did not finish.
    pub(super) fn begin(&self, state: &mut State) -> Result<Lock, AppendError> {
        let path = self.path();
        let refused = |source| AppendError::Io {
            path: path.to_owned(),
            source,
        };
        if self.entropy.is_none() {
            let text = "the journal was opened for reading only";
            return Err(refused(io::Error::new(io::ErrorKind::PermissionDenied, text)));
        }
        if state.uncertain {
            let source = io::Error::other("an earlier append ended so");
            return Err(AppendError::Uncertain {
                path: path.to_owned(),
                source,
            });
        }
        let lock = self.directory.lock().map_err(refused)?;
        if let Some(tail) = self.advance(state).map_err(AppendError::Read)? {
            let cut = cut_tail(&self.directory, &state.image, &tail).map_err(refused)?;
            state.cuts.push(cut);
        }
        Ok(lock)
    }

    pub(super) fn read(
        &self,
        stream: &StreamId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        self.fetch(Some(after), |Image { scan, index, .. }| {
            scan.stream(stream)
                .map_or_else(Vec::new, |number| index.stream(number, after, limit))
        })
    }

    pub(super) fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.fetch(None, |image| image.index.all(after, limit))
    }

    fn fetch(
        &self,
        after: Option<Position>,
        select: impl Fn(&Image) -> Vec<(Cursor, Entry)>,
    ) -> Result<Vec<Event>, ReadError> {
        loop {
            let mut state = self.state();
            self.refresh(&mut state)?;
            let image = &state.image;
            let (file, wanted) = (Arc::clone(&image.file), image.wanted(select(image)));
            drop(state);
            match Image::fetch(&file, wanted, after) {
                Ok(events) => return Ok(events),
                Err((_, Fetch::Io(source))) => return Err(unreadable(self.path())(source)),
                Err((cursor, Fetch::Damaged(_))) if self.distrust(cursor)? => {}
                Err((cursor, Fetch::Damaged(reason))) => {
                    let line = self.state().image.index.line(cursor);
                    return Err(corrupt(self.path(), &Fault { line, reason }));
                }
            }
        }
    }

    /// Reads the whole journal if an index was taken at its word for an event that is not what it says: then the
    /// journal alone decides who of them is wrong. Tells whether it was so.
    fn distrust(&self, cursor: Cursor) -> Result<bool, ReadError> {
        let mut state = self.state();
        let doubtful = cursor <= state.image.indexed;
        if doubtful {
            let mut image = Image::new(Arc::clone(&state.image.file));
            image.advance(self.path())?;
            (state.image, state.saved) = (image, 0);
        }
        Ok(doubtful)
    }

    pub(super) fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        let mut state = self.state();
        self.refresh(&mut state)?;
        let Scan { closed, .. } = &state.image.scan;
        Ok(Checkpoint {
            format: 1,
            cursor: closed.cursor,
            commits: closed.commits,
            commit: closed.digest,
            heads: state.image.scan.heads(),
        })
    }
}

/// Opens the file that bears the journal's name.
pub(super) fn load(directory: &Directory, write: bool) -> Result<(Image, Option<Tail>), ReadError> {
    let path = directory.journal();
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .open(path)
        .map_err(unreadable(path))?;
    Image::load(file, directory)
}

/// Writes the first line.
fn begin(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    io::Seek::rewind(&mut file)?;
    file.write_all(HEADER.as_bytes())?;
    file.sync_all()
}

fn cut_tail(directory: &Directory, image: &Image, tail: &Tail) -> io::Result<Cut> {
    cut(directory, &image.file, tail.offset, tail.line, tail.events)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal")
            .field("path", &self.path())
            .field("read_only", &self.entropy.is_none())
            .finish_non_exhaustive()
    }
}
