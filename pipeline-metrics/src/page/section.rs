use crate::page::Chart;

/// A part of a [`Page`](super::Page): a title, and below it what there is to say. All of it is text, and is escaped.
///
/// This is also the way for what other crates know to get into the page.
///
/// ```
/// use pipeline_metrics::page::{Page, Section, Table};
///
/// let outcomes = Section::new("Change outcomes")
///     .prose("Of 12 changes, 11 were closed as successful.")
///     .table(Table::new("Changes by outcome").column("outcome").numbers("changes").row(["successful", "11"]).row(["failed", "1"]));
/// let html = Page::new("Delivery of the shop").section(outcomes).render()?;
/// assert!(html.contains("<h2 id=\"change-outcomes\">Change outcomes</h2>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    pub(crate) title: String,
    pub(crate) prose: Vec<String>,
    pub(crate) chart: Option<Chart>,
    pub(crate) table: Option<Table>,
    pub(crate) parts: Vec<Section>,
    pub(crate) folded: bool,
}

impl Section {
    /// A section with nothing in it yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            prose: Vec::new(),
            chart: None,
            table: None,
            parts: Vec::new(),
            folded: false,
        }
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn prose(mut self, paragraph: impl Into<String>) -> Self {
        self.prose.push(paragraph.into());
        self
    }

    /// Shows a chart. Its numbers are in a table below it, whether or not there is another one.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Self {
        self.chart = Some(chart);
        self
    }

    /// Shows a table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.table = Some(table);
        self
    }

    /// Adds a section below it. Those with a chart stand beside each other where there is room.
    #[must_use]
    pub fn part(mut self, part: Self) -> Self {
        self.parts.push(part);
        self
    }

    /// Shows its title only, until a reader opens it; on paper it is open.
    #[must_use]
    pub fn folded(mut self, folded: bool) -> Self {
        self.folded = folded;
        self
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        let Self {
            title: _,
            prose,
            chart,
            table,
            parts,
            folded: _,
        } = self;
        let no_table = table.as_ref().is_none_or(|table| table.rows.is_empty());
        prose.is_empty() && chart.is_none() && no_table && parts.iter().all(Self::is_empty)
    }
}

/// Rows of text under columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// Whether it holds numbers, which stand below each other.
    pub numbers: bool,
}

impl Table {
    /// A table without columns yet.
    pub fn new(caption: impl Into<String>) -> Self {
        Self {
            caption: caption.into(),
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds a column of text.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>) -> Self {
        self.columns.push(Column {
            name: name.into(),
            numbers: false,
        });
        self
    }

    /// Adds a column of numbers.
    #[must_use]
    pub fn numbers(mut self, name: impl Into<String>) -> Self {
        self.columns.push(Column {
            name: name.into(),
            numbers: true,
        });
        self
    }

    /// Adds a row, whose first cell names it. Too few cells are filled up with empty ones, and what is too much has no
    /// column.
    #[must_use]
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.push(cells);
        self
    }

    pub(crate) fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<_> = cells
            .into_iter()
            .take(self.columns.len())
            .map(Into::into)
            .collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }
}
