use jiff::Timestamp;

use super::Width;
use super::canvas::{Canvas, Drawn, Ink, Side, TEXT, text_width};
use crate::Unit;
use crate::page::Table;
use crate::show;
use crate::stats::{BehaviourChart, Limits};

/// Values over time with their natural limits, and what happened meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// The unit of the values.
    pub unit: Unit,
    /// What a value is of: `week`, `month`.
    pub bucket: String,
    /// When the time of each value begins; as many as the chart has points, in order.
    pub starts: Vec<Timestamp>,
    /// When the last one ends.
    pub end: Timestamp,
    /// The values and their limits.
    pub chart: BehaviourChart,
    /// What happened at a moment, such as incidents; all of one kind, by time.
    pub marks: Vec<Mark>,
    /// What lasted, such as freezes.
    pub bands: Vec<Band>,
}

/// Something that happened at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What, for the table.
    pub label: String,
}

/// Something that lasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// When it began.
    pub from: Timestamp,
    /// When it was over.
    pub to: Timestamp,
    /// What, for the drawing and the table.
    pub label: String,
}

const TOP: f64 = 26.0;
/// Below the values: the marks, then the dates.
const BOTTOM: f64 = 40.0;
const GAP: f64 = 6.0;
/// How far below the axis marks are.
const MARKS: f64 = 9.0;
/// How far apart two lines of text are.
const LINE: f64 = TEXT + 2.0;
/// How many pixels two marks are apart at least.
const APART: f64 = 2.0;

/// Where values and moments are in the drawing.
struct Scale {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    most: f64,
    from: f64,
    span: f64,
}

impl Scale {
    fn x(&self, at: f64) -> f64 {
        let share = ((at - self.from) / self.span).clamp(0.0, 1.0);
        self.left + share * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (value / self.most).clamp(0.0, 1.0) * (self.bottom - self.top)
    }
}

impl Trend {
    pub(crate) fn height(width: Width) -> f64 {
        if width.is_narrow() { 214.0 } else { 224.0 }
    }

    pub(crate) fn table(&self, caption: &str) -> Table {
        let mut table = Table::new(caption)
            .column(format!("{} from", self.bucket))
            .numbers("value")
            .numbers("moving range")
            .column("what it says")
            .column("meanwhile");
        for (place, point) in self.chart.points().iter().enumerate() {
            let Some((start, end)) = self.span(place) else {
                break;
            };
            let signals: Vec<_> = point.signals.iter().map(ToString::to_string).collect();
            let marks = || self.marks.iter().filter(|mark| start <= mark.at && mark.at < end);
            let bands = self
                .bands
                .iter()
                .filter(|band| band.from < end && start < band.to);
            let meanwhile = meanwhile(marks().map(|mark| mark.label.as_str()));
            let meanwhile: Vec<_> = meanwhile
                .into_iter()
                .chain(bands.map(|band| band.label.clone()))
                .collect();
            table.push([
                show::day(start),
                show::number(point.value, self.unit),
                show::number(point.range, self.unit),
                signals.join("; "),
                meanwhile.join("; "),
            ]);
        }
        table
    }

    pub(crate) fn description(&self) -> String {
        let seen = self
            .chart
            .points()
            .iter()
            .filter(|point| point.value.is_some())
            .count();
        let mut text = show::several(seen, &self.bucket);
        if let Some(first) = self.starts.first() {
            text += &format!(
                " with a value from {} to {}",
                show::day(*first),
                show::day(self.end)
            );
        }
        if let Some(limits) = self.chart.limits() {
            let number = |value| show::number(value, self.unit);
            text += &format!(". Mean {}", number(Some(limits.centre)));
            text += &match (limits.lower, limits.upper) {
                (Some(_), Some(_)) => {
                    format!(
                        ", natural limits {} and {}",
                        number(limits.lower),
                        number(limits.upper)
                    )
                }
                (None, Some(_)) => format!(", upper natural limit {}", number(limits.upper)),
                (Some(_), None) => format!(", lower natural limit {}", number(limits.lower)),
                (None, None) => String::new(),
            };
        }
        text + &format!(". {}.", capitalised(&self.chart.verdict().to_string()))
    }

