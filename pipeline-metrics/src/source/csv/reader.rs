use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::header::{CsvHeaderProblem, MissingColumn, nearest};
use super::row::Row;
use super::{CsvField, CsvHeaderError, CsvRows, CsvTime};
use crate::source::{RecordError, SourceError, SourceErrorKind, SourceSummary};
use crate::{CalendarError, Facts, Flow, Origin};

/// Reads a table whose first row names the columns: what the rows are and which column is which field is data,
/// so a mapping can be kept in a file.
///
/// A field without a mapping is looked for under its own name; a field may be set to one text for all rows
/// instead. Columns that nothing is mapped to are ignored. Empty places are absent.
///
/// | rows | have | may have |
/// |---|---|---|
/// | `changes` | `component`, `sha`, `at` | `first-commit`, `opened`, `reviewed`, `merged` |
/// | `deployments` | `id`, `component`, `environment`, `finished`, `result` | `started`, `kind`, `version`, `release`, `team`, `changes` |
/// | `incidents` | `id`, `component`, `started` | `finished`, `environment`, `deployment` |
/// | `stage-times` | `item`, `stage`, `started`, `finished` | `id`, `component`, `ready`, `spent`, `by`, `accurate` |
/// | `waits` | `item`, `cause`, `started` | `id`, `component`, `stage`, `by`, `finished` |
/// | `holds` | `environment`, `started` | `id`, `by`, `finished` |
/// | `manual-work` | `task`, `at` | `id`, `component`, `by`, `spent`, `automatable` |
///
/// ```
/// use pipeline_metrics::{CsvField, CsvReader, CsvRows, Facts, Flow};
///
/// let table = "\
/// deploy_id,app,stage,done,outcome
/// d1,shop,production,2025-01-06T12:00:00Z,OK
/// d2,shop,production,yesterday,OK
/// ";
/// let reader = CsvReader::new(CsvRows::Deployments)
///     .column(CsvField::Id, "deploy_id")
///     .column(CsvField::Component, "app")
///     .column(CsvField::Environment, "stage")
///     .column(CsvField::Finished, "done")
///     .column(CsvField::Result, "outcome")
///     .translate(CsvField::Result, "OK", "success");
/// let (mut facts, mut flow) = (Facts::new(), Flow::new());
/// let read = reader.read("deployments.csv", table.as_bytes(), &mut facts, &mut flow)?;
/// assert_eq!((read.used, read.bad), (1, 1));
/// let problem = facts.problems().next().ok_or("no problem")?;
/// assert_eq!(problem.source.to_string(), "deployments.csv:3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CsvReader {
    /// What the rows are.
    rows: CsvRows,
    /// The column of a field.
    #[serde(default)]
    columns: BTreeMap<CsvField, String>,
    /// What a field is in all rows.
    #[serde(default)]
    constants: BTreeMap<CsvField, String>,
    /// What a text in a field means.
    #[serde(default)]
    values: BTreeMap<CsvField, BTreeMap<String, String>>,
    /// How moments are written.
    #[serde(default)]
    time: CsvTime,
    /// What stands between two fields.
    #[serde(default = "comma")]
    delimiter: char,
    /// Whether it stops at the first row that does not fit.
    #[serde(default)]
    strict: bool,
}

fn comma() -> char {
    ','
}

/// Where a field of a row comes from.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Column(usize),
    Constant(String),
}

impl CsvReader {
    /// A reader of rows of this kind, with commas between fields, and columns that are called as the fields are.
    pub fn new(rows: CsvRows) -> Self {
        Self {
            rows,
            columns: BTreeMap::new(),
            constants: BTreeMap::new(),
            values: BTreeMap::new(),
            time: CsvTime::default(),
            delimiter: comma(),
            strict: false,
        }
    }

    /// What the rows are.
    pub fn rows(&self) -> CsvRows {
        self.rows
    }

    /// Takes a field from this column.
    #[must_use]
    pub fn column(mut self, field: CsvField, column: impl Into<String>) -> Self {
        self.columns.insert(field, column.into());
        self
    }

    /// Takes this for a field in all rows.
    #[must_use]
    pub fn constant(mut self, field: CsvField, text: impl Into<String>) -> Self {
        self.constants.insert(field, text.into());
        self
    }

    /// Takes a text in a field for another one.
    #[must_use]
    pub fn translate(mut self, field: CsvField, text: impl Into<String>, means: impl Into<String>) -> Self {
        self.values
            .entry(field)
            .or_default()
            .insert(text.into(), means.into());
        self
    }

    /// Reads moments that are written so.
    #[must_use]
    pub fn time(mut self, time: CsvTime) -> Self {
        self.time = time;
        self
    }

