//! Tables with named columns.

mod field;
mod header;
mod reader;
mod row;
mod time;

pub use field::{CsvField, CsvRows};
pub use header::{CsvHeaderError, CsvHeaderProblem, MissingColumn};
pub use reader::{CsvError, CsvReader};
pub use time::CsvTime;
