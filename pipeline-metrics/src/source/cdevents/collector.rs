use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use super::event::{self, CdEvent, Parsed};
use super::text::{self, Piece, PieceError, Texts};
use crate::source::{RecordError, SourceError, SourceErrorKind, SourceSummary};
use crate::{Facts, Flow, Origin};

/// What a reader of `CDEvents` does where the vocabulary leaves a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CdEventsOptions {
    /// Whether it stops at the first event that does not fit.
    pub strict: bool,
    /// Whether `service.published` is a deployment too, for senders that send no `service.deployed`.
    pub published_deploys: bool,
    /// The component of an incident that names no service.
    pub component: Option<String>,
}

/// Reads [`CDEvents`](https://cdevents.dev), versions 0.3 to 0.5 and the draft of 0.6: events as JSON, one on a line, in
/// an array or one after another, by themselves or as the data of `CloudEvents`.
///
/// | event | what it becomes |
/// |---|---|
/// | `change.merged` | a change, committed when it was merged; `created` and `reviewed` are its phases |
/// | `artifact.packaged` | the link from an artifact to its change |
/// | `service.deployed`, `service.upgraded` | a deployment that went live; it brings the changes of its artifact |
/// | `service.rolledback` | a rollback from the artifact that was live there before |
/// | `service.removed` | a [`Removal`](crate::Removal) |
/// | `service.published` | a deployment, if [asked](CdEventsOptions::published_deploys) |
/// | `incident.detected`, `.reported` | an incident, the fault of the last deployment of its artifact there |
/// | `incident.resolved` | its end |
/// | `taskrun.*`, `build.*`, `testsuiterun.*`, and `pipelinerun.*` of runs without tasks | a [`StageTime`](crate::StageTime), and of `queued` a [`Wait`](crate::Wait) |
/// | `approval.*` (draft) | a wait for an approval |
/// | `environment.*` | an [`EnvironmentFact`](crate::EnvironmentFact) |
///
/// Every other event is in order and counted as not used. The vocabulary has no commit times: lead time starts
/// when a change was merged. A change that no deployed artifact names belongs to its repository.
///
/// Some facts need several events, maybe of several files, so first everything is read, then the
/// [facts](Self::facts) are taken. The order of events and files does not matter, and repetition does not either.
///
/// ```
/// use pipeline_metrics::{CdEvents, CdEventsOptions, Facts, Flow};
///
/// let log = r#"
/// {"context":{"id":"1","source":"/git","type":"dev.cdevents.change.merged.0.3.0","timestamp":"2025-01-06T08:00:00Z"},
///  "subject":{"id":"81899a8","content":{"repository":{"id":"shop.git"}}}}
/// {"context":{"id":"2","source":"/ci","type":"dev.cdevents.artifact.packaged.0.3.0","timestamp":"2025-01-06T09:00:00Z"},
///  "subject":{"id":"pkg:oci/shop@1","content":{"change":{"id":"81899a8"}}}}
/// {"context":{"id":"3","source":"/cd","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2025-01-06T12:00:00Z"},
///  "subject":{"id":"shop","content":{"environment":{"id":"production"},"artifactId":"pkg:oci/shop@1"}}}
/// {"context":{"id":"4","source":"/ci","type":"dev.cdevents.branch.created.0.3.0","timestamp":"2025-01-06T12:00:00Z"},
///  "subject":{"id":"main","content":{}}}
/// "#;
/// let mut events = CdEvents::new(CdEventsOptions::default());
/// let read = events.read("events.json", log.as_bytes())?;
/// assert_eq!((read.used, read.unused["branch.created"], read.bad), (3, 1, 0));
///
/// let (mut facts, mut flow) = (Facts::new(), Flow::new());
/// events.facts(&mut facts, &mut flow);
/// assert_eq!(facts.deployments().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CdEvents {
    pub(super) options: CdEventsOptions,
    /// Each once, with where it was read first.
    pub(super) events: BTreeMap<CdEvent, Origin>,
    problems: BTreeMap<Origin, Arc<RecordError>>,
}

