use std::fs;

use pipeline_artifacts::{Because, LocalStore, NewAttachment, Packer, Publication, Selection};
use pipeline_core::{Actor, ArtifactName, ArtifactRef, Digest, Timestamp, canonical_json};
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
    publish(settings, sink)
}

/// How long publishing, yanking and attaching take when a name has so many versions already, two things attached to each.
/// Not durable: the view that other tools read is what grows.
fn publish(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let tree = ground.empty("published")?;
    fs::write(tree.join("file"), "content")?;
    for before in [100, settings.size(10_000)] {
        let root = ground.gone(WORK)?;
        let store = LocalStore::open(&root)?;
        let packed = Packer::new(&tree).pack(&store)?;
        let name: ArtifactName = "service".parse()?;
        let directory = root.join("catalog").join(name.as_str());
        fs::create_dir_all(&directory)?;
        for number in 0..before {
            let version = Version::new(1, 0, u64::from(number));
            fs::write(
                directory.join(format!("{version}.json")),
                record(&name, &version)?,
            )?;
            let referrers = root
                .join("referrers")
                .join(Digest::of(format!("{name} {version}")).hex());
            fs::create_dir_all(&referrers)?;
            for kind in ["provenance", "sbom"] {
                let attachment = json!({
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "artifactType": "application/vnd.in-toto+json",
                    "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": packed.digest, "size": 2 },
                    "layers": [],
                    "annotations": { "kind": kind, "of": version.to_string() },
                });
                let bytes = canonical_json(&attachment)?;
                let digest = Digest::of(&bytes);
                fs::write(root.join("blobs/sha256").join(digest.hex()), bytes)?;
                fs::write(referrers.join(digest.hex()), "")?;
            }
        }
        let why = Because::new("measured", Actor::service("bench")?, Timestamp::UNIX_EPOCH)?;
        let mut samples = Samples::of(3);
        for round in 0..=5 {
            let version = Version::new(2, 0, round);
            let (published, _) = time(|| Ok(store.publish(&name, &version, &packed.digest)?))?;
            let (yanked, _) = time(|| Ok(store.catalog().yank(&name, &Version::new(1, 0, round), &why)?))?;
            let note = NewAttachment::note(format!("round {round}"));
            let (attached, _) = time(|| Ok(store.attach(&packed.digest, &note)?))?;
            if round > 0 {
                samples.push(&[published, yanked, attached].map(|time| time.as_secs_f64() * 1e3));
            }
        }
        for (column, what) in ["publish", "yank", "attach"].into_iter().enumerate() {
            let told = format!("catalog, {what}: {before} versions of the name before");
            sink.figure(Figure::told(told, samples.median(column), "ms"))?;
        }
    }
    ground.gone(WORK)?;
    ground.gone("published")?;
    Ok(())
}

fn record(name: &ArtifactName, version: &Version) -> Result<Vec<u8>, Failure> {
    let artifact = ArtifactRef {
        name: name.clone(),
        version: version.clone(),
        digest: Digest::of(format!("{name} {version}")),
    };
    let mut content = Publication::new(artifact);
    content.manifest_bytes = Some(700);
    let seal = Digest::of_data(&json!({"content": content, "format": 2}))?;
    Ok(canonical_json(
        &json!({"content": content, "format": 2, "seal": seal}),
    )?)
}
