use super::{counted, estate, further, numbers, survey, times, trends, waits};
use crate::page::{Band, Page, Section};
use crate::report::{Report, ReportPart};
use crate::{Delivery, Figure, Scope, ValueStream, show};

/// The page of a delivery: how the numbers are, whether they change, where the time goes, what is live where, and what
/// waited longest.
///
/// ```
/// use pipeline_metrics::page::{DeliveryPage, Section};
/// use pipeline_metrics::{Delivery, Facts, LogReader, Options, Report, ReportOptions};
///
/// let log = r#"
/// {"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
/// {"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned","changes":["a"]}
/// "#;
/// let mut facts = Facts::new();
/// LogReader::new("events.jsonl").read(log.as_bytes(), &mut facts)?;
/// let delivery = Delivery::of(&facts, &Options::default())?;
/// let window = delivery.everything().ok_or("nothing went live")?;
/// let report = Report::of(&delivery, &ReportOptions::new(window));
///
/// let page = DeliveryPage::new(&delivery, &report)
///     .title("Delivery of the shop")
///     .source("events.jsonl")
///     // What other crates can tell is a section.
///     .section(Section::new("Change outcomes").prose("One change, closed as successful."))
///     .page();
/// assert!(page.render()?.starts_with("<!doctype html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DeliveryPage<'a, 'f> {
    pub(super) delivery: &'a Delivery<'f>,
    pub(super) report: &'a Report<'f>,
    pub(super) figures: &'a [Figure],
    pub(super) stream: Option<&'a ValueStream>,
    pub(super) freezes: Vec<Band>,
    title: String,
    sources: Vec<String>,
    lead: Vec<String>,
    sections: Vec<Section>,
}

impl<'a, 'f> DeliveryPage<'a, 'f> {
    /// A page of a report and the delivery that it was made of.
    pub fn new(delivery: &'a Delivery<'f>, report: &'a Report<'f>) -> Self {
        Self {
            delivery,
            report,
            figures: &[],
            stream: None,
            freezes: Vec::new(),
            title: "Delivery".to_owned(),
            sources: Vec::new(),
            lead: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Its title; `Delivery`, unless set.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Names where the facts come from.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.sources.push(source.into());
        self
    }

    /// Says something before everything else.
    #[must_use]
    pub fn lead(mut self, line: impl Into<String>) -> Self {
        self.lead.push(line.into());
        self
    }

    /// Shows further numbers of the same window; the empty ones are left out.
    #[must_use]
    pub fn figures(mut self, figures: &'a [Figure]) -> Self {
        self.figures = figures;
        self
    }

    /// Draws a value stream.
    #[must_use]
    pub fn stream(mut self, stream: &'a ValueStream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Shows times in which other rules held in the trends.
    #[must_use]
    pub fn freezes(mut self, freezes: impl IntoIterator<Item = Band>) -> Self {
        self.freezes.extend(freezes);
        self
    }

    /// Adds what others can tell. It is left out when it is [empty](Section::is_empty).
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The page.
    pub fn page(&self) -> Page {
        let window = self.report.window;
        let calendar = &self.report.options.calendar;
        let mut page = Page::new(&self.title).lead(format!(
            "{} up to {}, in {}",
            show::day(window.start()),
            show::day(window.end()),
            calendar.time_zone
        ));
        if !self.sources.is_empty() {
            page = page.lead(format!("From {}", self.sources.join(", ")));
        }
        for line in &self.lead {
            page = page.lead(line);
        }
        if self.lead.is_empty() && self.parts().iter().all(|part| part.measures.deployments == 0) {
            page = page.lead("Nothing went live in this time, so there are no numbers of it.");
        }
        let trends = trends::all(self);
        if let Some((part, trends)) = self.whole().zip(trends.last()) {
            for headline in numbers::headlines(part, trends, self.report) {
                page = page.headline(headline);
            }
        }
        let ours = [
            numbers::by_part(self),
            trends::section(self, &trends),
            times::section(self),
            further::stream(self),
            estate::section(self),
        ];
        let after = [
            waits::section(self),
            further::section(self),
            survey::section(self),
            counted::section(self),
        ];
        for section in ours.into_iter().chain(self.sections.iter().cloned()).chain(after) {
            page = page.section(section);
        }
        page.note(format!(
            "Made by pipeline-metrics {}. Equal facts and options give an equal page.",
            env!("CARGO_PKG_VERSION")
        ))
    }

    /// The part that stands for everything: the whole, if it was asked for, or the only one.
    pub(super) fn whole(&self) -> Option<&'a ReportPart<'f>> {
        match (&self.report.overall, self.report.parts.as_slice()) {
            (Some(overall), _) => Some(overall),
            (None, [one]) => Some(one),
            (None, _) => None,
        }
    }

    /// All parts, the whole last.
    pub(super) fn parts(&self) -> Vec<&'a ReportPart<'f>> {
        self.report.all().collect()
    }
}

/// The part of the whole that was reported.
pub(super) fn scope<'p>(part: &'p ReportPart<'_>) -> Scope<'p> {
    match part.scope {
        "component" => Scope::Component(&part.name),
        "team" => Scope::Team(&part.name),
        "environment" => Scope::Environment(&part.name),
        _ => Scope::Overall,
    }
}
