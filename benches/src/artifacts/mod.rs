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
#[cfg(feature = "oci")]
mod push;
mod race;
#[cfg(feature = "oci")]
mod registry;
mod scale;
mod trees;
mod verify;
mod version2;

pub use self::peak::{CHILD, child};
use crate::Failure;
use crate::measure::{Area, Measure, Settings};
use crate::report::Sink;

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
            name: "push",
            run: push,
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

#[cfg(feature = "oci")]
fn push(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    push::measure(settings, sink)
}

#[cfg(not(feature = "oci"))]
fn push(_: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let name = "push: built without the feature `oci`, not measured";
    Ok(sink.figure(crate::report::Figure::absent(name))?)
}
