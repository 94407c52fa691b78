//! Where facts come from, as a command line names it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use pipeline_metrics::{CsvField, CsvRows};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as WordError;

/// A source: `KIND:PLACE`, or a place alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceArg {
    /// What it is; `None` where its content or its name tells.
    pub kind: Option<SourceKind>,
    /// Where it is.
    pub place: Place,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// The journal of the store; it has no place.
    Journal,
    /// A delivery log: JSON lines.
    Log,
    /// `CDEvents`.
    CdEvents,
    /// A table of such rows.
    Table(CsvRows),
    /// The tags and reverts of a git repository, as this component.
    Git(Option<String>),
}

/// A file or a directory, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `-`
    Stdin,
    /// Anything else.
    Path(PathBuf),
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::Path(path)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for SourceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = |text: &str| Place::from(PathBuf::from(text));
        if text == "journal" {
            return Ok(Self {
                kind: Some(SourceKind::Journal),
                place: place(""),
            });
        }
        let named = text.split_once(':').map(|(word, rest)| (kind(word), rest));
        let Some((Some(kind), rest)) = named else {
            return Ok(Self {
                kind: None,
                place: place(text),
            });
        };
        let (kind, rest) = match (kind, rest.split_once('=')) {
            // `./a=b` is a directory.
            (SourceKind::Git(_), Some((name, rest))) if !name.contains('/') => {
                (SourceKind::Git(Some(name.to_owned())), rest)
            }
            (kind, _) => (kind, rest),
        };
        if rest.is_empty() {
            return Err(format!("`{text}` does not say where"));
        }
        let place = place(rest);
        if matches!((&kind, &place), (SourceKind::Git(_), Place::Stdin)) {
            return Err("a git repository is a directory".to_owned());
        }
        Ok(Self {
            kind: Some(kind),
            place,
        })
    }
}

fn kind(word: &str) -> Option<SourceKind> {
    match word {
        "log" => Some(SourceKind::Log),
        "cdevents" => Some(SourceKind::CdEvents),
        "git" => Some(SourceKind::Git(None)),
        word => named(word).ok().map(SourceKind::Table),
    }
}

/// What the library calls so.
fn named<'de, T: Deserialize<'de>>(word: &'de str) -> Result<T, WordError> {
    T::deserialize(word.into_deserializer())
}

/// Which columns of a table hold what: `incidents:id=number,started=opened_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnsArg {
    /// Of tables of such rows; of the only one, where it is not said.
    pub rows: Option<CsvRows>,
    /// The column of a field.
    pub columns: Vec<(CsvField, String)>,
}

impl FromStr for ColumnsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text
            .split_once(':')
            .and_then(|(word, rest)| Some((named(word).ok()?, rest)));
        let (rows, rest) = first.map_or((None, text), |(rows, rest)| (Some(rows), rest));
        let column = |pair: &str| {
            let (field, column) = pair.split_once('=').ok_or_else(|| {
                format!(
                    "`{pair}` is not FIELD=COLUMN; a column with a comma in its name needs a file of sources"
                )
            })?;
            let field = named(field.trim()).map_err(|error| error.to_string())?;
            Ok((field, column.trim().to_owned()))
        };
        Ok(Self {
            rows,
            columns: rest.split(',').map(column).collect::<Result<_, String>>()?,
        })
    }
}
