//! Charts: what they show, their table, their description in words, and their drawing.

mod bars;
mod canvas;
mod distribution;
mod intervals;
mod rows;
mod stream;
mod svg;
mod trend;

pub use bars::{BarRow, Bars};
pub use distribution::Distribution;
pub use intervals::{IntervalRow, Intervals};
pub use stream::{BlockRow, Stream};
pub use trend::{Band, Mark, Trend};

use crate::page::{PageError, Table};
use canvas::{Canvas, DrawError};

/// A picture of numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Chart {
    /// Values over time, with the limits of what is usual.
    Trend(Trend),
    /// How many took how long.
    Distribution(Distribution),
    /// Things by size.
    Bars(Bars),
    /// Numbers with the intervals that they are known to.
    Intervals(Intervals),
    /// Steps of a value stream, one after another.
    Stream(Stream),
}

/// How wide a chart is drawn: letters keep their size, so there is one drawing for a narrow place and one for a wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Narrow,
    Half,
    Full,
}

impl Width {
    fn pixels(self) -> f64 {
        match self {
            Self::Narrow => 330.0,
            Self::Half => 530.0,
            Self::Full => 800.0,
        }
    }

    fn is_narrow(self) -> bool {
        self == Self::Narrow
    }
}

impl Chart {
    /// All of its numbers.
    pub(crate) fn table(&self, caption: &str) -> Table {
        match self {
            Self::Trend(chart) => chart.table(caption),
            Self::Distribution(chart) => chart.table(caption),
            Self::Bars(chart) => chart.table(caption),
            Self::Intervals(chart) => chart.table(caption),
            Self::Stream(chart) => chart.table(caption),
        }
    }

    /// What is to be seen, in words.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Trend(chart) => chart.description(),
            Self::Distribution(chart) => chart.description(),
            Self::Bars(chart) => chart.description(),
            Self::Intervals(chart) => chart.description(),
            Self::Stream(chart) => chart.description(),
        }
    }

    /// The elements of the drawing, without the `svg` around them, and its size in units.
    pub(crate) fn draw(&self, title: &str, width: Width) -> Result<(String, [u32; 2]), PageError> {
        let height = match self {
            Self::Trend(_) => Trend::height(width),
            Self::Distribution(_) => Distribution::height(width),
            Self::Bars(chart) => chart.height(width),
            Self::Intervals(chart) => chart.height(width),
            Self::Stream(chart) => chart.height(width),
        };
        Canvas::paint(width.pixels(), height, |canvas| match self {
            Self::Trend(chart) => chart.draw(canvas, width),
            Self::Distribution(chart) => chart.draw(canvas, width),
            Self::Bars(chart) => chart.draw(canvas, width),
            Self::Intervals(chart) => chart.draw(canvas, width),
            Self::Stream(chart) => chart.draw(canvas, width),
        })
        .map_err(|error: DrawError| PageError {
            chart: title.to_owned(),
            source: error.into(),
        })
    }
}