    fn span(&self, place: usize) -> Option<(Timestamp, Timestamp)> {
        let start = *self.starts.get(place)?;
        Some((start, self.starts.get(place + 1).copied().unwrap_or(self.end)))
    }

    pub(crate) fn draw(&self, canvas: &Canvas<'_>, width: Width) -> Drawn {
        let values = self.chart.points().iter().filter_map(|point| point.value);
        let limits = self.chart.limits();
        let most = values
            .chain(limits.and_then(|limits| limits.upper))
            .fold(0.0, f64::max);
        let ticks = show::ticks(most, self.unit);
        let labels = limits.map(|limits| self.limit_labels(limits)).unwrap_or_default();
        let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
        let gutter = widest(&mut ticks.iter().map(|(_, text)| text_width(text)));
        let mut margin = widest(&mut labels.iter().map(|(_, text, _)| text_width(text)));
        if !self.marks.is_empty() {
            margin = margin.max(text_width("incidents"));
        }
        let from = self.starts.first().map_or(0.0, seconds);
        let scale = Scale {
            left: gutter + GAP,
            right: canvas.width - margin - GAP - 2.0,
            top: TOP,
            bottom: canvas.height - BOTTOM,
            most: ticks.last().map_or(1.0, |(most, _)| *most).max(f64::MIN_POSITIVE),
            from,
            span: (seconds(&self.end) - from).max(1.0),
        };
        if let Some(limits) = limits {
            let upper = limits.upper.map_or(scale.top, |limit| scale.y(limit));
            let lower = limits.lower.map_or(scale.bottom, |limit| scale.y(limit));
            canvas.rectangle((scale.left, upper), (scale.right, lower), Ink::Pale)?;
        }
        self.draw_bands(canvas, &scale)?;
        for (value, text) in &ticks {
            let y = scale.y(*value);
            canvas.line((scale.left, y), (scale.right, y), Ink::Grid, 1.0)?;
            canvas.text(text, (scale.left - GAP, y), Side::Left, Ink::Quiet)?;
        }
        if let Some(limits) = limits {
            for limit in limits.lower.iter().chain(&limits.upper) {
                let y = scale.y(*limit);
                canvas.line((scale.left, y), (scale.right, y), Ink::Limit, 1.0)?;
            }
            let y = scale.y(limits.centre);
            canvas.line((scale.left, y), (scale.right, y), Ink::Quiet, 1.0)?;
        }
        // What is written beside the marks comes below.
        let lowest = match self.marks.is_empty() {
            true => scale.bottom,
            false => scale.bottom + MARKS - LINE,
        };
        draw_labels(canvas, &scale, labels, lowest)?;
        self.draw_values(canvas, &scale, width)?;
        self.draw_marks(canvas, &scale, width)?;
        self.draw_dates(canvas, &scale, width)
    }

    /// A value in words.
    fn told(&self, place: usize) -> String {
        let point = &self.chart.points()[place];
        let start = self.starts.get(place).map(|start| show::day(*start));
        let mut text = format!(
            "{} of {}: {}",
            self.bucket,
            start.unwrap_or_default(),
            show::number(point.value, self.unit)
        );
        let signals: Vec<_> = point.signals.iter().map(ToString::to_string).collect();
        if !signals.is_empty() {
            text += &format!(" ({})", signals.join(", "));
        }
        text
    }

    /// What is written beside a limit, from above.
    fn limit_labels(&self, limits: &Limits) -> Vec<(f64, String, Ink)> {
        let short = |value: f64| show::brief(value, self.unit);
        let mut labels = Vec::new();
        if let Some(upper) = limits.upper {
            labels.push((upper, format!("{} limit", short(upper)), Ink::Quiet));
        }
        labels.push((
            limits.centre,
            format!("{} mean", short(limits.centre)),
            Ink::Strong,
        ));
        if let Some(lower) = limits.lower {
            labels.push((lower, format!("{} limit", short(lower)), Ink::Quiet));
        }
        labels
    }

