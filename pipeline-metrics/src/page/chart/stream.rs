use super::Width;
use super::canvas::{Canvas, Drawn, Ink, Side, TEXT, fitted, text_width};
use crate::Unit;
use crate::page::Table;
use crate::show;

/// The steps of a value stream, one after another: how long each takes, and how much of that is work.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The steps in their order.
    pub blocks: Vec<BlockRow>,
}

/// A step of a [`Stream`].
#[derive(Debug, Clone, PartialEq)]
pub struct BlockRow {
    /// What it is.
    pub name: String,
    /// From taking the work to handing it off, in milliseconds.
    pub lead_ms: f64,
    /// How much of it is work, in milliseconds; `None` when nobody measured it.
    pub process_ms: Option<f64>,
    /// The share, 0 to 1, that the next step could use as it came.
    pub complete_accurate: Option<f64>,
    /// Steps of the same group go on at the same time.
    pub group: Option<String>,
}

const WIDE_ROW: f64 = 30.0;
const NARROW_ROW: f64 = 56.0;
const GAP: f64 = 8.0;

impl Stream {
    pub(crate) fn height(&self, width: Width) -> f64 {
        let row = if width.is_narrow() { NARROW_ROW } else { WIDE_ROW };
        row * self.blocks.len().max(1) as f64 + 4.0
    }

    pub(crate) fn table(&self, caption: &str) -> Table {
        let mut table = Table::new(caption)
            .column("step")
            .numbers("lead time")
            .numbers("process time")
            .numbers("complete and accurate")
            .column("at the same time");
        for block in &self.blocks {
            table.push([
                block.name.clone(),
                show::number(Some(block.lead_ms), Unit::Milliseconds),
                show::number(block.process_ms, Unit::Milliseconds),
                show::number(block.complete_accurate, Unit::Share),
                block.group.clone().unwrap_or_default(),
            ]);
        }
        table
    }

    pub(crate) fn description(&self) -> String {
        let longest = self.blocks.iter().max_by(|a, b| a.lead_ms.total_cmp(&b.lead_ms));
        longest.map_or_else(String::new, |longest| {
            let name = show::shortened(&longest.name);
            let time = show::number(Some(longest.lead_ms), Unit::Milliseconds);
            match self.blocks.len() {
                1 => format!("1 step: {name}, {time}."),
                steps => format!(
                    "{steps} steps in their order, each beginning where the one before ends. The longest is {name}, {time}."
                ),
            }
        })
    }

    /// Where each step begins, and when the last one is done: steps of a group begin together.
    fn places(&self) -> (Vec<f64>, f64) {
        let (mut places, mut begin, mut done) = (Vec::new(), 0.0, 0.0_f64);
        let mut before: Option<&str> = None;
        for block in &self.blocks {
            let group = block.group.as_deref();
            if group.is_none() || group != before {
                begin = done;
            }
            places.push(begin);
            done = done.max(begin + block.lead_ms);
            before = group;
        }
        (places, done)
    }

    pub(crate) fn draw(&self, canvas: &Canvas<'_>, width: Width) -> Drawn {
        let texts: Vec<_> = self.blocks.iter().map(BlockRow::text).collect();
        let narrow = width.is_narrow();
        let widest = |texts: &mut dyn Iterator<Item = &str>| texts.map(text_width).fold(0.0, f64::max);
        let names = widest(&mut self.blocks.iter().map(|block| block.name.as_str())).min(canvas.width * 0.3);
        let margin = widest(&mut texts.iter().map(String::as_str));
        let (left, right) = if narrow {
            (0.0, canvas.width)
        } else {
            (
                names + GAP,
                (canvas.width - margin - GAP).max(canvas.width * 0.45),
            )
        };
        let (places, done) = self.places();
        let x = |at: f64| left + at / done.max(f64::MIN_POSITIVE) * (right - left);
        for (place, (block, text)) in self.blocks.iter().zip(&texts).enumerate() {
            let row = if narrow { NARROW_ROW } else { WIDE_ROW };
            let top = row * place as f64 + 2.0;
            let y = if narrow { top + row - 12.0 } else { top + row / 2.0 };
            if narrow {
                let name = fitted(&block.name, canvas.width);
                canvas.text(&name, (0.0, top + TEXT / 2.0 + 3.0), Side::Right, Ink::Strong)?;
                canvas.text(text, (0.0, top + 1.7 * TEXT + 4.0), Side::Right, Ink::Quiet)?;
            } else {
                canvas.text(&fitted(&block.name, names), (names, y), Side::Left, Ink::Strong)?;
                canvas.text(text, (right + GAP, y), Side::Right, Ink::Quiet)?;
            }
            canvas.line((left, y), (right, y), Ink::Grid, 1.0)?;
            let begin = x(places[place]);
            let end = x(places[place] + block.lead_ms).max(begin + 2.0);
            canvas.rectangle((begin, y - 7.0), (end, y + 7.0), Ink::Pale)?;
            if let Some(process) = block.process_ms {
                let worked = x(places[place] + process).clamp(begin + 1.0, end);
                canvas.rectangle((begin, y - 7.0), (worked, y + 7.0), Ink::Data)?;
            }
        }
        Ok(())
    }
}

impl BlockRow {
    fn text(&self) -> String {
        let mut text = show::number(Some(self.lead_ms), Unit::Milliseconds);
        if let Some(process) = self.process_ms {
            text += &format!(", {} work", show::brief(process, Unit::Milliseconds));
        }
        if let Some(share) = self.complete_accurate {
            text += &format!(", {:.0} % usable", share * 100.0);
        }
        text
    }
}
