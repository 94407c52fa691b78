use jiff::Timestamp;

use crate::{Window, WorkingTime};

/// Whose way to the last production system is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LagBy {
    /// A release's: its version, or its digest where there is no version.
    #[default]
    Release,
    /// A source change's, for deployments that tell no release.
    Change,
}

/// What the further numbers are made for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FigureOptions {
    /// The window.
    pub window: Window,
    /// How far is known: what is not over is so at this moment. The end of the window, unless set.
    pub as_of: Timestamp,
    /// Which time counts.
    pub time: WorkingTime,
    /// The one component to look at; else all, and facts that name none.
    pub component: Option<String>,
    /// Whose lag is measured.
    pub lag_by: LagBy,
}

impl FigureOptions {
    /// All components in a window, in calendar time.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            as_of: window.end(),
            time: WorkingTime::Calendar,
            component: None,
            lag_by: LagBy::default(),
        }
    }

    /// What is known only up to a moment, such as now.
    #[must_use]
    pub fn as_of(mut self, at: Timestamp) -> Self {
        self.as_of = at;
        self
    }

    /// Counts this time, where time is work or waiting. What users or machines wait for is always calendar time.
    #[must_use]
    pub fn time(mut self, time: WorkingTime) -> Self {
        self.time = time;
        self
    }

    /// Looks at one component only.
    #[must_use]
    pub fn component(mut self, name: impl Into<String>) -> Self {
        self.component = Some(name.into());
        self
    }

    /// Measures the lag of these.
    #[must_use]
    pub fn lag_by(mut self, by: LagBy) -> Self {
        self.lag_by = by;
        self
    }

    pub(crate) fn shows(&self, component: Option<&str>) -> bool {
        match &self.component {
            Some(name) => component == Some(name),
            None => true,
        }
    }

    /// The end of what can be counted.
    pub(crate) fn horizon(&self) -> Timestamp {
        self.window.end().min(self.as_of)
    }
}
