use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::svg;
use crate::show;

/// What may go wrong in a drawing.
pub(crate) type DrawError = DrawingAreaErrorKind<std::io::Error>;
pub(crate) type Drawn = Result<(), DrawError>;

/// What a mark is for. In the drawing it is a colour that stands for the light page; the page's style sheet knows it
/// by that colour and gives it another one on dark ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Text that is read first.
    Strong,
    /// Axes and what is read second.
    Quiet,
    /// Lines to measure by.
    Grid,
    /// Data.
    Data,
    /// Data that stand back: what lies within limits, what waits.
    Pale,
    /// What asks for attention.
    Signal,
    /// A time in which other rules held.
    Freeze,
    /// The ends of what is usual; dashed.
    Limit,
}

impl Ink {
    fn colour(self) -> RGBColor {
        // These are the colours of `style.css`.
        match self {
            Self::Strong => RGBColor(0x1B, 0x1F, 0x24),
            Self::Quiet => RGBColor(0x59, 0x63, 0x6E),
            Self::Grid => RGBColor(0xDD, 0xE2, 0xE7),
            Self::Data => RGBColor(0x1F, 0x5F, 0x99),
            Self::Pale => RGBColor(0xD6, 0xE4, 0xF0),
            Self::Signal => RGBColor(0xB4, 0x3E, 0x0C),
            Self::Freeze => RGBColor(0xEC, 0xE6, 0xF4),
            Self::Limit => RGBColor(0x59, 0x63, 0x6F),
        }
    }
}

/// Where a text lies of its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Middle,
    Right,
}

/// The size of all text in charts.
pub(crate) const TEXT: f64 = 12.0;
/// plotters counts in whole units; so many of them are a pixel.
const FINE: f64 = 4.0;

/// A drawing in pixels, with the origin at the upper left.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Canvas<'_> {
    /// The elements that are drawn, and the size in the units of the drawing.
    pub(crate) fn paint(
        width: f64,
        height: f64,
        draw: impl FnOnce(&Canvas<'_>) -> Drawn,
    ) -> Result<(String, [u32; 2]), DrawError> {
        let size = [fine(width) as u32, fine(height) as u32];
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, size.into()).into_drawing_area();
            let canvas = Canvas { area, width, height };
            draw(&canvas)?;
            canvas.area.present()?;
        }
        // The page writes its own `svg` around the elements: with a title, a description and without a fixed size.
        let inner = svg.split_once(">\n").map_or("", |(_, inner)| inner);
        let inner = inner.strip_suffix("</svg>\n").unwrap_or(inner);
        Ok((svg::slim(inner), size))
    }

    pub(crate) fn line(&self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) -> Drawn {
        self.path(&[from, to], ink, width)
    }

    pub(crate) fn path(&self, points: &[(f64, f64)], ink: Ink, width: f64) -> Drawn {
        let style = ink.colour().stroke_width(fine(width) as u32);
        let points: Vec<_> = points.iter().copied().map(at).collect();
        self.area.draw(&PathElement::new(points, style))
    }

    /// Says of what was drawn last what it is, to whoever points at it.
    pub(crate) fn title(&self, title: &str) -> Drawn {
        let style = TextStyle::from(("sans-serif", TEXT).into_font());
        let text = format!("{}{}", svg::TITLE, show::plain(title));
        self.area.draw(&Text::new(text, (0, 0), style))
    }

    pub(crate) fn rectangle(&self, from: (f64, f64), to: (f64, f64), ink: Ink) -> Drawn {
        self.area
            .draw(&Rectangle::new([at(from), at(to)], ink.colour().filled()))
    }

    pub(crate) fn dot(&self, centre: (f64, f64), radius: f64, ink: Ink) -> Drawn {
        self.area
            .draw(&Circle::new(at(centre), fine(radius), ink.colour().filled()))
    }

    pub(crate) fn polygon(&self, points: &[(f64, f64)], ink: Ink) -> Drawn {
        let points: Vec<_> = points.iter().copied().map(at).collect();
        self.area.draw(&Polygon::new(points, ink.colour().filled()))
    }

    /// A square on its corner: it differs from a dot without colour, too.
    pub(crate) fn diamond(&self, (x, y): (f64, f64), radius: f64, ink: Ink) -> Drawn {
        let corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)];
        self.polygon(&corners, ink)
    }

    /// A text that lies to a side of its point, at half of its height.
    pub(crate) fn text(&self, text: &str, point: (f64, f64), side: Side, ink: Ink) -> Drawn {
        self.write(text, point, side, ink, FontStyle::Normal)
    }

    pub(crate) fn bold(&self, text: &str, point: (f64, f64), side: Side, ink: Ink) -> Drawn {
        self.write(text, point, side, ink, FontStyle::Bold)
    }

    fn write(&self, text: &str, point: (f64, f64), side: Side, ink: Ink, font: FontStyle) -> Drawn {
        let anchor = match side {
            Side::Left => HPos::Right,
            Side::Middle => HPos::Center,
            Side::Right => HPos::Left,
        };
        // The library divides sizes by 1.24.
        let colour = ink.colour();
        let style = TextStyle::from(("sans-serif", TEXT * FINE * 1.24, font).into_font())
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Center));
        self.area.draw(&Text::new(show::plain(text), at(point), style))
    }
}

/// About how wide a text is. Letters differ and fonts do, so this is on the safe side.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * TEXT * 0.6
}

/// As much of a text as fits, and a sign that it goes on.
pub(crate) fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let letters = (width / (TEXT * 0.6)).floor().max(2.0) as usize - 1;
    let mut short: String = text.chars().take(letters).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    (fine(x), fine(y))
}

fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}