impl CdEvents {
    /// Nothing read yet.
    pub fn new(options: CdEventsOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Reads a file, an answer of a server: whatever holds events. Lines are read one by one; an array is held in
    /// memory.
    ///
    /// # Errors
    ///
    /// When it cannot be read further: the system fails, or what is not one event on a line is no JSON from
    /// some line on. A strict reader stops at the first event that does not fit. What was read before counts.
    pub fn read(&mut self, file: &str, mut input: impl BufRead) -> Result<SourceSummary, SourceError> {
        let file: Arc<str> = file.into();
        let mut summary = SourceSummary::default();
        let error = |line, kind| SourceError {
            file: Arc::clone(&file),
            line,
            kind,
        };
        let failed = |(line, source)| error(line, SourceErrorKind::Read(source));
        let (mut bytes, first) = match text::sniff(&mut input).map_err(failed)? {
            Texts::None => return Ok(summary),
            Texts::Lines(bytes, line) => (bytes, line),
            Texts::Whole(bytes, line) => {
                let take = |piece: Piece<'_>| {
                    let result = event::parse(piece.text);
                    self.take(&file, piece.line, result, &mut summary)
                };
                return match text::pieces(&bytes, line, take) {
                    Ok(()) => Ok(summary),
                    Err(PieceError::Taken(error)) => Err(error),
                    Err(PieceError::Form(line, source)) => {
                        Err(error(line, SourceErrorKind::Record(RecordError::Form(source))))
                    }
                };
            }
        };
        for line in first.. {
            let text = bytes.trim_ascii();
            if !text.is_empty() {
                let result = std::str::from_utf8(text).map_err(|_| RecordError::NotText);
                self.take(&file, line, result.and_then(event::parse), &mut summary)?;
            }
            bytes.clear();
            let read = input.read_until(b'\n', &mut bytes);
            if read.map_err(|source| error(line + 1, SourceErrorKind::Read(source)))? == 0 {
                break;
            }
        }
        Ok(summary)
    }

    fn take(
        &mut self,
        file: &Arc<str>,
        line: u64,
        result: Result<Parsed, RecordError>,
        summary: &mut SourceSummary,
    ) -> Result<(), SourceError> {
        let origin = Origin::Line {
            file: Arc::clone(file),
            line,
        };
        let published = |event: &CdEvent| event.kind == "service" && event.predicate == "published";
        match result.and_then(checked) {
            Ok(Parsed::Event(event)) if published(&event) && !self.options.published_deploys => {
                *summary.unused.entry("service.published".to_owned()).or_default() += 1;
            }
            Ok(Parsed::Event(event)) => {
                summary.used += 1;
                let place = self.events.entry(*event).or_insert_with(|| origin.clone());
                if origin < *place {
                    *place = origin;
                }
            }
            Ok(Parsed::Unused(kind)) => *summary.unused.entry(kind).or_default() += 1,
            Err(source) if self.options.strict => {
                return Err(SourceError {
                    file: Arc::clone(file),
                    line,
                    kind: SourceErrorKind::Record(source),
                });
            }
            Err(error) => {
                summary.bad += 1;
                self.problems.insert(origin, Arc::new(error));
            }
        }
        Ok(())
    }

    /// Takes what was read so far. To take it again, or more of it later, changes nothing but what is new.
    pub fn facts(&self, facts: &mut Facts, flow: &mut Flow) {
        for (origin, error) in &self.problems {
            facts.add_problem(origin.as_source(), error);
        }
        self.join(facts, flow);
    }
}

/// Refuses an event that lacks what its kind has to have.
fn checked(parsed: Parsed) -> Result<Parsed, RecordError> {
    let Parsed::Event(event) = &parsed else {
        return Ok(parsed);
    };
    let content = &event.content;
    let missing = match (&*event.kind, &*event.predicate) {
        ("service", _) if content.environment.is_none() => "environment",
        _ if event.subject.is_empty() => "subject.id",
        _ => return Ok(parsed),
    };
    Err(RecordError::Missing {
        kind: format!("{}.{}", event.kind, event.predicate),
        field: missing,
    })
}