    /// Takes this ASCII character for what stands between two fields.
    #[must_use]
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Stops at the first row that does not fit.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Adds the facts and problems of a table, row after row.
    ///
    /// # Errors
    ///
    /// When the header does not fit, the time zone is unknown, or the table cannot be read further; in a strict reader also when a row
    /// does not fit. The facts of the rows before have been added.
    pub fn read(
        &self,
        file: &str,
        input: impl Read,
        facts: &mut Facts,
        flow: &mut Flow,
    ) -> Result<SourceSummary, CsvError> {
        let file: Arc<str> = file.into();
        let mut table = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(self.delimiter).unwrap_or(b','))
            .trim(csv::Trim::All)
            .from_reader(input.chain(&b"\n"[..]));
        let places = self.places(&mut table).map_err(|kind| CsvHeaderError {
            file: Arc::clone(&file),
            kind,
        })?;
        let clock = self.time.clock()?;
        let mut summary = SourceSummary::default();
        let mut record = csv::StringRecord::new();
        loop {
            let before = table.position().line();
            let result = table.read_record(&mut record);
            let line = first_line(before, table.position().line(), &record);
            let error = |kind| SourceError {
                file: Arc::clone(&file),
                line,
                kind,
            };
            let origin = Origin::Line {
                file: Arc::clone(&file),
                line,
            };
            let result = match result {
                Ok(false) => return Ok(summary),
                Ok(true) => {
                    let row = Row {
                        rows: self.rows,
                        places: &places,
                        values: &self.values,
                        clock: &clock,
                        record: &record,
                    };
                    row.add(&origin, facts, flow)
                }
                Err(problem) => match problem.kind() {
                    csv::ErrorKind::UnequalLengths {
                        expected_len, len, ..
                    } => Err(RecordError::Fields {
                        found: *len,
                        expected: *expected_len,
                    }),
                    csv::ErrorKind::Utf8 { .. } => Err(RecordError::NotText),
                    _ => return Err(error(SourceErrorKind::Read(io::Error::from(problem))).into()),
                },
            };
            match result {
                Ok(()) => summary.used += 1,
                Err(problem) if self.strict => {
                    return Err(error(SourceErrorKind::Record(problem)).into());
                }
                Err(problem) => {
                    summary.bad += 1;
                    facts.add_problem(origin.as_source(), &problem);
                }
            }
        }
    }

    /// Where the fields are, by the header.
    fn places(
        &self,
        table: &mut csv::Reader<impl Read>,
    ) -> Result<BTreeMap<CsvField, Place>, CsvHeaderProblem> {
        let header = table
            .headers()
            .map_err(|error| CsvHeaderProblem::Read(io::Error::from(error)))?;
        let names: Vec<&str> = header
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}'))
            .collect();
        if names.iter().all(|name| name.is_empty()) {
            return Err(CsvHeaderProblem::Empty);
        }
        let (needed, optional) = self.rows.fields();
        let all: Vec<CsvField> = needed.iter().chain(optional).copied().collect();
        let mapped = self
            .columns
            .keys()
            .chain(self.constants.keys())
            .chain(self.values.keys());
        if let Some(field) = mapped.copied().find(|field| !all.contains(field)) {
            return Err(CsvHeaderProblem::NoSuchField {
                rows: self.rows.noun(),
                field,
                fields: all,
            });
        }
        let mut places = BTreeMap::new();
        let mut missing = Vec::new();
        for field in all {
            if let Some(text) = self.constants.get(&field) {
                places.insert(field, Place::Constant(text.clone()));
                continue;
            }
            let mapped = self.columns.get(&field);
            let column = mapped.map_or(field.name(), |column| column);
            let mut found = names.iter().enumerate().filter(|(_, name)| **name == column);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => return Err(CsvHeaderProblem::Twice(column.to_owned())),
                (Some((place, _)), None) => {
                    places.insert(field, Place::Column(place));
                }
                (None, _) if mapped.is_some() || needed.contains(&field) => missing.push(MissingColumn {
                    column: column.to_owned(),
                    field,
                    nearest: nearest(column, names.iter().copied()).map(str::to_owned),
                }),
                (None, _) => {}
            }
        }
        if missing.is_empty() {
            return Ok(places);
        }
        if let [one] = names.as_slice()
            && one.contains([',', ';', '\t', '|'])
        {
            return Err(CsvHeaderProblem::OneColumn {
                header: (*one).to_owned(),
                delimiter: self.delimiter,
            });
        }
        Err(CsvHeaderProblem::Missing {
            missing,
            columns: names.into_iter().map(str::to_owned).collect(),
        })
    }
}

/// The line on which a row begins: the reader counts the empty lines before it as a part of it.
fn first_line(before: u64, after: u64, record: &csv::StringRecord) -> u64 {
    let breaks: usize = record.iter().map(|field| field.matches('\n').count()).sum();
    before + (after - before).saturating_sub(1 + breaks as u64)
}

/// A table that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// Its header does not fit.
    #[error(transparent)]
    Header(#[from] CsvHeaderError),
    /// Nobody knows the time zone of its moments.
    #[error(transparent)]
    Zone(#[from] CalendarError),
    /// It could not be read further.
    #[error(transparent)]
    Source(#[from] SourceError),
}
