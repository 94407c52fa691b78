use std::fmt;

use pipeline_core::Timestamp;
use serde::Serialize;

pub(crate) const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

/// A span of time: `start` belongs to it, `end` does not. Never empty.
///
/// ```
/// use pipeline_metrics::Window;
///
/// let week = Window::week_of("2025-01-08T12:00:00Z".parse()?);
/// assert_eq!(week.to_string(), "2025-01-06T00:00:00Z up to 2025-01-13T00:00:00Z");
/// assert!(week.contains(week.start()) && !week.contains(week.end()));
/// assert_eq!(week.days(), 7.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl Window {
    /// The span from `start` up to and without `end`.
    ///
    /// # Errors
    ///
    /// When it does not end after it starts.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, WindowError> {
        if start < end {
            Ok(Self { start, end })
        } else {
            Err(WindowError { start, end })
        }
    }

    /// The ISO week with this moment: from Monday, 00:00 UTC, for seven days.
    ///
    /// At the two ends of what a [`Timestamp`] can express, the week is cut short there.
    pub fn week_of(at: Timestamp) -> Self {
        // The first of January 1970 was a Thursday, three days after a Monday.
        let start = (day_of(at) - (day_of(at) + 3).rem_euclid(7)) * DAY;
        Self {
            start: Timestamp::from_second(start).unwrap_or(Timestamp::MIN),
            end: Timestamp::from_second(start + WEEK).unwrap_or(Timestamp::MAX),
        }
    }

    /// The first moment that belongs to it.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first moment after it.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// Whether the moment belongs to it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// How long it is, in days of 24 hours.
    pub fn days(&self) -> f64 {
        self.end.duration_since(self.start).as_secs_f64() / DAY as f64
    }

    /// Those of some items, sorted by time, that lie within.
    pub(crate) fn slice<'a, T>(&self, sorted: &'a [T], at: impl Fn(&T) -> Timestamp) -> &'a [T] {
        let from = sorted.partition_point(|item| at(item) < self.start);
        let to = sorted.partition_point(|item| at(item) < self.end);
        &sorted[from..to]
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} up to {}", self.start, self.end)
    }
}

/// The number of the UTC day with this moment, from 1970-01-01.
pub(crate) fn day_of(at: Timestamp) -> i64 {
    // Before 1970 a fraction of a second counts downwards, and belongs to the second below.
    let second = at.as_second() - i64::from(at.subsec_nanosecond() < 0);
    second.div_euclid(DAY)
}

/// A window that holds no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a window must end after it starts, and {end} is not after {start}")]
pub struct WindowError {
    /// The start.
    pub start: Timestamp,
    /// The end.
    pub end: Timestamp,
}
