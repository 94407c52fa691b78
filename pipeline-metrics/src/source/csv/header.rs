use std::fmt;
use std::io;
use std::sync::Arc;

use super::CsvField;

/// A table whose header does not fit.
#[derive(Debug, thiserror::Error)]
#[error("cannot read table `{file}`")]
pub struct CsvHeaderError {
    /// The name of the file.
    pub file: Arc<str>,
    /// Why.
    #[source]
    pub kind: CsvHeaderProblem,
}

/// Why a header does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvHeaderProblem {
    /// The system could not read it, or it is no text.
    #[error("reading the header failed")]
    Read(#[source] io::Error),
    /// It is empty.
    #[error("there is no header: the first row has to name the columns")]
    Empty,
    /// Columns that are needed are not there.
    #[error("{}; its columns are {}", list(missing), quoted(columns))]
    Missing {
        /// Those that are not there.
        missing: Vec<MissingColumn>,
        /// Those that are.
        columns: Vec<String>,
    },
    /// There is one column, and it looks like several.
    #[error("`{header}` is one column: what stands between two fields is set to `{delimiter}`")]
    OneColumn {
        /// The column.
        header: String,
        /// What was expected between two fields.
        delimiter: char,
    },
    /// Two columns have one name, so which one is meant is not known.
    #[error("there are two columns `{0}`")]
    Twice(String),
    /// A field is mapped that rows of this kind do not have.
    #[error("a {rows} has no `{field}`; it has {}", names(fields))]
    NoSuchField {
        /// What the rows are.
        rows: &'static str,
        /// The field.
        field: CsvField,
        /// What there is.
        fields: Vec<CsvField>,
    },
}

/// A column that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingColumn {
    /// What it is called.
    pub column: String,
    /// The field that it is for.
    pub field: CsvField,
    /// The column with the nearest name, if one is near.
    pub nearest: Option<String>,
}

impl fmt::Display for MissingColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no column `{}`", self.column)?;
        if self.column != self.field.name() {
            write!(f, " for `{}`", self.field)?;
        }
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest is `{nearest}`"),
            None => Ok(()),
        }
    }
}

fn quoted(names: &[String]) -> String {
    let texts: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    texts.join(", ")
}

fn list(missing: &[MissingColumn]) -> String {
    let texts: Vec<_> = missing.iter().map(ToString::to_string).collect();
    texts.join(", and ")
}

fn names(fields: &[CsvField]) -> String {
    let texts: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
    texts.join(", ")
}

/// The name most like one, if any is like it.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LIKE: f64 = 0.8;
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let wanted = plain(name);
    let scored = names.map(|other| (strsim::jaro_winkler(&wanted, &plain(other)), other));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= LIKE).then_some(best.1)
}
