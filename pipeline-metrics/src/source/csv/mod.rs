//! Tables with named columns.

mod field;
mod header;
mod reader;
mod row;

pub use field::{CsvField, CsvRows, CsvTime};
pub use header::{CsvHeaderError, CsvHeaderProblem, MissingColumn};
pub use reader::{CsvError, CsvReader};
