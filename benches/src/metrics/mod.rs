//! What delivery metrics cost, beside databases that compute the same.

mod alone;
mod file;
mod journal;
mod peers;
mod stepwise;
mod whole;
pub mod year;

pub use alone::{CHILD, child};

use crate::measure::{Area, Measure};

/// The area.
pub const AREA: Area = Area {
    name: "metrics",
    measures: &[
        Measure {
            name: "file",
            run: file::measure,
        },
        Measure {
            name: "stepwise",
            run: stepwise::measure,
        },
        Measure {
            name: "growth",
            run: alone::growth,
        },
        Measure {
            name: "journal",
            run: journal::measure,
        },
    ],
};
