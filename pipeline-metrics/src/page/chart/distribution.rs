use super::Width;
use super::canvas::{Canvas, Drawn, Ink, Side, TEXT, text_width};
use crate::Unit;
use crate::page::Table;
use crate::show;
use crate::stats::interpolated_quantile;

/// How many took how long. The classes are those that people think in: an hour, a day, a week.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// What is counted: `change`.
    thing: String,
    /// Sorted, in milliseconds.
    sorted: Vec<f64>,
}

const MINUTE: f64 = 60_000.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;
/// Where classes meet, and their names; the last class is open.
const EDGES: [(f64, &str); 16] = [
    (0.0, "0"),
    (5.0 * MINUTE, "5 min"),
    (15.0 * MINUTE, "15 min"),
    (HOUR, "1 h"),
    (4.0 * HOUR, "4 h"),
    (12.0 * HOUR, "12 h"),
    (DAY, "1 d"),
    (2.0 * DAY, "2 d"),
    (4.0 * DAY, "4 d"),
    (7.0 * DAY, "1 wk"),
    (14.0 * DAY, "2 wk"),
    (30.0 * DAY, "30 d"),
    (60.0 * DAY, "60 d"),
    (120.0 * DAY, "120 d"),
    (240.0 * DAY, "240 d"),
    (f64::INFINITY, ""),
];
const TOP: f64 = 42.0;
const BOTTOM: f64 = 26.0;
/// How wide a bar is at most.
const WIDEST: f64 = 110.0;

impl Distribution {
    /// Of times in milliseconds, in any order; negative ones and what is no number are not taken.
    pub fn of(thing: impl Into<String>, milliseconds: &[f64]) -> Self {
        let mut sorted: Vec<_> = milliseconds.iter().copied().filter(|time| *time >= 0.0).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            thing: thing.into(),
            sorted,
        }
    }

    pub(crate) fn height(width: Width) -> f64 {
        if width.is_narrow() { 200.0 } else { 220.0 }
    }

    /// How many are in each class, from the first to the last one with any; and which class is the first.
    fn classes(&self) -> (usize, Vec<usize>) {
        let below = |edge: f64| self.sorted.partition_point(|time| *time < edge);
        let counts: Vec<_> = EDGES
            .windows(2)
            .map(|edges| below(edges[1].0) - below(edges[0].0))
            .collect();
        let filled = |count: &usize| *count > 0;
        let first = counts.iter().position(filled).unwrap_or(0);
        let last = counts.iter().rposition(filled).unwrap_or(0);
        (first, counts[first..=last].to_vec())
    }

    /// The median and the time that 85 of 100 stay below.
    fn landmarks(&self) -> Vec<(f64, &'static str)> {
        // Of a few values the one says what the other does.
        let shares = [(0.5, "half within"), (0.85, "85 % within")];
        let shares = if self.sorted.len() < 4 {
            &shares[..1]
        } else {
            &shares[..]
        };
        shares
            .iter()
            .copied()
            .filter_map(|(share, name)| Some((interpolated_quantile(&self.sorted, share)?, name)))
            .collect()
    }

    pub(crate) fn table(&self, caption: &str) -> Table {
        let mut table = Table::new(caption)
            .column("time")
            .numbers(format!("{}s", self.thing))
            .numbers("share")
            .numbers("share up to here");
        let (first, counts) = self.classes();
        let (all, mut so_far) = (self.sorted.len().max(1) as f64, 0);
        for (place, count) in counts.iter().enumerate() {
            so_far += count;
            let [from, to] = [EDGES[first + place], EDGES[first + place + 1]];
            let class = match (place + first, to.0.is_finite()) {
                (0, _) => format!("less than {}", to.1),
                (_, true) => format!("{} to {}", from.1, to.1),
                (_, false) => format!("{} and more", from.1),
            };
            table.push([
                class,
                show::grouped(*count as u64),
                show::number(Some(*count as f64 / all), Unit::Share),
                show::number(Some(so_far as f64 / all), Unit::Share),
            ]);
        }
        table
    }

    pub(crate) fn description(&self) -> String {
        let landmarks: Vec<_> = self
            .landmarks()
            .into_iter()
            .map(|(time, name)| format!("{name} {}", show::duration(time)))
            .collect();
        format!(
            "{}: {}.",
            show::several(self.sorted.len(), &self.thing),
            landmarks.join(", ")
        )
    }

    pub(crate) fn draw(&self, canvas: &Canvas<'_>, _: Width) -> Drawn {
        let (first, counts) = self.classes();
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let bottom = canvas.height - BOTTOM;
        // A bar as wide as the page would say that there is much.
        let wide = (canvas.width / counts.len() as f64).min(WIDEST);
        let all = wide * counts.len() as f64;
        let top = |count: usize| bottom - count as f64 / most * (bottom - TOP - TEXT - 4.0);
        for (place, count) in counts.iter().enumerate() {
            let (left, right) = (wide * place as f64, wide * (place + 1) as f64);
            let top = top(*count);
            if *count > 0 {
                canvas.rectangle(
                    (left + 1.0, top.min(bottom - 1.0)),
                    (right - 1.0, bottom),
                    Ink::Data,
                )?;
            }
            let centre = (f64::midpoint(left, right), top - TEXT / 2.0 - 2.0);
            canvas.text(&show::grouped(*count as u64), centre, Side::Middle, Ink::Quiet)?;
        }
        canvas.line((0.0, bottom), (all, bottom), Ink::Quiet, 1.0)?;
        let mut free = f64::MIN;
        for (place, (_, name)) in EDGES[first..=first + counts.len()].iter().enumerate() {
            let half = text_width(name) / 2.0;
            let x = (wide * place as f64).clamp(half, canvas.width - half);
            if x - half >= free && !name.is_empty() {
                canvas.text(name, (x, bottom + 13.0), Side::Middle, Ink::Quiet)?;
                free = x + half + 5.0;
            }
        }
        // Where in its class a time lies: classes grow, and so does what is beside each other in one.
        let x = |time: f64| {
            let class = EDGES
                .partition_point(|(edge, _)| *edge <= time)
                .clamp(1, EDGES.len() - 1)
                - 1;
            let (from, to) = (EDGES[class].0, EDGES[class + 1].0);
            let within = if to.is_finite() {
                (time - from) / (to - from)
            } else {
                0.5
            };
            wide * ((class - first) as f64 + within)
        };
        for (line, (time, name)) in self.landmarks().into_iter().enumerate() {
            let text = format!("{name} {}", show::duration(time));
            let (at, y) = (x(time), 8.0 + 16.0 * line as f64);
            // The pointer ends above the number of its bar.
            let class = ((at / wide) as usize).min(counts.len() - 1);
            let end = top(counts[class]) - TEXT - 5.0;
            canvas.line((at, y + 7.0), (at, end - 3.0), Ink::Quiet, 1.0)?;
            canvas.polygon(
                &[(at - 3.0, end - 4.0), (at + 3.0, end - 4.0), (at, end)],
                Ink::Quiet,
            )?;
            let half = text_width(&text) / 2.0;
            let centre = at.clamp(half, (canvas.width - half).max(half));
            canvas.bold(&text, (centre, y), Side::Middle, Ink::Strong)?;
        }
        Ok(())
    }
}
