use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::sync::Arc;

use pipeline_core::Timestamp;
use serde::Deserialize;

use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactId, FactSource, Facts, Incident, Recovery,
};

/// Reads a delivery log: one JSON object on a line, for delivery that no journal of ours saw.
///
/// Every line has `type`, `ts` (RFC 3339) and `service`, which is the component. Then, by type:
///
/// | type | `ts` | more |
/// |---|---|---|
/// | `change` | committed | `sha` |
/// | `deployment` | finished | `id`, `environment`, `result` (`success`, `failure`), `kind` (`planned`, `hotfix`, `rollback`, `rework`), `changes` (shas; may be absent), `started` (may be absent) |
/// | `incident_opened` | opened | `id`, `deployment` (its id; may be absent) |
/// | `incident_resolved` | over for users | `id` |
///
/// Other fields are ignored, and so are lines of white space only. The order of the lines does not matter.
///
/// A line that does not fit becomes a [`Problem`](crate::Problem) and is counted; a [strict](Self::strict)
/// reader stops at it.
///
/// ```
/// use pipeline_metrics::{Facts, LogReader};
///
/// let log = r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"81899a8"}
/// {"type":"change","ts":"yesterday","service":"shop","sha":"8af473a"}
/// "#;
/// let mut facts = Facts::new();
/// let read = LogReader::new("events.jsonl").read(log.as_bytes(), &mut facts)?;
/// assert_eq!((read.facts, read.bad_lines), (1, 1));
/// let problem = facts.problems().next().ok_or("no problem")?;
/// assert_eq!(problem.source.to_string(), "events.jsonl:2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogReader {
    file: Arc<str>,
    production: BTreeSet<String>,
    strict: bool,
}

/// What a [`LogReader`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSummary {
    /// How many lines were taken as facts.
    pub facts: u64,
    /// How many lines were not, and are problems now.
    pub bad_lines: u64,
}

impl LogReader {
    /// A reader that names the log so in [sources](FactSource), and takes the environment `production` for
    /// the one with users.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            production: BTreeSet::from(["production".to_owned()]),
            strict: false,
        }
    }

    /// Takes these environments, and no others, for those with users.
    #[must_use]
    pub fn production<'n>(mut self, environments: impl IntoIterator<Item = &'n str>) -> Self {
        self.production = environments.into_iter().map(str::to_owned).collect();
        self
    }

    /// Stops at the first line that does not fit.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Adds the log's facts and problems, line after line, without holding the log in memory.
    ///
    /// # Errors
    ///
    /// When the log cannot be read further, and in a strict reader when a line does not fit. The facts of
    /// the lines before have been added.
    pub fn read(&self, mut log: impl BufRead, facts: &mut Facts) -> Result<LogSummary, LogError> {
        let mut summary = LogSummary {
            facts: 0,
            bad_lines: 0,
        };
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let read = log.read_until(b'\n', &mut bytes);
            let read = read.map_err(|source| self.error(line, LogErrorKind::Read(source)))?;
            if read == 0 {
                break;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match self.fact(&bytes, line) {
                Ok(fact) => {
                    summary.facts += 1;
                    facts.add(fact);
                }
                Err(error) if self.strict => return Err(self.error(line, LogErrorKind::BadLine(error))),
                Err(error) => {
                    summary.bad_lines += 1;
                    facts.add_problem(self.source(line), &error);
                }
            }
        }
        Ok(summary)
    }

    fn source(&self, line: u64) -> FactSource {
        FactSource::Line {
            file: Arc::clone(&self.file),
            line,
        }
    }

    fn error(&self, line: u64, kind: LogErrorKind) -> LogError {
        LogError {
            file: Arc::clone(&self.file),
            line,
            kind,
        }
    }

    fn fact(&self, bytes: &[u8], line: u64) -> Result<Fact, LineError> {
        let source = self.source(line);
        let bytes = bytes.trim_ascii_end();
        // Serde would take an array for the fields in their order here.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(LineError::NoObject);
        }
        let text: Line<'_> = serde_json::from_slice(bytes).map_err(LineError::Form)?;
        let component = Arc::from(&*text.service.0);
        let missing = |field| LineError::Missing {
            kind: text.kind.name(),
            field,
        };
        let id = || {
            text.id
                .as_ref()
                .map(|id| FactId::from(&*id.0))
                .ok_or_else(|| missing("id"))
        };
        Ok(match text.kind {
            Kind::Change => Fact::Change(Change {
                component,
                sha: Arc::from(&*text.sha.as_ref().ok_or_else(|| missing("sha"))?.0),
                at: text.ts,
                source,
            }),
            Kind::Deployment => {
                let environment = &*text.environment.as_ref().ok_or_else(|| missing("environment"))?.0;
                let shas = text.changes.iter().flatten();
                Fact::Deployment(Deployment {
                    id: id()?,
                    component,
                    environment: environment.into(),
                    production: self.production.contains(environment),
                    finished: text.ts,
                    started: text.started,
                    result: text.result.ok_or_else(|| missing("result"))?,
                    kind: text.purpose.ok_or_else(|| missing("kind"))?,
                    revisions: shas.map(|sha| Arc::from(&*sha.0)).collect(),
                    release: None,
                    source,
                })
            }
            Kind::IncidentOpened => Fact::Incident(Incident {
                id: id()?,
                component,
                environment: None,
                opened: text.ts,
                deployment: text.deployment.as_ref().map(|id| FactId::from(&*id.0)),
                source,
            }),
            Kind::IncidentResolved => Fact::Recovery(Recovery {
                incident: id()?,
                at: text.ts,
                source,
            }),
        })
    }
}

/// A log that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("cannot read delivery log `{file}`, line {line}")]
pub struct LogError {
    /// The name of the log.
    pub file: Arc<str>,
    /// The number of the line, from 1.
    pub line: u64,
    /// Why.
    #[source]
    pub kind: LogErrorKind,
}

/// Why a log could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogErrorKind {
    /// The system could not read it.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// The line does not fit, and the reader is strict.
    #[error("the line does not fit")]
    BadLine(#[source] LineError),
}

/// A line that does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is no JSON object.
    #[error("not a JSON object")]
    NoObject,
    /// It is no JSON object of this form.
    #[error("not a line of a delivery log")]
    Form(#[source] serde_json::Error),
    /// It lacks something that its type needs.
    #[error("line of type `{kind}` without `{field}`")]
    Missing {
        /// The type of the line.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// The fields of all types of lines; which of them must be there depends on the type.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    ts: Timestamp,
    #[serde(borrow)]
    service: Text<'a>,
    #[serde(borrow)]
    sha: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    environment: Option<Text<'a>>,
    result: Option<DeploymentResult>,
    #[serde(rename = "kind")]
    purpose: Option<DeploymentKind>,
    started: Option<Timestamp>,
    #[serde(borrow)]
    changes: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    deployment: Option<Text<'a>>,
}

/// A text that is copied only when it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Change,
    Deployment,
    IncidentOpened,
    IncidentResolved,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Deployment => "deployment",
            Self::IncidentOpened => "incident_opened",
            Self::IncidentResolved => "incident_resolved",
        }
    }
}
