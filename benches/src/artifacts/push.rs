use std::cell::Cell;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use pipeline_artifacts::oci::Transferred;
use pipeline_artifacts::{Fineness, LocalStore, Packer};
use pipeline_core::{ArtifactRef, Clock, SystemClock};
use tokio::runtime::{Builder, Runtime};

use super::ground::{Ground, Timed};
use super::race::{Counts, Race};
use super::registry::Registry;
use super::trees::{self, Edits};
use super::{many, ours};
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::{Failure, ensure};

/// What the push of one layer with the same bytes may be exceeded by.
const OVER_ONE: f64 = 1.5;
const ONE: &str = "one layer";
const FINE: &str = "ours, fine";
const WORK: &str = "push";
/// What the registry's directory is called.
const THERE: &str = "push-registry";

/// An artifact, and the store that it is in.
struct Stored {
    store: LocalStore,
    artifact: ArtifactRef,
    layers: usize,
}

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    if !Registry::is_here(sink)? {
        return Ok(());
    }
    let ground = settings.ground()?;
    // The threads of the other measures wait for no network.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let tree = many::tree(settings)?.path;
    let coarse = stored(ground, "push-many", &tree, Fineness::Coarse)?;
    let fine = stored(ground, "push-fine", &tree, Fineness::Fine)?;
    let one = one_layer(ground, &coarse)?;
    let contenders = [(ours::NAME, &coarse), (FINE, &fine), (ONE, &one)];

    let mut race = Race::new("push", 5);
    for (name, stored) in contenders {
        race.all(name, Box::new(|| push(&runtime, ground, stored)));
    }
    let finish = race.run()?;
    finish.told(sink, Counts::Durable)?;
    for (name, stored) in contenders {
        sink.figure(Figure::told(
            format!("push, layers: {name}"),
            stored.layers as f64,
            "",
        ))?;
    }
    finish.ratio(sink, Counts::Durable, (ours::NAME, ONE), Some(OVER_ONE))?;
    finish.ratio(sink, Counts::Durable, (FINE, ONE), None)?;

    let mut race = Race::new("pull", 3);
    let registry = Registry::start(&runtime, ground, THERE)?;
    // Both have the same version, and a version is one tag.
    for (name, stored) in [contenders[0], contenders[2]] {
        let remote = registry.remote(&name.replace(' ', "-"))?;
        runtime.block_on(remote.push(&stored.store, &stored.artifact))?;
        let runtime = &runtime;
        race.all(
            name,
            Box::new(move || {
                let store = ours::fresh(ground, WORK)?;
                let artifact = &stored.artifact;
                let pull = remote.pull(&store, &artifact.name, &artifact.version, None, SystemClock.now());
                let (time, pulled) = ground.time(|| Ok(runtime.block_on(pull)?))?;
                ensure(pulled.artifact == *artifact && pulled.moved.present == 0, "pull")?;
                Ok(time)
            }),
        );
    }
    let finish = race.run()?;
    drop(registry);
    finish.told(sink, Counts::Durable)?;
    finish.ratio(sink, Counts::Durable, (ours::NAME, ONE), None)?;

    version2(settings, &runtime, sink)?;
    for name in ["push-many", "push-fine", "push-one"] {
        ground.gone(&ours::place(name))?;
    }
    ground.gone(&ours::place(WORK))?;
    ground.gone("push-tar")?;
    ground.gone(THERE)?;
    Ok(())
}

/// The next version, where the one before it is there already.
fn version2(settings: &Settings<'_>, runtime: &Runtime, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let versions = trees::versions(ground, settings.quick, Edits::Together)?;
    let store = ours::fresh(ground, WORK)?;
    let (_, first) = ours::ingest(&store, &versions.one.path, 0)?;
    let (_, second) = ours::ingest(&store, &versions.two.path, 1)?;
    let moved = Cell::new(Transferred::default());
    let mut race = Race::new("push, version2", 3);
    race.all(
        ours::NAME,
        Box::new(|| {
            let registry = Registry::start(runtime, ground, THERE)?;
            let remote = registry.remote(WORK)?;
            runtime.block_on(remote.push(&store, &first))?;
            let (time, pushed) = ground.time(|| Ok(runtime.block_on(remote.push(&store, &second))?))?;
            ensure(pushed.moved.present > 0, "nothing was there")?;
            moved.set(pushed.moved);
            Ok(time)
        }),
    );
    race.run()?.told(sink, Counts::Durable)?;
    let moved = moved.get();
    for (what, value, unit) in [
        ("bytes that travelled", moved.bytes as f64 / 1e6, "MB"),
        ("blobs that travelled", moved.blobs as f64, ""),
        ("blobs that were there", moved.present as f64, ""),
    ] {
        sink.figure(Figure::told(format!("push, version2: {what}"), value, unit))?;
    }
    Ok(())
}

/// Into a registry with nothing in it.
fn push(runtime: &Runtime, ground: &Ground, stored: &Stored) -> Result<Timed, Failure> {
    let registry = Registry::start(runtime, ground, THERE)?;
    let remote = registry.remote(WORK)?;
    let (time, pushed) =
        ground.time(|| Ok(runtime.block_on(remote.push(&stored.store, &stored.artifact))?))?;
    ensure(pushed.moved.present == 0, "something was there already")?;
    Ok(time)
}

fn stored(ground: &Ground, work: &str, tree: &Path, fineness: Fineness) -> Result<Stored, Failure> {
    let store = ours::fresh(ground, work)?;
    let (_, artifact) = ours::store_as(&store, Packer::new(tree).fineness(fineness), 0)?;
    let layers = store.artifact(&artifact)?.layers().len();
    Ok(Stored {
        store,
        artifact,
        layers,
    })
}

/// An artifact whose one file is the tar of another. What a tar has around a file are two layers more, of a few bytes.
fn one_layer(ground: &Ground, of: &Stored) -> Result<Stored, Failure> {
    let tree = ground.empty("push-tar")?;
    let mut tar = BufWriter::new(File::create(tree.join("all.tar"))?);
    of.store.artifact(&of.artifact)?.export_tar(&mut tar)?;
    tar.into_inner()?;
    let stored = stored(ground, "push-one", &tree, Fineness::default())?;
    fs::remove_dir_all(&tree)?;
    Ok(stored)
}
