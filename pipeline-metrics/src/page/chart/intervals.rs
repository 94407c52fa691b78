use super::Width;
use super::canvas::{Canvas, Drawn, Ink, text_width};
use super::rows::Rows;
use crate::Unit;
use crate::page::Table;
use crate::show;

/// Numbers of several things, with the intervals in which they plausibly lie: those that overlap are not told apart
/// by the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// What the rows are, for the table.
    pub things: String,
    /// The unit of the numbers.
    pub unit: Unit,
    /// How far the intervals can be trusted: `95 %`.
    pub confidence: String,
    /// The rows, from above.
    pub rows: Vec<IntervalRow>,
}

/// A row of [`Intervals`].
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRow {
    /// What it is.
    pub label: String,
    /// The number; `None` when nothing was observed.
    pub value: Option<f64>,
    /// The interval. An upper end of `None` lies beyond what was seen.
    pub interval: Option<(f64, Option<f64>)>,
    /// What the number is made of: `9 of 84`.
    pub made_of: String,
}

impl Intervals {
    pub(crate) fn height(&self, width: Width) -> f64 {
        Rows::height(self.rows.len(), true, self.margin(), width)
    }

    pub(crate) fn table(&self, caption: &str) -> Table {
        let mut table = Table::new(caption)
            .column(&self.things)
            .numbers("value")
            .numbers(format!("{} interval", self.confidence))
            .numbers("made of");
        for row in &self.rows {
            let interval = row.interval.map(|(low, high)| show::range(low, high, self.unit));
            table.push([
                row.label.clone(),
                show::number(row.value, self.unit),
                interval.unwrap_or_else(|| show::NOTHING.to_owned()),
                row.made_of.clone(),
            ]);
        }
        table
    }

    pub(crate) fn description(&self) -> String {
        let seen = || self.rows.iter().filter_map(|row| Some((row.value?, row)));
        let least = seen().min_by(|a, b| a.0.total_cmp(&b.0));
        let most = seen().max_by(|a, b| a.0.total_cmp(&b.0));
        let Some(((low, least), (high, most))) = least.zip(most) else {
            return "Nothing was observed.".to_owned();
        };
        format!(
            "{} {} with {} intervals, from {} ({}) to {} ({}).",
            self.rows.len(),
            self.things,
            self.confidence,
            show::number(Some(low), self.unit),
            show::shortened(&least.label),
            show::number(Some(high), self.unit),
            show::shortened(&most.label)
        )
    }

    fn texts(&self) -> Vec<String> {
        let numbers = self.rows.iter().map(|row| show::number(row.value, self.unit));
        numbers.collect()
    }

    /// How wide the widest text is.
    fn margin(&self) -> f64 {
        self.texts()
            .iter()
            .map(|text| text_width(text))
            .fold(0.0, f64::max)
    }

    pub(crate) fn draw(&self, canvas: &Canvas<'_>, width: Width) -> Drawn {
        let texts = self.texts();
        let rows = Rows::new(
            self.rows.iter().map(|row| row.label.as_str()),
            self.margin() + 3.0,
            width,
        );
        let seen = self.rows.iter().flat_map(|row| {
            let (low, high) = row.interval.map_or((None, None), |(low, high)| (Some(low), high));
            [row.value, low, high]
        });
        // One interval that reaches far must not press all others together.
        let most = seen.flatten().fold(0.0, f64::max);
        let largest = self.rows.iter().filter_map(|row| row.value).fold(0.0, f64::max);
        let most = if largest > 0.0 {
            most.min(2.5 * largest)
        } else {
            most
        };
        let ticks = show::ticks(most, self.unit);
        let end = ticks.last().map_or(1.0, |(end, _)| *end).max(f64::MIN_POSITIVE);
        let shares: Vec<_> = ticks.into_iter().map(|(at, text)| (at / end, text)).collect();
        rows.axis(canvas, &shares)?;
        for (place, (row, text)) in self.rows.iter().zip(&texts).enumerate() {
            rows.label(canvas, place, &row.label)?;
            let y = rows.y(place);
            if let Some((low, high)) = row.interval {
                let (from, to) = (rows.x(low / end), rows.x(high.map_or(1.0, |high| high / end)));
                canvas.rectangle((from, y - 4.0), (to.max(from + 1.0), y + 4.0), Ink::Pale)?;
                canvas.line((from, y), (to, y), Ink::Data, 1.0)?;
                canvas.line((from, y - 4.0), (from, y + 4.0), Ink::Data, 1.0)?;
                if high.is_some_and(|high| high <= end) {
                    canvas.line((to, y - 4.0), (to, y + 4.0), Ink::Data, 1.0)?;
                } else {
                    // It goes on.
                    canvas.polygon(&[(to, y - 4.0), (to + 5.0, y), (to, y + 4.0)], Ink::Data)?;
                }
            }
            if let Some(value) = row.value {
                canvas.dot((rows.x(value / end), y), 3.5, Ink::Data)?;
                let interval = row.interval.map(|(low, high)| show::range(low, high, self.unit));
                let interval =
                    interval.map_or_else(String::new, |range| format!(", {}: {range}", self.confidence));
                canvas.title(&format!("{}: {text}{interval}", row.label))?;
            }
            rows.value(canvas, place, rows.right + 3.0, text, Ink::Strong)?;
        }
        Ok(())
    }
}
