use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pipeline_core::RunId;
use tokio::sync::watch;

use crate::live::Live;

/// One call of the program: what it shows while runs go on, and whether somebody asked it to end.
pub struct Session {
    /// The lines and bars in the terminal.
    pub live: Live,
    asked: watch::Sender<bool>,
    driven: Mutex<BTreeSet<RunId>>,
}

impl Session {
    /// A call that nobody asked to end.
    pub fn new(live: Live) -> Self {
        Self {
            live,
            asked: watch::Sender::new(false),
            driven: Mutex::default(),
        }
    }

    /// Asks for an orderly end: what is at work may end, and nothing else begins.
    pub fn ask_to_end(&self) {
        self.asked.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_ending(&self) -> bool {
        *self.asked.borrow()
    }

    /// Ends when somebody asks.
    pub async fn ending(&self) {
        let mut asked = self.asked.subscribe();
        // The sender lives as long as this.
        let _ = asked.wait_for(|asked| *asked).await;
    }

    /// A run is driven from here on.
    pub fn begin(&self, run: &RunId) {
        self.driven().insert(run.clone());
    }

    /// A run has ended: there is nothing to resume.
    pub fn end(&self, run: &RunId) {
        self.driven().remove(run);
    }

    /// The runs that were driven and have not ended.
    pub fn open(&self) -> Vec<RunId> {
        self.driven().iter().cloned().collect()
    }

    fn driven(&self) -> MutexGuard<'_, BTreeSet<RunId>> {
        // Nothing panics while the lock is held.
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