    fn draw_bands(&self, canvas: &Canvas<'_>, scale: &Scale) -> Drawn {
        let mut free = scale.left;
        for band in &self.bands {
            let (from, to) = (scale.x(seconds(&band.from)), scale.x(seconds(&band.to)));
            if to <= from {
                continue;
            }
            canvas.rectangle(
                (from, scale.top - 20.0),
                (to.max(from + 2.0), scale.bottom),
                Ink::Freeze,
            )?;
            canvas.title(&format!(
                "{}, {} up to {}",
                band.label,
                show::day(band.from),
                show::day(band.to)
            ))?;
            let half = text_width(&band.label) / 2.0;
            let centre = f64::midpoint(from, to)
                .clamp(scale.left + half, (canvas.width - half).max(scale.left + half));
            if centre - half >= free {
                canvas.text(&band.label, (centre, scale.top - 12.0), Side::Middle, Ink::Quiet)?;
                free = centre + half + GAP;
            }
        }
        Ok(())
    }

    fn draw_values(&self, canvas: &Canvas<'_>, scale: &Scale, width: Width) -> Drawn {
        let points = self.chart.points().iter().enumerate();
        let places: Vec<_> = points
            .map(|(place, point)| {
                let (start, end) = self.span(place)?;
                let x = scale.x(f64::midpoint(seconds(&start), seconds(&end)));
                Some(((x, scale.y(point.value?)), !point.signals.is_empty()))
            })
            .collect();
        // A gap in the values is a gap in the line.
        for line in places.split(Option::is_none) {
            let line: Vec<_> = line.iter().flatten().map(|(point, _)| *point).collect();
            if line.len() > 1 {
                canvas.path(&line, Ink::Data, 1.5)?;
            }
        }
        let dense = places.len() > 80;
        for (place, shown) in places.iter().enumerate() {
            let Some((point, signal)) = shown else {
                continue;
            };
            if *signal {
                canvas.diamond(*point, 5.0, Ink::Signal)?;
            } else {
                canvas.dot(*point, if dense { 1.5 } else { 2.25 }, Ink::Data)?;
            }
            // Nobody points at what is as narrow as a hand.
            if !width.is_narrow() {
                canvas.title(&self.told(place))?;
            }
        }
        Ok(())
    }

    fn draw_marks(&self, canvas: &Canvas<'_>, scale: &Scale, width: Width) -> Drawn {
        if self.marks.is_empty() {
            return Ok(());
        }
        let y = scale.bottom + MARKS;
        let many = self.marks.len() > 40;
        // What lies on one place is one mark.
        let mut rest = self.marks.as_slice();
        while let Some(mark) = rest.first() {
            let x = scale.x(seconds(&mark.at));
            let here = rest.partition_point(|other| scale.x(seconds(&other.at)) < x + APART);
            let (these, others) = rest.split_at(here.max(1));
            rest = others;
            if many {
                canvas.line((x, y - 4.0), (x, y + 3.0), Ink::Signal, 1.0)?;
            } else {
                canvas.polygon(
                    &[(x, y - 4.0), (x + 3.5, y + 3.0), (x - 3.5, y + 3.0)],
                    Ink::Signal,
                )?;
            }
            if !width.is_narrow() {
                let labels = meanwhile(these.iter().map(|mark| mark.label.as_str()));
                canvas.title(&format!("{}, {}", labels.join("; "), show::day(mark.at)))?;
            }
        }
        canvas.text("incidents", (scale.right + GAP, y), Side::Right, Ink::Quiet)
    }

    /// The first time in each month, as far as there is room.
    fn draw_dates(&self, canvas: &Canvas<'_>, scale: &Scale, width: Width) -> Drawn {
        let y = canvas.height - TEXT / 2.0 - 2.0;
        let mut free = f64::MIN;
        let mut before = None;
        for (place, start) in self.starts.iter().enumerate() {
            let (year, month) = (start.strftime("%Y").to_string(), start.strftime("%b").to_string());
            let now = (year.clone(), month.clone());
            let new_year = before.as_ref().is_none_or(|(before, _)| *before != year);
            // A month of which there is only the end is not where a reader begins.
            let next = self
                .starts
                .get(place + 1)
                .map(|next| next.strftime("%b").to_string());
            if before.as_ref() == Some(&now) || (place == 0 && next.is_some_and(|next| next != month)) {
                continue;
            }
            before = Some(now);
            let text = if new_year {
                format!("{month} {year}")
            } else {
                month
            };
            let x = scale.x(seconds(start));
            // Digits and these letters are narrower than some.
            let wide = 0.9 * text_width(&text);
            if x < free || x + wide > canvas.width {
                continue;
            }
            canvas.line((x, scale.bottom), (x, scale.bottom + 4.0), Ink::Quiet, 1.0)?;
            canvas.text(&text, (x, y), Side::Right, Ink::Quiet)?;
            free = x + wide + if width.is_narrow() { 12.0 } else { 8.0 };
        }
        Ok(())
    }
}

