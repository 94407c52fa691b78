use serde::Serialize;

use crate::{Delivery, LeftOut, Measures, Problem, Window};

/// What a [`Report`] is about.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    window: Window,
    overall: bool,
}

impl ReportOptions {
    /// All components, each for itself, in a window.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            overall: false,
        }
    }

    /// With numbers over all components taken together.
    ///
    /// DORA advises against it: the metrics are of one application or service, and blending hides which.
    #[must_use]
    pub fn with_overall(mut self) -> Self {
        self.overall = true;
        self
    }
}

/// The numbers of a window, each with the facts behind it. It borrows them from the
/// [`Facts`](crate::Facts).
///
/// As JSON (`serde_json::to_string(&report)`) it stands alone. `format` rises when a reader of the old form
/// would misread the new one; new fields do not raise it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report<'f> {
    /// The version of the JSON form: 1.
    pub format: u32,
    /// The window.
    pub window: Window,
    /// The components that have facts in the window, by name.
    pub components: Vec<ComponentReport<'f>>,
    /// All components taken together, when [asked](ReportOptions::with_overall).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overall: Option<Measures<'f>>,
    /// Facts of the window that belong to no component.
    pub unplaced: Vec<LeftOut<'f>>,
    /// What could not be read, of any time, since an unreadable fact tells no time.
    pub problems: Vec<&'f Problem>,
}

/// The numbers of one component.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentReport<'f> {
    /// The component.
    pub component: &'f str,
    /// Its numbers.
    pub measures: Measures<'f>,
}

impl<'f> Report<'f> {
    pub(crate) fn of(delivery: &Delivery<'f>, options: &ReportOptions) -> Self {
        let window = options.window;
        let components = delivery
            .components(window)
            .filter(|(_, measures)| !measures.is_empty())
            .map(|(component, measures)| ComponentReport { component, measures });
        Self {
            format: 1,
            window,
            components: components.collect(),
            overall: options.overall.then(|| delivery.overall(window)),
            unplaced: delivery.unplaced(window),
            problems: delivery.facts().problems().collect(),
        }
    }

    /// One component's numbers; `None` when it has no facts in the window.
    pub fn component(&self, name: &str) -> Option<&Measures<'f>> {
        let found = self.components.iter().find(|each| each.component == name);
        found.map(|each| &each.measures)
    }
}
