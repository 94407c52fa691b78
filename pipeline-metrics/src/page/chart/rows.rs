use super::Width;
use super::canvas::{Canvas, Drawn, Ink, Side, TEXT, fitted, text_width};

/// Things below each other, each with a label: beside it where there is room, above it where there is not.
pub(crate) struct Rows {
    pub(crate) left: f64,
    pub(crate) right: f64,
    shape: Shape,
}

/// Where the label and the text of a row are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Label, bar and text on one line.
    Beside,
    /// The label above; bar and text on one line.
    Above,
    /// Label, text and bar, each on a line of its own.
    Stacked,
}

impl Shape {
    /// For texts up to some width.
    fn of(margin: f64, width: Width) -> Self {
        match width.is_narrow() {
            false => Self::Beside,
            true if margin > 0.45 * width.pixels() => Self::Stacked,
            true => Self::Above,
        }
    }

    fn row(self) -> f64 {
        match self {
            Self::Beside => 26.0,
            Self::Above => 42.0,
            Self::Stacked => 56.0,
        }
    }
}

const GAP: f64 = 8.0;
/// Room for the numbers of an axis.
const AXIS: f64 = 22.0;

impl Rows {
    /// Rows with these labels, and with room for a text of some width at the right.
    pub(crate) fn new<'a>(labels: impl Iterator<Item = &'a str>, margin: f64, width: Width) -> Self {
        let widest = labels.map(text_width).fold(0.0, f64::max);
        let (all, shape) = (width.pixels(), Shape::of(margin, width));
        Self {
            left: match shape {
                Shape::Beside => widest.min(all * 0.34) + GAP,
                Shape::Above | Shape::Stacked => 1.0,
            },
            right: match shape {
                Shape::Stacked => all,
                Shape::Beside | Shape::Above => (all - margin - GAP).max(all * 0.4),
            },
            shape,
        }
    }

    pub(crate) fn height(count: usize, axis: bool, margin: f64, width: Width) -> f64 {
        let axis = if axis { AXIS } else { 0.0 };
        Shape::of(margin, width).row() * count.max(1) as f64 + axis + 4.0
    }

    fn top(&self, place: usize) -> f64 {
        self.shape.row() * place as f64 + 2.0
    }

    /// The middle of a row's bar.
    pub(crate) fn y(&self, place: usize) -> f64 {
        let row = self.shape.row();
        self.top(place)
            + if self.shape == Shape::Beside {
                row / 2.0
            } else {
                row - 13.0
            }
    }

    /// The place of a share of 0 to 1.
    pub(crate) fn x(&self, share: f64) -> f64 {
        self.left + share.clamp(0.0, 1.0) * (self.right - self.left)
    }

    pub(crate) fn label(&self, canvas: &Canvas<'_>, place: usize, label: &str) -> Drawn {
        if self.shape == Shape::Beside {
            let label = fitted(label, self.left - GAP);
            return canvas.text(&label, (self.left - GAP, self.y(place)), Side::Left, Ink::Strong);
        }
        let y = self.top(place) + TEXT / 2.0 + 3.0;
        canvas.text(&fitted(label, canvas.width), (0.0, y), Side::Right, Ink::Strong)
    }

    /// A text beside the end of a row's bar, or above it.
    pub(crate) fn value(&self, canvas: &Canvas<'_>, place: usize, end: f64, text: &str, ink: Ink) -> Drawn {
        if self.shape == Shape::Stacked {
            let y = self.top(place) + 1.7 * TEXT + 4.0;
            return canvas.text(&fitted(text, canvas.width), (0.0, y), Side::Right, ink);
        }
        canvas.text(text, (end + GAP, self.y(place)), Side::Right, ink)
    }

    /// Lines to measure by, with their numbers at the bottom. They are given as shares of the width.
    pub(crate) fn axis(&self, canvas: &Canvas<'_>, ticks: &[(f64, String)]) -> Drawn {
        let bottom = canvas.height - AXIS;
        let mut free = f64::MIN;
        for (share, text) in ticks {
            let x = self.x(*share);
            canvas.line((x, 2.0), (x, bottom), Ink::Grid, 1.0)?;
            let half = text_width(text) / 2.0;
            let centre = x.clamp(half, canvas.width - half);
            if centre - half > free {
                canvas.text(
                    text,
                    (centre, bottom + AXIS / 2.0 + 2.0),
                    Side::Middle,
                    Ink::Quiet,
                )?;
                free = centre + half + GAP;
            }
        }
        Ok(())
    }
}
