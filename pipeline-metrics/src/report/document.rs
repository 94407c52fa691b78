use serde::Serialize;

use crate::report::{ReportOptions, ReportPart};
use crate::stats::Confidence;
use crate::{Delivery, FactRef, LeftOut, Options, Problem, Scope, Window};

/// The numbers of a window, each with how far it can be trusted and what is behind it.
///
/// As JSON (`serde_json::to_string(&report)`) it stands alone; [`json_schema`](crate::json_schema) says what is in
/// it. `format` rises when a reader of the old form would misread the new one; new fields do not raise it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report<'f> {
    /// The version of the JSON form: 2.
    pub format: u32,
    /// The window.
    pub window: Window,
    /// How far intervals can be trusted, 0 to 1.
    pub confidence: Confidence,
    /// The options that the numbers were made with.
    pub options: Options,
    /// The numbers of each part that has facts in the window: components by name, unless others were asked for.
    pub parts: Vec<ReportPart<'f>>,
    /// All components taken together, when [asked](ReportOptions::with_overall).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overall: Option<ReportPart<'f>>,
    /// Facts of the window that belong to no component.
    pub unplaced: Vec<LeftOut<'f>>,
    /// What could not be read, of any time, since an unreadable fact tells no time.
    pub problems: Vec<Problem<'f>>,
    /// Deployments of any time that were told in different ways under one id; each counts once, as named here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retold: Vec<FactRef<'f>>,
}

impl<'f> Report<'f> {
    /// The numbers of a window.
    pub fn of(delivery: &Delivery<'f>, options: &ReportOptions<'_>) -> Self {
        let part = |scope: &Scope<'_>| ReportPart::of(delivery, scope, options);
        let parts = match &options.scopes {
            Some(scopes) => scopes.iter().map(part).collect(),
            None => delivery
                .components()
                .map(|name| part(&Scope::Component(name)))
                .filter(|part| !part.is_empty())
                .collect(),
        };
        Self {
            format: 2,
            window: options.window,
            confidence: options.confidence,
            options: delivery.options().clone(),
            parts,
            overall: options.overall.then(|| part(&Scope::Overall)),
            unplaced: delivery.unplaced(options.window),
            problems: delivery.facts().problems().collect(),
            retold: delivery.facts().retold_deployments().collect(),
        }
    }

    /// The numbers of a part by its name.
    pub fn part(&self, name: &str) -> Option<&ReportPart<'f>> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// All parts, and the whole last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ReportPart<'f>> {
        self.parts.iter().chain(&self.overall)
    }
}
