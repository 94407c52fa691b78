use std::fs;

use pipeline_artifacts::{LocalStore, Publication, Selection};
use pipeline_core::{ArtifactName, ArtifactRef, Digest, canonical_json};
use semver::Version;
use serde_json::json;

use super::trees::Chance;
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::rounds::Samples;
use crate::threads::time;
use crate::{Failure, ensure};

const OPEN_MILLIS: f64 = 50.0;
const RESOLVE_MICROS: f64 = 20.0;
const NAMES: u32 = 1_000;
const RANGES: [&str; 4] = ["^1.2", "~1.4", ">=1.3, <1.8", "*"];
const WORK: &str = "catalog";

/// A catalog of 100 versions for each of 1,000 names.
pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let root = ground.gone(WORK)?;
    let names = (0..settings.size(NAMES)).map(|number| ArtifactName::new(format!("service-{number}")));
    let names: Vec<ArtifactName> = names.collect::<Result<_, _>>()?;
    let store = LocalStore::open(&root)?;
    // As publishing writes them; so many publications would wait for the disk three hundred thousand times.
    for name in &names {
        let directory = root.join("catalog").join(name.as_str());
        fs::create_dir_all(&directory)?;
        for number in 0..100 {
            let version = Version::new(1, number / 10, number % 10);
            fs::write(directory.join(format!("{version}.json")), record(name, &version)?)?;
        }
    }
    let (refresh, ()) = time(|| Ok(store.catalog().refresh()?))?;
    drop(store);

    let ranges = RANGES.map(|range| range.parse().map(Selection::range));
    let ranges: Vec<Selection> = ranges.into_iter().collect::<Result<_, _>>()?;
    let mut samples = Samples::of(2);
    let mut chance = Chance(4);
    for round in 0..=5 {
        let (open, store) = time(|| {
            let store = LocalStore::open(&root)?;
            let found = store.catalog().newest(&names[0], &ranges[0])?;
            ensure(
                found.version == Version::new(1, 9, 9),
                "another version is the newest",
            )?;
            Ok(store)
        })?;
        let catalog = store.catalog();
        let count = 10_000;
        let (resolve, ()) = time(|| {
            for _ in 0..count {
                let (name, range) = (chance.below(names.len()), chance.below(ranges.len()));
                let found = catalog.newest(&names[name], &ranges[range])?;
                ensure(found.name == names[name], "another name was found")?;
            }
            Ok(())
        })?;
        if round > 0 {
            samples.push(&[
                open.as_secs_f64() * 1e3,
                resolve.as_secs_f64() * 1e6 / f64::from(count),
            ]);
        }
    }
    ground.gone(WORK)?;
    let told = format!("catalog of {} versions", names.len() * 100);
    sink.figure(Figure::told(
        format!("{told}: first index"),
        refresh.as_secs_f64() * 1e3,
        "ms",
    ))?;
    sink.figure(Figure::at_most(
        OPEN_MILLIS,
        format!("{told}: open, resolve one"),
        samples.median(0),
        "ms",
    ))?;
    sink.figure(Figure::at_most(
        RESOLVE_MICROS,
        format!("{told}: resolve a range"),
        samples.median(1),
        "µs",
    ))?;
    Ok(())
}

fn record(name: &ArtifactName, version: &Version) -> Result<Vec<u8>, Failure> {
    let artifact = ArtifactRef {
        name: name.clone(),
        version: version.clone(),
        digest: Digest::of(format!("{name} {version}")),
    };
    let content = Publication::new(artifact);
    let seal = Digest::of_data(&json!({"content": content, "format": 2}))?;
    Ok(canonical_json(
        &json!({"content": content, "format": 2, "seal": seal}),
    )?)
}
