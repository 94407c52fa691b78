//! What it costs to pack, store, verify and unpack artifacts, beside the programs that people would take for it.

mod catalog;
pub mod ground;
mod hash;
mod large;
mod many;
mod materialise;
mod memory;
mod ours;
mod peak;
mod programs;
mod race;
mod scale;
mod trees;
mod verify;
mod version2;

pub use self::peak::{CHILD, child};
use crate::measure::{Area, Measure};

/// The area.
pub const AREA: Area = Area {
    name: "artifacts",
    measures: &[
        Measure {
            name: "hash",
            run: hash::measure,
        },
        Measure {
            name: "large",
            run: large::measure,
        },
        Measure {
            name: "many",
            run: many::measure,
        },
        Measure {
            name: "verify",
            run: verify::measure,
        },
        Measure {
            name: "materialise",
            run: materialise::measure,
        },
        Measure {
            name: "version2",
            run: version2::measure,
        },
        Measure {
            name: "memory",
            run: memory::measure,
        },
        Measure {
            name: "scale",
            run: scale::measure,
        },
        Measure {
            name: "catalog",
            run: catalog::measure,
        },
    ],
};
