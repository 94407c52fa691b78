use std::fmt;

use pipeline_core::Timestamp;
use serde::{Deserialize, Serialize};

/// When a change is planned to be carried out: from `start` on and before `end`, each if it is set.
///
/// The end itself is outside, as with every span of time in these crates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedWindow {
    /// From when on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

/// Where a time lies with regard to a [`PlannedWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPlace {
    /// The window begins at this time.
    Before(Timestamp),
    /// Work may be done.
    Inside,
    /// The window ended at this time.
    After(Timestamp),
}

impl PlannedWindow {
    /// Where a time lies.
    ///
    /// ```
    /// use pipeline_change::{PlannedWindow, WindowPlace};
    ///
    /// let start = "2026-11-20T20:00:00Z".parse()?;
    /// let window = PlannedWindow { start: Some(start), end: None };
    /// assert_eq!(window.place("2026-11-20T19:59:59Z".parse()?), WindowPlace::Before(start));
    /// assert_eq!(window.place(start), WindowPlace::Inside);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn place(&self, now: Timestamp) -> WindowPlace {
        match (self.start, self.end) {
            (_, Some(end)) if now >= end => WindowPlace::After(end),
            (Some(start), _) if now < start => WindowPlace::Before(start),
            _ => WindowPlace::Inside,
        }
    }
}

impl fmt::Display for PlannedWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.end) {
            (None, None) => f.write_str("at any time"),
            (Some(start), None) => write!(f, "from {start} on"),
            (None, Some(end)) => write!(f, "before {end}"),
            (Some(start), Some(end)) => write!(f, "from {start} until {end}"),
        }
    }
}
