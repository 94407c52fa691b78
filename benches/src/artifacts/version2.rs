use std::cell::Cell;
use std::collections::BTreeMap;

use pipeline_artifacts::Fineness;

use super::programs::{OSTREE, RESTIC, STORES};
use super::race::{Counts, Race};
use super::{ours, trees};
use crate::Failure;
use crate::measure::Settings;
use crate::report::{Figure, Sink};

/// Three and a half times as fast.
const OVER_PEER: f64 = 1.0 / 3.5;
/// New bytes against the bytes of all files that changed.
const OVER_FILES: f64 = 1.1;

/// New bytes with chunking on, against restic's.
const OVER_CHUNKS: f64 = 1.05;

/// With smaller bundles than by default.
const FINE: &str = "ours, fine";
const WORK: &str = "versions";

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let versions = trees::versions(ground, if settings.quick { 10 } else { 1 })?;
    let (one, two) = (&versions.one.path, &versions.two.path);
    let stored = |place: &str| trees::size(&ground.path(place));
    let new: BTreeMap<&str, Cell<u64>> = STORES
        .iter()
        .map(|program| program.name)
        .chain([ours::NAME, FINE])
        .map(|name| (name, Cell::new(0)))
        .collect();
    let mut race = Race::new("version2", 5);
    for (name, fineness) in [(ours::NAME, Fineness::Coarse), (FINE, Fineness::Fine)] {
        let new = &new[name];
        race.all(
            name,
            Box::new(move || {
                let store = ours::fresh(ground, WORK)?;
                ours::ingest_in(&store, one, 0, fineness)?;
                let before = stored(&ours::place(WORK))?;
                let (time, _) = ground.time(|| ours::ingest_in(&store, two, 1, fineness))?;
                new.set(stored(&ours::place(WORK))? - before);
                Ok(time)
            }),
        );
    }
    for program in STORES {
        if program.is_here(sink)? {
            let new = &new[program.name];
            race.some(
                program.name,
                2,
                Box::new(move || {
                    program.init(ground, WORK)?;
                    program.ingest(ground, WORK, "one", one)?;
                    let before = stored(&program.place(WORK))?;
                    let (time, ()) = ground.time(|| program.ingest(ground, WORK, "two", two))?;
                    new.set(stored(&program.place(WORK))?.saturating_sub(before));
                    ground.gone(&program.place(WORK))?;
                    Ok(time)
                }),
            );
        }
    }
    let finish = race.run()?;
    for name in [&*ours::place(WORK), "one", "two"] {
        ground.gone(name)?;
    }
    finish.told(sink, Counts::Durable)?;
    for program in STORES {
        let limit = [RESTIC.name, OSTREE.name]
            .contains(&program.name)
            .then_some(OVER_PEER);
        finish.ratio(sink, Counts::Durable, (ours::NAME, program.name), limit)?;
    }
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    sink.figure(Figure::told(
        "version2: bytes of files that changed",
        megabytes(versions.changed),
        "MB",
    ))?;
    for (name, bytes) in new.iter().filter(|(_, bytes)| bytes.get() > 0) {
        sink.figure(Figure::told(
            format!("version2, new bytes: {name}"),
            megabytes(bytes.get()),
            "MB",
        ))?;
    }
    let over = |name: &str, other: u64| new[name].get() as f64 / other as f64;
    sink.figure(Figure::at_most(
        OVER_FILES,
        "version2, new bytes: ours / files that changed",
        over(ours::NAME, versions.changed),
        "x",
    ))?;
    sink.figure(Figure::told(
        "version2, new bytes: ours, fine / files that changed",
        over(FINE, versions.changed),
        "x",
    ))?;
    // There is no chunking within a file yet.
    sink.figure(Figure::none(
        OVER_CHUNKS,
        "version2, new bytes: ours, chunked / restic",
        "x",
    ))?;
    Ok(())
}
