use jiff::Timestamp;

use crate::stats::Confidence;
use crate::{Scope, Window};

/// What a [`Report`](crate::Report) is about.
#[derive(Debug, Clone)]
pub struct ReportOptions<'a> {
    pub(crate) window: Window,
    pub(crate) scopes: Option<Vec<Scope<'a>>>,
    pub(crate) overall: bool,
    pub(crate) facts: bool,
    pub(crate) as_of: Timestamp,
    pub(crate) confidence: Confidence,
    pub(crate) seed: u64,
}

impl<'a> ReportOptions<'a> {
    /// All components, each for itself, in a window.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            scopes: None,
            overall: false,
            facts: false,
            as_of: window.end(),
            confidence: Confidence::default(),
            seed: 1,
        }
    }

    /// Only these parts of the whole, in this order.
    #[must_use]
    pub fn only(mut self, scopes: impl IntoIterator<Item = Scope<'a>>) -> Self {
        self.scopes = Some(scopes.into_iter().collect());
        self
    }

    /// With numbers over all components taken together.
    ///
    /// DORA advises against it: the metrics are of one application or service, and blending hides which.
    #[must_use]
    pub fn with_overall(mut self) -> Self {
        self.overall = true;
        self
    }

    /// With every fact that was counted or left out. Without it, a report has their numbers.
    #[must_use]
    pub fn with_facts(mut self) -> Self {
        self.facts = true;
        self
    }

    /// How far is known, such as now: until then, an open incident has lasted. The end of the window, unless set.
    #[must_use]
    pub fn as_of(mut self, at: Timestamp) -> Self {
        self.as_of = at;
        self
    }

    /// How far intervals can be trusted: 95 %, unless set.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// What the resampling of medians follows from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}
