//! From the log, and from the facts, beside the databases.

use std::time::Duration;

use super::alone;
use super::peers::{Peer, Round};
use super::whole::{self, Log, Numbers};
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::rounds::{Rounds, Samples};
use crate::{Failure, ensure};

const ROUNDS: Rounds = Rounds {
    at_least: 3,
    at_most: 7,
    budget: Duration::from_secs(12),
};

/// How much of DuckDB's time everything may take from the log, and the numbers from facts.
const OF_WHOLE: f64 = 0.4;
const OF_COMPUTE: f64 = 0.25;

/// How many bytes the process may take at the peak.
const MEMORY: f64 = 120.0;
const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let log = Log::write(settings.size(1_000_000))?;
    let size = format!("{} events, {:.0} MiB", log.lines, log.bytes as f64 / MIB);
    for threads in [1, 2] {
        on_threads(
            &log,
            &format!("metrics, {size}, {threads} threads"),
            threads,
            sink,
        )?;
    }
    Ok(())
}

fn on_threads(log: &Log, name: &str, threads: usize, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut duckdb = Peer::start("duckdb", threads, &log.path)?;
    let mut polars = Peer::start("polars", threads, &log.path)?;
    let mut samples = Samples::of(6);
    let mut peaks = Vec::new();
    for round in ROUNDS.iter() {
        let (read, facts) = whole::read(&log.path, threads)?;
        let (compute, numbers) = whole::compute(&facts)?;
        drop(facts);
        let (read, compute) = (read.as_secs_f64(), compute.as_secs_f64());
        let mut values = vec![read + compute, compute];
        peaks.clear();
        for peer in [&mut duckdb, &mut polars] {
            match peer {
                Some(peer) => {
                    let round = peer.round()?;
                    same(&numbers, &round)?;
                    peaks.push(round.peak);
                    values.extend([round.load + round.compute, round.compute]);
                }
                None => values.extend([f64::NAN, f64::NAN]),
            }
        }
        if round > 0 {
            samples.push(&values);
        }
    }
    for (at, what) in [(0, "read and compute"), (1, "compute")] {
        sink.figure(Figure::told(
            format!("{name}: {what}"),
            samples.median(at) * 1e3,
            "ms",
        ))?;
    }
    let limit = |limit, name: String, value: f64| match value.is_nan() {
        true => Figure::none(limit, name, "x"),
        false => Figure::at_most(limit, name, value, "x"),
    };
    let version = duckdb
        .as_ref()
        .map_or("DuckDB, not installed", |peer| &peer.version);
    sink.figure(limit(
        OF_WHOLE,
        format!("{name}: from the log / {version}"),
        samples.ratio(0, 2),
    ))?;
    sink.figure(limit(
        OF_COMPUTE,
        format!("{name}: from facts / {version}"),
        samples.ratio(1, 3),
    ))?;
    if let Some(polars) = &polars {
        for (ours, theirs, what) in [(0, 4, "from the log"), (1, 5, "from facts")] {
            let ratio = samples.ratio(ours, theirs);
            sink.figure(Figure::told(
                format!("{name}: {what} / {}", polars.version),
                ratio,
                "x",
            ))?;
        }
    } else {
        sink.figure(Figure::told(
            format!("{name}: Polars is not installed"),
            f64::NAN,
            "x",
        ))?;
    }
    for (peer, peak) in [&duckdb, &polars].into_iter().flatten().zip(&peaks) {
        if let Some(peak) = peak {
            let name = format!("{name}: peak memory, {}", peer.version);
            sink.figure(Figure::told(name, *peak as f64 / MIB, "MiB"))?;
        }
    }
    let peak = alone::run(&log.path, threads)?.peak;
    let name = format!("{name}: peak memory");
    sink.figure(match peak {
        Some(peak) => Figure::at_most(MEMORY, name, peak as f64 / MIB, "MiB"),
        None => Figure::none(MEMORY, name, "MiB"),
    })?;
    Ok(())
}

/// Whoever computes something else is not compared.
fn same(ours: &Numbers, theirs: &Round) -> Result<(), Failure> {
    let overall = &ours.overall;
    let of = |time: Option<pipeline_metrics::Durations>| time.map_or(f64::NAN, |time| time.median_ms);
    let failed = overall.change_fail_rate.map_or(0, |ratio| ratio.part());
    let counts = (ours.weeks, overall.deployments, overall.changes, failed);
    let equal = counts == (theirs.weeks, theirs.deployments, theirs.changes, theirs.failed)
        && of(overall.lead_time) == theirs.lead
        && of(overall.recovery_time) == theirs.recovery;
    ensure(equal, &format!("other numbers: {ours:?}, and theirs: {theirs:?}"))
}
