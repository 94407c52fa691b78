use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{FileJournal, Pipeline, RunId, RunStatus, StageSpec, SystemEntropy};
use tempfile::TempDir;

use super::floor::parse_and_chain;
use crate::measure::Settings;
use crate::ours::{self, Lost, Nothing};
use crate::report::{Figure, Sink};
use crate::rounds::{Rounds, Samples};
use crate::shapes::{Shape, Thousands};
use crate::threads::{Threads, time};
use crate::{Failure, ensure, scratch};

const ROUNDS: Rounds = Rounds {
    at_least: 3,
    at_most: 11,
    budget: Duration::from_secs(10),
};

/// How much longer loading may take than parsing and hashing, and so may resuming.
const OVER_PARSING: f64 = 1.5;

/// How much of that loading from a snapshot may take.
const FROM_SNAPSHOT: f64 = 0.1;

/// What a journal keeps beside its events to be opened faster, if it keeps anything: the one place that knows of it.
const DERIVED: &str = "derived";

/// Loading one of many runs, and loading a run that is all of the journal; 100,000 events each. First with what was
/// left beside the journal when it was written, then from the events alone.
pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let runs = settings.size(100);
    let many = Stored::write(settings.threads, Shape::layered(500, 100), runs)?;
    many.measure(settings.threads, sink, &format!("load, one of {runs} runs"))?;
    let one = Stored::write(
        settings.threads,
        Shape::layered(settings.size(50_000), settings.size(1_000)),
        1,
    )?;
    one.measure(settings.threads, sink, "load, one large run")
}

/// Where the samples of a round are.
const PARSE: usize = 0;
const LOAD: usize = 1;
const RESUME: usize = 2;
const EVENTS: usize = 3;

/// A journal on disk, written by runs of which the last one is open.
struct Stored {
    directory: TempDir,
    open: RunId,
    /// The pipeline of the open run.
    pipeline: Pipeline,
}

impl Stored {
    fn write(threads: &Threads, shape: Shape, runs: u32) -> Result<Self, Failure> {
        let directory = scratch::directory()?;
        let (journal, _) = FileJournal::open(directory.path(), Arc::new(SystemEntropy))?;
        let runner = ours::runner(journal);
        let whole = ours::pipeline(shape)?;
        let last = shape.nodes() - 1;
        let pipeline = ours::build(shape, |name, node| {
            if node == last {
                StageSpec::new(name, Lost)
            } else {
                StageSpec::new(name, Nothing)
            }
        })?;
        for _ in 1..runs {
            let (_, run) = ours::create(threads, &runner, &whole)?;
            let (_, state) = ours::drive(threads, &runner, &whole, &run)?;
            ensure(state.status() == RunStatus::Succeeded, "the run did not succeed")?;
        }
        let (_, open) = ours::create(threads, &runner, &pipeline)?;
        let (_, state) = ours::drive(threads, &runner, &pipeline, &open)?;
        ensure(
            state.status() == RunStatus::NeedsDecision,
            "the last run is not open",
        )?;
        Ok(Self {
            directory,
            open,
            pipeline,
        })
    }

    fn measure(&self, threads: &Threads, sink: &mut dyn Sink, name: &str) -> Result<(), Failure> {
        let derived = self.directory.path().join(DERIVED);
        let snapshot = derived.exists().then(|| self.take(threads, None)).transpose()?;
        let samples = self.take(threads, Some(&derived))?;

        let millis = |of| samples.median(of) * 1e3;
        let events = Thousands(samples.largest(EVENTS) as u64);
        sink.figure(Figure::told(
            format!("{name}: parse and chain {events}"),
            millis(PARSE),
            "ms",
        ))?;
        for (at, what) in [(LOAD, "open, load"), (RESUME, "open, load, take")] {
            sink.figure(Figure::told(format!("{name}: {what}"), millis(at), "ms"))?;
            let ratio = samples.ratio(at, PARSE);
            sink.figure(Figure::at_most(
                OVER_PARSING,
                format!("{name}: {what} / parse"),
                ratio,
                "x",
            ))?;
        }
        for (at, what) in [(LOAD, "open, load"), (RESUME, "open, load, take")] {
            let name = format!("{name}, snapshot: {what} / parse");
            sink.figure(match &snapshot {
                Some(samples) => Figure::at_most(FROM_SNAPSHOT, name, samples.ratio(at, PARSE), "x"),
                None => Figure::none(FROM_SNAPSHOT, name, "x"),
            })?;
        }
        Ok(())
    }

    /// Measures in turns, each time after what is beside the events was removed.
    fn take(&self, threads: &Threads, remove: Option<&Path>) -> Result<Samples, Failure> {
        let path = FileJournal::open_read_only(self.directory.path())?
            .path()
            .to_owned();
        let forget = || match remove.map(fs::remove_dir_all) {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let mut samples = Samples::of(4);
        for round in ROUNDS.iter() {
            let (parse, parsed) = time(|| parse_and_chain(&path))?;
            forget()?;
            let (load, loaded) = self.load(threads)?;
            ensure(parsed == loaded, "lines are missing")?;
            forget()?;
            let resume = self.resume(threads)?;
            if round > 0 {
                let seconds = [parse, load, resume].map(|time| time.as_secs_f64());
                samples.push(&[seconds[PARSE], seconds[LOAD], seconds[RESUME], parsed as f64]);
            }
        }
        Ok(samples)
    }

    /// Opens the journal and loads the run. Gives the number of events, too.
    fn load(&self, threads: &Threads) -> Result<(Duration, u64), Failure> {
        let (directory, run) = (self.directory.path().to_owned(), self.open.clone());
        let (time, (_, state, events)) = threads.time(async move {
            let (journal, report) = FileJournal::open(directory, Arc::new(SystemEntropy))?;
            let runner = ours::runner(journal);
            let state = runner.load(&run).await?;
            Ok((runner, state, report.events))
        })?;
        ensure(
            state.status() == RunStatus::NeedsDecision,
            "the run was loaded wrongly",
        )?;
        Ok((time, events))
    }

    /// Opens the journal and drives the run, which looks for something to do, finds nothing, and leaves it as it is.
    fn resume(&self, threads: &Threads) -> Result<Duration, Failure> {
        let (directory, run) = (self.directory.path().to_owned(), self.open.clone());
        let pipeline = self.pipeline.clone();
        let (time, (_, state)) = threads.time(async move {
            let (journal, _) = FileJournal::open(directory, Arc::new(SystemEntropy))?;
            let runner = ours::runner(journal);
            let state = runner.drive(&pipeline, &run).await?;
            Ok((runner, state))
        })?;
        ensure(
            state.status() == RunStatus::NeedsDecision,
            "the run was resumed wrongly",
        )?;
        Ok(time)
    }
}
