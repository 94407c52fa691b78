use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::Origin;

/// A number, or several that belong together, with what is behind them; in a form that can be shown by
/// somebody who knows nothing of the number.
///
/// Its JSON form is its fields. A value that was not observed is `null`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Names it for programs, and stays: `production-lag`.
    pub id: &'static str,
    /// Names it for people.
    pub title: &'static str,
    /// What it is, with the rule behind it.
    pub definition: &'static str,
    /// What was chosen where there is a choice, a sentence each.
    pub options: Vec<String>,
    /// The numbers, the one to report first.
    pub values: Vec<FigureValue>,
    /// The numbers taken apart.
    pub tables: Vec<FigureTable>,
    /// What was counted.
    pub counted: Vec<FigureItem>,
    /// What belongs there and was not counted.
    pub left_out: Vec<FigureLeftOut>,
    /// What a reader should know of these numbers, a sentence each.
    pub notes: Vec<String>,
}

/// One number of a [`Figure`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureValue {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// The number; `None` when nothing was observed.
    pub value: Option<f64>,
}

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// A number of things.
    Count,
    /// A share, 0 to 1.
    Share,
    /// A time, in milliseconds.
    Milliseconds,
    /// A number of things on a day of 24 hours.
    PerDay,
}

/// Numbers taken apart: rows under columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureTable {
    /// What it shows.
    pub title: &'static str,
    /// The columns.
    pub columns: Vec<FigureColumn>,
    /// The rows, each as long as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a [`FigureTable`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FigureColumn {
    /// Its head.
    pub name: &'static str,
    /// The unit of its numbers; `None` for text and moments.
    pub unit: Option<Unit>,
}

/// A place in a [`FigureTable`]. In JSON: the text, the number, the moment as RFC 3339, or `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A number in the unit of the column; `None` when nothing was observed.
    Number(Option<f64>),
    /// A moment.
    Time(Timestamp),
    /// Nothing belongs here, or it is not known.
    Empty,
}

impl Cell {
    pub(crate) fn text(text: impl fmt::Display) -> Self {
        Self::Text(text.to_string())
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Number(Some(count as f64))
    }
}

/// A fact behind a [`Figure`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FigureItem {
    /// What it is, such as `wait r1/deploy/approval@7`.
    pub what: String,
    /// Where it was read.
    pub source: Origin,
}

impl FigureItem {
    pub(crate) fn new(kind: &str, id: &dyn fmt::Display, source: &Origin) -> Self {
        Self {
            what: format!("{kind} {id}"),
            source: source.clone(),
        }
    }
}

/// A fact that belongs to a [`Figure`] and was not counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FigureLeftOut {
    /// The fact.
    pub item: FigureItem,
    /// Why not.
    pub reason: &'static str,
}

impl Figure {
    pub(crate) fn new(id: &'static str, title: &'static str, definition: &'static str) -> Self {
        Self {
            id,
            title,
            definition,
            options: Vec::new(),
            values: Vec::new(),
            tables: Vec::new(),
            counted: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether nothing was counted and nothing left out: there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.left_out.is_empty()
    }

    /// A number by its name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|value| value.name == name)?.value
    }

    /// A table by its title.
    pub fn table(&self, title: &str) -> Option<&FigureTable> {
        self.tables.iter().find(|table| table.title == title)
    }

    /// How many facts were left out for a reason.
    pub fn left_out_for(&self, reason: &str) -> usize {
        self.left_out.iter().filter(|left| left.reason == reason).count()
    }

    pub(crate) fn add_value(&mut self, name: &str, unit: Unit, value: Option<f64>) {
        self.values.push(FigureValue {
            name: name.to_owned(),
            unit,
            value,
        });
    }

    /// Adds a table, unless it has no rows.
    pub(crate) fn add_table(
        &mut self,
        title: &'static str,
        columns: &[(&'static str, Option<Unit>)],
        rows: Vec<Vec<Cell>>,
    ) {
        if rows.is_empty() {
            return;
        }
        debug_assert!(rows.iter().all(|row| row.len() == columns.len()));
        let columns = columns.iter().map(|&(name, unit)| FigureColumn { name, unit });
        self.tables.push(FigureTable {
            title,
            columns: columns.collect(),
            rows,
        });
    }

    pub(crate) fn count(&mut self, item: FigureItem) {
        self.counted.push(item);
    }

    pub(crate) fn leave_out(&mut self, item: FigureItem, reason: &'static str) {
        self.left_out.push(FigureLeftOut { item, reason });
    }
}
