use super::Width;
use super::canvas::{Canvas, Drawn, Ink, text_width};
use super::rows::Rows;
use crate::page::Table;
use crate::show;

/// Things by size, the largest first as a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What a row is, for the table: `service`.
    pub thing: String,
    /// What the numbers are, for the table.
    pub measure: String,
    /// The rows, from above.
    pub rows: Vec<BarRow>,
}

/// A row of [`Bars`].
#[derive(Debug, Clone, PartialEq)]
pub struct BarRow {
    /// What it is.
    pub label: String,
    /// How large it is, in any unit; not negative.
    pub value: f64,
    /// The size as a person reads it.
    pub text: String,
    /// Whether it asks for attention. The text must say why.
    pub signal: bool,
}

impl Bars {
    pub(crate) fn height(&self, width: Width) -> f64 {
        Rows::height(self.rows.len(), false, self.margin(), width)
    }

    pub(crate) fn table(&self, caption: &str) -> Table {
        let mut table = Table::new(caption).column(&self.thing).numbers(&self.measure);
        for row in &self.rows {
            table.push([&row.label, &row.text]);
        }
        table
    }

    pub(crate) fn description(&self) -> String {
        match self.rows.first() {
            None => format!("No {}.", self.thing),
            Some(first) => format!(
                "{}, the first is {}: {}.",
                show::several(self.rows.len(), &self.thing),
                show::shortened(&first.label),
                first.text
            ),
        }
    }

    /// How wide the widest text is.
    fn margin(&self) -> f64 {
        let texts = self.rows.iter().map(|row| text_width(&row.text));
        texts.fold(0.0, f64::max)
    }

    pub(crate) fn draw(&self, canvas: &Canvas<'_>, width: Width) -> Drawn {
        let rows = Rows::new(
            self.rows.iter().map(|row| row.label.as_str()),
            self.margin(),
            width,
        );
        let most = self.rows.iter().map(|row| row.value).fold(0.0, f64::max);
        for (place, row) in self.rows.iter().enumerate() {
            rows.label(canvas, place, &row.label)?;
            let share = if most > 0.0 { row.value / most } else { 0.0 };
            let (y, end) = (rows.y(place), rows.x(share).max(rows.left + 1.5));
            let ink = if row.signal { Ink::Signal } else { Ink::Data };
            canvas.rectangle((rows.left, y - 6.0), (end, y + 6.0), ink)?;
            canvas.title(&format!("{}: {}", row.label, row.text))?;
            rows.value(canvas, place, end, &row.text, Ink::Quiet)?;
        }
        Ok(())
    }
}
