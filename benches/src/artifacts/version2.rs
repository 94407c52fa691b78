use std::cell::RefCell;
use std::collections::BTreeMap;

use pipeline_artifacts::{Fineness, Packer};

use super::ground::{Ground, Timed};
use super::ours;
use super::programs::{OSTREE, RESTIC, STORES};
use super::race::{Counts, Race};
use super::trees::{self, Edits, Made, Versions};

use crate::Failure;
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::rounds::median;

/// Three and a half times as fast.
const OVER_PEER: f64 = 1.0 / 3.5;
/// New bytes against the bytes of all files that changed.
const OVER_FILES: f64 = 1.1;

/// New bytes with chunking on, against restic's.
const OVER_CHUNKS: f64 = 1.05;

/// With smaller bundles than by default.
const FINE: &str = "ours, fine";
/// With large files cut where their content says.
const CHUNKED: &str = "ours, chunked";
const WORK: &str = "versions";

/// A way to pack.
type Way = fn(Packer) -> Packer;
const WAYS: [(&str, Way); 3] = [
    (ours::NAME, |packer| packer),
    (FINE, |packer| packer.fineness(Fineness::Fine)),
    (CHUNKED, |packer| packer.chunking(true)),
];

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let versions = trees::versions(ground, settings.quick, Edits::Together)?;
    let versions = &versions;
    let (one, two) = (&versions.one.path, &versions.two.path);
    let new: BTreeMap<&str, RefCell<Vec<f64>>> = STORES
        .iter()
        .map(|program| program.name)
        .chain([ours::NAME, FINE, CHUNKED])
        .map(|name| (name, RefCell::default()))
        .collect();
    let mut race = Race::new("version2", 5);
    for (name, how) in WAYS {
        let new = &new[name];
        race.all(
            name,
            Box::new(move || {
                let (time, bytes) = both(ground, versions, how)?;
                new.borrow_mut().push(bytes);
                Ok(time)
            }),
        );
    }
    for program in STORES {
        if program.is_here(sink)? {
            let new = &new[program.name];
            // Where restic cuts is by chance, for each repository anew: its new bytes swing by a tenth.
            let rounds = if program.name == RESTIC.name { 5 } else { 2 };
            race.some(
                program.name,
                rounds,
                Box::new(move || {
                    program.init(ground, WORK)?;
                    program.ingest(ground, WORK, "one", one)?;
                    let ingest = || program.ingest(ground, WORK, "two", two);
                    let (time, bytes) = growth(ground, &program.place(WORK), ingest)?;
                    new.borrow_mut().push(bytes);
                    ground.gone(&program.place(WORK))?;
                    Ok(time)
                }),
            );
        }
    }
    let finish = race.run()?;
    scattered(settings, sink)?;
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
    let megabytes = |bytes: f64| bytes / 1e6;
    let new: BTreeMap<&str, f64> = new
        .into_iter()
        .map(|(name, bytes)| (name, median(bytes.into_inner())))
        .filter(|(_, bytes)| !bytes.is_nan())
        .collect();
    sink.figure(Figure::told(
        "version2: bytes of files that changed",
        megabytes(versions.changed as f64),
        "MB",
    ))?;
    for (name, bytes) in &new {
        sink.figure(Figure::told(
            format!("version2, new bytes: {name}"),
            megabytes(*bytes),
            "MB",
        ))?;
    }
    let over = |name: &str, other: f64| new[name] / other;
    sink.figure(Figure::at_most(
        OVER_FILES,
        "version2, new bytes: ours / files that changed",
        over(ours::NAME, versions.changed as f64),
        "x",
    ))?;
    sink.figure(Figure::told(
        "version2, new bytes: ours, fine / files that changed",
        over(FINE, versions.changed as f64),
        "x",
    ))?;
    let chunked = "version2, new bytes: ours, chunked / restic";
    sink.figure(match new.get(RESTIC.name) {
        None => Figure::none(OVER_CHUNKS, chunked, "x"),
        Some(restic) => Figure::at_most(OVER_CHUNKS, chunked, over(CHUNKED, *restic), "x"),
    })?;
    Ok(())
}

/// Packs the second version behind the first; how long it took, and how many bytes it added.
fn both(ground: &Ground, versions: &Versions, how: Way) -> Result<(Timed, f64), Failure> {
    let store = ours::fresh(ground, WORK)?;
    let pack = |of: &Made, version| ours::store_as(&store, how(Packer::new(&of.path)), version).map(drop);
    pack(&versions.one, 0)?;
    growth(ground, &ours::place(WORK), || pack(&versions.two, 1))
}

/// How long something took, and how many bytes it added to a store.
fn growth(
    ground: &Ground,
    place: &str,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(Timed, f64), Failure> {
    let stored = || trees::size(&ground.path(place));
    let before = stored()?;
    let (time, ()) = ground.time(work)?;
    Ok((time, stored()?.saturating_sub(before) as f64))
}

/// The new bytes when the edited files lie in all directories.
fn scattered(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let versions = trees::versions(ground, settings.quick, Edits::Scattered)?;
    for (name, how) in WAYS {
        let (_, bytes) = both(ground, &versions, how)?;
        sink.figure(Figure::told(
            format!("version2, new bytes, edits scattered: {name} / files that changed"),
            bytes / versions.changed as f64,
            "x",
        ))?;
    }
    Ok(())
}
