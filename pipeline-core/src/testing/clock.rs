use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Clock, Entropy, SignedDuration, Timestamp};

/// A clock that stands still until it is moved. Clones are the same clock.
///
/// ```
/// use pipeline_core::testing::ManualClock;
/// use pipeline_core::{Clock, SignedDuration};
///
/// let clock = ManualClock::at("2026-11-20T12:00:00Z");
/// clock.advance(SignedDuration::from_mins(5));
/// assert_eq!(clock.now().to_string(), "2026-11-20T12:05:00Z");
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows this time, as in `2026-11-20T12:00:00Z`.
    ///
    /// # Panics
    ///
    /// When the text is no time: this is for tests.
    #[expect(clippy::expect_used, reason = "for tests, which state their own times")]
    pub fn at(time: &str) -> Self {
        Self(Arc::new(Mutex::new(
            time.parse().expect("a time such as 2026-11-20T12:00:00Z"),
        )))
    }

    /// Moves the clock; backwards, too.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
    }

    /// Sets the clock.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Chance that repeats: equal seeds give equal values.
#[derive(Debug)]
pub struct RepeatableEntropy(AtomicU64);

impl RepeatableEntropy {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for RepeatableEntropy {
    /// The generator `SplitMix64`: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    fn next_u64(&self) -> u64 {
        let state = self
            .0
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
