use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How many attempts all runs of a runner may have at work at once.
#[derive(Debug)]
pub(super) struct Slots {
    /// `None` when nothing is limited.
    free: Option<AtomicU32>,
    freed: Notify,
}

impl Slots {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            free: limit.map(|limit| AtomicU32::new(limit.max(1))),
            freed: Notify::new(),
        }
    }

    /// Takes all free slots; what is not needed is to be given back.
    pub(super) fn take_all(&self) -> u32 {
        self.free
            .as_ref()
            .map_or(u32::MAX, |free| free.swap(0, Ordering::AcqRel))
    }

    pub(super) fn give_back(&self, count: u32) {
        if let Some(free) = &self.free
            && count > 0
        {
            free.fetch_add(count, Ordering::AcqRel);
            self.freed.notify_waiters();
        }
    }

    pub(super) fn is_full(&self) -> bool {
        let free = self.free.as_ref();
        free.is_some_and(|free| free.load(Ordering::Acquire) == 0)
    }

    /// Ends when a slot was given back, or after some time.
    pub(super) async fn wait(&self, most: Duration) {
        let _ = tokio::time::timeout(most, self.freed.notified()).await;
    }
}

/// The slots that the attempts of one drive have. They are free again when the drive ends, however it ends.
#[derive(Debug)]
pub(super) struct Held {
    slots: Arc<Slots>,
    count: u32,
}

impl Held {
    pub(super) fn none(slots: Arc<Slots>) -> Self {
        Self { slots, count: 0 }
    }

    /// Keeps some of what was taken, and gives the rest back.
    pub(super) fn keep(&mut self, count: u32, taken: u32) {
        let count = count.min(taken);
        self.count = self.count.saturating_add(count);
        self.slots.give_back(taken - count);
    }

    pub(super) fn give_back(&mut self, count: u32) {
        let count = count.min(self.count);
        self.count -= count;
        self.slots.give_back(count);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.slots.give_back(self.count);
    }
}
