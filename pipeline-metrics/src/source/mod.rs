//! Readers of what other systems write.

mod cdevents;
#[cfg(feature = "csv")]
mod csv;
mod error;

pub use cdevents::{CdEvents, CdEventsOptions};
#[cfg(feature = "csv")]
pub use csv::{
    CsvError, CsvField, CsvHeaderError, CsvHeaderProblem, CsvReader, CsvRows, CsvTime, MissingColumn,
};
pub use error::{RecordError, SourceError, SourceErrorKind, SourceSummary};