/// The first few of some labels, and how many more there are.
fn meanwhile<'l>(labels: impl Iterator<Item = &'l str>) -> Vec<String> {
    const LISTED: usize = 5;
    let all: Vec<_> = labels.collect();
    let mut listed: Vec<_> = all.iter().take(LISTED).map(|label| (*label).to_owned()).collect();
    if all.len() > LISTED {
        listed.push(format!("and {} more", show::grouped((all.len() - LISTED) as u64)));
    }
    listed
}

/// Writes the labels beside their lines, and apart from each other.
fn draw_labels(canvas: &Canvas<'_>, scale: &Scale, labels: Vec<(f64, String, Ink)>, lowest: f64) -> Drawn {
    let places = labels.iter().map(|(value, ..)| scale.y(*value)).collect();
    for ((_, text, ink), y) in labels.into_iter().zip(apart(places, lowest)) {
        canvas.text(&text, (scale.right + GAP, y), Side::Right, ink)?;
    }
    Ok(())
}

/// Moves places, given from above, so that a line of text fits between them and none is below the lowest.
fn apart(mut places: Vec<f64>, lowest: f64) -> Vec<f64> {
    for place in 1..places.len() {
        places[place] = places[place].max(places[place - 1] + LINE);
    }
    // What was pushed out at the bottom pushes back.
    let mut room = lowest;
    for place in places.iter_mut().rev() {
        *place = place.min(room);
        room = *place - LINE;
    }
    places
}

fn seconds(at: &Timestamp) -> f64 {
    at.as_second() as f64
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Bounds;

    #[test]
    fn labels_are_a_line_apart_and_not_below_the_lowest() {
        let lowest = 100.0;
        assert_eq!(apart(vec![10.0, 60.0], lowest), [10.0, 60.0]);
        assert_eq!(apart(vec![50.0, 51.0], lowest), [50.0, 50.0 + LINE]);
        let pushed = apart(vec![95.0, 96.0, 110.0], lowest);
        assert_eq!(pushed, [lowest - 2.0 * LINE, lowest - LINE, lowest]);
    }

    #[test]
    fn what_lies_on_one_place_is_one_mark_and_many_are_counted() {
        let start: Timestamp = "2025-01-06T00:00:00Z".parse().unwrap();
        let hours = jiff::SignedDuration::from_hours;
        let marks = (0..2000).map(|number| Mark {
            at: start + hours(number / 10),
            label: format!("incident {number}"),
        });
        let chart = Trend {
            unit: Unit::Count,
            bucket: "week".to_owned(),
            starts: vec![start, start + hours(168)],
            end: start + hours(336),
            chart: BehaviourChart::of(&[Some(1.0), Some(2.0)], Bounds::NOT_NEGATIVE),
            marks: marks.collect(),
            bands: Vec::new(),
        };
        let draw = |width: Width| {
            let height = Trend::height(width);
            let (svg, _) = Canvas::paint(width.pixels(), height, |canvas| chart.draw(canvas, width)).unwrap();
            svg
        };
        let wide = draw(Width::Full);
        let marks = wide.matches("<title>incident ").count();
        assert!((100..=400).contains(&marks), "{marks}");
        assert!(wide.contains("<title>incident 0; incident 1; incident 2; incident 3; incident 4; and "));
        let rows = chart.table("x").rows;
        assert_eq!(
            rows[0][4],
            "incident 0; incident 1; incident 2; incident 3; incident 4; and 1,675 more"
        );
    }
}
