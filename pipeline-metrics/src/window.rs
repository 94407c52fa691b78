use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::calendar::DAY;
use crate::moment::{micros, timestamp};

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
        let day = micros(at).div_euclid(DAY);
        let monday = day - (day + 3).rem_euclid(7);
        Self::of_micros(monday * DAY, (monday + 7) * DAY)
    }

    /// At the two ends of what a [`Timestamp`] can express, it is cut short there.
    pub(crate) fn of_micros(start: i64, end: i64) -> Self {
        Self {
            start: timestamp(start),
            end: timestamp(end),
        }
    }

    pub(crate) fn micros(&self) -> (i64, i64) {
        (micros(self.start), micros(self.end))
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
        self.end.duration_since(self.start).as_secs_f64() / 86_400.0
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} up to {}", self.start, self.end)
    }
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
