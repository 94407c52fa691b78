use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pipeline_core::StoreError;

use super::pending::Pending;
use crate::limits;
use crate::store::Lease;

/// The directories that are still to be listed, for several threads.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    state: Mutex<State<'a>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<'a> {
    directories: Pending<'a>,
    /// How many threads list one at the moment, and may find more.
    busy: usize,
    found: usize,
    failed: bool,
}

/// What a thread found, and has not said yet.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) directories: Vec<String>,
    /// How many entries of any kind.
    pub(super) found: usize,
}

/// What is found before it is said: often enough for others to have something to do, and to stop in time.
const DIRECTORIES: usize = 64;
const FOUND: usize = 1024;

impl News {
    pub(super) fn is_due(&self) -> bool {
        self.directories.len() >= DIRECTORIES || self.found >= FOUND
    }
}

impl<'a> Queue<'a> {
    /// Only the directory at the top; holds about twice so many bytes.
    pub(super) fn new(lease: &'a Lease, room: usize) -> Result<Self, StoreError> {
        let mut directories = Pending::new(lease, room);
        directories.push("")?;
        Ok(Self {
            state: Mutex::new(State {
                directories,
                busy: 0,
                found: 0,
                failed: false,
            }),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next directory; `None` when there is none and none can come.
    pub(super) fn next(&self) -> Result<Option<String>, StoreError> {
        let mut state = self.state();
        loop {
            if state.failed {
                return Ok(None);
            }
            if let Some(directory) = state.directories.pop()? {
                state.busy += 1;
                return Ok(Some(directory));
            }
            if state.busy == 0 {
                return Ok(None);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says what was found; whether there is too much now.
    pub(super) fn tell(&self, news: &mut News) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_more = !news.directories.is_empty();
        for path in news.directories.drain(..) {
            state.directories.push(&path)?;
        }
        state.found += std::mem::take(&mut news.found);
        if is_more {
            self.changed.notify_all();
        }
        Ok(state.found > limits::MAX_ENTRIES)
    }

    /// Says that a directory is listed, or that it cannot be and all is over.
    pub(super) fn done(&self, failed: bool) {
        let mut state = self.state();
        state.busy -= 1;
        state.failed |= failed;
        if state.failed || state.busy == 0 {
            self.changed.notify_all();
        }
    }

    /// Says that all is over.
    pub(super) fn fail(&self) {
        self.state().failed = true;
        self.changed.notify_all();
    }
}
