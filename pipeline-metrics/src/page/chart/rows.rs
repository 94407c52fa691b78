use super::Width;
use super::canvas::{Canvas, Drawn, Ink, Side, TEXT, fitted, text_width};

/// Things below each other, each with a label: beside it where there is room, above it where there is not.
pub(crate) struct Rows {
    pub(crate) left: f64,
    pub(crate) right: f64,
    row: f64,
    narrow: bool,
}

const GAP: f64 = 8.0;
/// Room for the numbers of an axis.
const AXIS: f64 = 22.0;

impl Rows {
    /// Rows with these labels, and with room for a text of some width at the right.
    pub(crate) fn new<'a>(labels: impl Iterator<Item = &'a str>, margin: f64, width: Width) -> Self {
        let widest = labels.map(text_width).fold(0.0, f64::max);
        let all = width.pixels();
        let narrow = width.is_narrow();
        Self {
            left: if narrow { 1.0 } else { widest.min(all * 0.34) + GAP },
            right: (all - margin - GAP).max(all * 0.4),
            row: Self::row(width),
            narrow,
        }
    }

    fn row(width: Width) -> f64 {
        if width.is_narrow() { 42.0 } else { 26.0 }
    }

    pub(crate) fn height(count: usize, axis: bool, width: Width) -> f64 {
        Self::row(width) * count.max(1) as f64 + if axis { AXIS } else { 0.0 } + 4.0
    }

    /// The middle of a row's bar.
    pub(crate) fn y(&self, place: usize) -> f64 {
        let below = if self.narrow {
            self.row - 13.0
        } else {
            self.row / 2.0
        };
        self.row * place as f64 + below + 2.0
    }

    /// The place of a share of 0 to 1.
    pub(crate) fn x(&self, share: f64) -> f64 {
        self.left + share.clamp(0.0, 1.0) * (self.right - self.left)
    }

    pub(crate) fn label(&self, canvas: &Canvas<'_>, place: usize, label: &str) -> Drawn {
        if self.narrow {
            let y = self.row * place as f64 + TEXT / 2.0 + 5.0;
            return canvas.text(&fitted(label, canvas.width), (0.0, y), Side::Right, Ink::Strong);
        }
        let label = fitted(label, self.left - GAP);
        canvas.text(&label, (self.left - GAP, self.y(place)), Side::Left, Ink::Strong)
    }

    /// A text at the right of a row.
    pub(crate) fn value(&self, canvas: &Canvas<'_>, place: usize, from: f64, text: &str, ink: Ink) -> Drawn {
        canvas.text(text, (from + GAP, self.y(place)), Side::Right, ink)
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
