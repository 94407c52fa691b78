//! A run with a million stages: whether it ends, and how much memory it takes.

use std::process::Command;

use pipeline_core::{MemoryJournal, RunStatus};
use serde::{Deserialize, Serialize};

use crate::measure::Settings;
use crate::memory::peak;
use crate::ours;
use crate::report::{Figure, Sink};
use crate::shapes::Shape;
use crate::threads::{Threads, time};
use crate::{Failure, ensure};

/// The word that makes the program run [`child`] and nothing else.
pub const CHILD: &str = "--million-in-a-process-of-its-own";

/// How many bytes a node may take at the peak.
const LIMIT: f64 = 1024.0;

/// What one run took.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    /// The most memory that the process ever had, in bytes; `None` when the system does not say.
    peak: Option<u64>,
    build_seconds: f64,
    create_seconds: f64,
    drive_seconds: f64,
}

/// Runs the graph in a process of its own, so that nothing else is in its memory.
pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let nodes = settings.size(1_000_000);
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, &nodes.to_string()])
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure(
        output.status.success(),
        &format!("the child: {}: {error}", output.status),
    )?;
    let taken: Taken = serde_json::from_slice(&output.stdout)?;

    let shape = shape(nodes);
    let nanos = |seconds: f64| seconds * 1e9 / f64::from(nodes);
    for (what, seconds) in [
        ("build and validate", taken.build_seconds),
        ("plan and create", taken.create_seconds),
        ("drive to its end", taken.drive_seconds),
    ] {
        sink.figure(Figure::told(
            format!("{shape}: {what}"),
            nanos(seconds),
            "ns/node",
        ))?;
    }
    let name = format!("{shape}: peak memory");
    sink.figure(match taken.peak {
        Some(peak) => Figure::at_most(LIMIT, name, peak as f64 / f64::from(nodes), "bytes/node"),
        None => Figure::none(LIMIT, name, "bytes/node"),
    })?;
    Ok(())
}

fn shape(nodes: u32) -> Shape {
    Shape::layered(nodes, 1_000)
}

/// What the child does: builds the pipeline, which validates it, creates a run, which plans it, and drives it to its
/// end, over the journal in memory. Prints what that took.
///
/// # Errors
///
/// When the run does not succeed.
pub fn child(nodes: u32) -> Result<(), Failure> {
    let threads = Threads::start()?;
    let runner = ours::runner(MemoryJournal::new());
    let (build, pipeline) = time(|| ours::pipeline(shape(nodes)))?;
    let (create, run) = ours::create(&threads, &runner, &pipeline)?;
    let (drive, state) = ours::drive(&threads, &runner, &pipeline, &run)?;
    let peak = peak();
    ensure(state.status() == RunStatus::Succeeded, "the run did not succeed")?;
    let taken = Taken {
        peak,
        build_seconds: build.as_secs_f64(),
        create_seconds: create.as_secs_f64(),
        drive_seconds: drive.as_secs_f64(),
    };
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}
