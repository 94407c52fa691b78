use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{FileJournal, Journal, RunStatus, SystemEntropy};

use super::floor::Written;
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::rounds::{Rounds, Samples};
use crate::shapes::Shape;
use crate::threads::Threads;
use crate::{Failure, bare, ensure, ours, scratch};

const ROUNDS: Rounds = Rounds {
    at_least: 5,
    at_most: 61,
    budget: Duration::from_secs(15),
};

/// How much slower a run may be than the floor and the disk.
const OVER_FLOOR: f64 = 1.3;

/// Commits that come once in a drive: who took the run, and how it ended.
const ONCE: u32 = 2;

/// In a chain a stage's end and the next one's start share a commit; what starts at once, and what ends at once, does.
pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let chain = Shape::chain(settings.size(300));
    shape(settings.threads, sink, chain, chain.nodes() + ONCE)?;
    let wide = Shape::wide(settings.size(2_000));
    shape(settings.threads, sink, wide, 2 * wide.depth() + ONCE)
}

fn shape(threads: &Threads, sink: &mut dyn Sink, shape: Shape, commits: u32) -> Result<(), Failure> {
    let pipeline = ours::pipeline(shape)?;
    let mut bare = bare::contender(threads, shape);
    let mut samples = Samples::of(4);
    for round in ROUNDS.iter() {
        let directory = scratch::directory()?;
        let (journal, _) = FileJournal::open(directory.path().join("journal"), Arc::new(SystemEntropy))?;
        let runner = ours::runner(journal.clone());
        let (_, run) = ours::create(threads, &runner, &pipeline)?;
        let before = Count::of(threads, &journal)?;
        let (time, state) = ours::drive(threads, &runner, &pipeline, &run)?;
        ensure(state.status() == RunStatus::Succeeded, "the run did not succeed")?;
        let after = Count::of(threads, &journal)?;
        let (commits, syncs) = (after.commits - before.commits, after.syncs - before.syncs);
        let written = Written::read(threads, &journal, before.commits as usize)?;
        let floor = bare()? + written.again(&directory.path().join("again"), syncs)?;
        if round > 0 {
            samples.push(&[
                time.as_secs_f64(),
                floor.as_secs_f64(),
                commits as f64,
                syncs as f64,
            ]);
        }
    }

    let micros = |of| samples.median(of) * 1e6 / f64::from(shape.nodes());
    let name = |what| format!("file, {shape}: {what}");
    let limit = f64::from(commits);
    sink.figure(Figure::at_most(
        limit,
        name("commits"),
        samples.largest(2),
        "commits",
    ))?;
    sink.figure(Figure::at_most(
        limit,
        name("fdatasync"),
        samples.largest(3),
        "calls",
    ))?;
    sink.figure(Figure::told(name("ours, drive"), micros(0), "µs/stage"))?;
    sink.figure(Figure::told(
        name("bare, encode, hash, write, sync"),
        micros(1),
        "µs/stage",
    ))?;
    sink.figure(Figure::at_most(
        OVER_FLOOR,
        name("ours / that"),
        samples.ratio(0, 1),
        "x",
    ))?;
    Ok(())
}

/// What a journal has done so far.
struct Count {
    commits: u64,
    syncs: u64,
}

impl Count {
    fn of(threads: &Threads, journal: &FileJournal) -> Result<Self, Failure> {
        let reader = journal.clone();
        let commits = threads.run(async move { Ok(reader.checkpoint().await?.commits) })?;
        Ok(Self {
            commits,
            syncs: journal.syncs(),
        })
    }
}
