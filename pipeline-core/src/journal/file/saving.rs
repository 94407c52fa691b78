use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::saved_index::encode;
use super::store::{State, Store};
use crate::event::Cursor;

/// So many events are read in some milliseconds: not worth an index, or a new one.
const FEW: Cursor = 4096;

/// The same when the work is over and nobody waits.
const FEW_AT_THE_END: Cursor = 1024;

impl Store {
    /// Writes the index anew, unless the one on the disk says it all.
    pub(super) fn save_index(&self) -> io::Result<()> {
        let state = self.state();
        let cursor = state.image.scan.closed.cursor;
        if self.entropy.is_none() || state.saved == cursor {
            return Ok(());
        }
        let bytes = encode(&state.image.scan, &state.image.index);
        drop(state);
        let derived = self.directory.derived();
        derived.write(&derived.index(), bytes)?.publish()?;
        // Had the journal been written anew meanwhile, the index would not fit and be passed over.
        self.state().saved = cursor;
        Ok(())
    }

    /// Notes whether so much was appended that an index pays.
    pub(super) fn note(&self, state: &State) {
        if behind(state, FEW, 4) {
            self.due.store(true, Ordering::Relaxed);
        }
    }

    /// Writes the index in the background when one is due. All indexes that are ever written so come to some five
    /// times the last.
    pub(super) fn save_behind(store: &Arc<Self>) {
        if !store.due.load(Ordering::Relaxed) || store.saving.swap(true, Ordering::Relaxed) {
            return;
        }
        let saver = Arc::clone(store);
        let save = move || {
            saver.due.store(false, Ordering::Relaxed);
            // Without an index the next opening takes longer.
            let _ = saver.save_index();
            saver.saving.store(false, Ordering::Relaxed);
        };
        if thread::Builder::new()
            .name("journal-index".to_owned())
            .spawn(save)
            .is_err()
        {
            store.saving.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.entropy.is_some() && !thread::panicking() && behind(&self.state(), FEW_AT_THE_END, 16) {
            let _ = self.save_index();
        }
    }
}

/// Whether more events came since the index was written than `few`, and than one in `share`.
fn behind(state: &State, few: Cursor, share: Cursor) -> bool {
    let cursor = state.image.scan.closed.cursor;
    !state.uncertain && cursor.saturating_sub(state.saved) >= few.max(state.saved / share)
}
