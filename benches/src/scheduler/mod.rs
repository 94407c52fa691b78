//! What a run costs, beside a bare task and beside other crates; on disk; from a journal; and when nothing changed.

mod cost;
mod file;
mod floor;
mod load;
pub mod million;
mod rerun;

use crate::measure::{Area, Measure};

/// The area.
pub const AREA: Area = Area {
    name: "scheduler",
    measures: &[
        Measure {
            name: "chain",
            run: cost::chain,
        },
        Measure {
            name: "wide",
            run: cost::wide,
        },
        Measure {
            name: "layered",
            run: cost::layered,
        },
        Measure {
            name: "large",
            run: cost::large,
        },
        Measure {
            name: "million",
            run: million::measure,
        },
        Measure {
            name: "file",
            run: file::measure,
        },
        Measure {
            name: "load",
            run: load::measure,
        },
        Measure {
            name: "rerun",
            run: rerun::measure,
        },
    ],
};
