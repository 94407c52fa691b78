//! A process of its own, so that nothing else is in its memory.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::whole::{self, Log};
use crate::measure::Settings;
use crate::memory::peak;
use crate::report::{Figure, Sink};
use crate::{Failure, ensure};

/// The word that makes the program run [`child`] and nothing else.
pub const CHILD: &str = "--metrics-in-a-process-of-its-own";

/// How much longer ten times the events may take.
const TEN_TIMES: f64 = 11.0;

/// What one log took.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    /// The most memory that the process ever had, in bytes; `None` when the system does not say.
    pub(super) peak: Option<u64>,
    pub(super) read_seconds: f64,
    pub(super) compute_seconds: f64,
}

impl Taken {
    fn seconds(&self) -> f64 {
        self.read_seconds + self.compute_seconds
    }
}

pub(super) fn run(log: &Path, threads: usize) -> Result<Taken, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .arg(log)
        .arg(threads.to_string())
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure(
        output.status.success(),
        &format!("the child: {}: {error}", output.status),
    )?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What the child does: reads a log, computes all numbers, and prints what that took.
///
/// # Errors
///
/// When the log cannot be read.
pub fn child(log: &str, threads: &str) -> Result<(), Failure> {
    let (read, facts) = whole::read(Path::new(log), threads.parse()?)?;
    let (compute, _) = whole::compute(&facts)?;
    let taken = Taken {
        peak: peak(),
        read_seconds: read.as_secs_f64(),
        compute_seconds: compute.as_secs_f64(),
    };
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

/// Ten times the events.
pub(super) fn growth(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let small = Log::write(settings.size(100_000))?;
    let large = Log::write(settings.size(1_000_000))?;
    let mut ratios = Vec::new();
    for round in 0..6 {
        let (small, large) = (run(&small.path, 1)?, run(&large.path, 1)?);
        if round > 0 {
            ratios.push(large.seconds() / small.seconds());
        }
    }
    ratios.sort_by(f64::total_cmp);
    sink.figure(Figure::at_most(
        TEN_TIMES,
        format!("metrics: {} events / {}", large.lines, small.lines),
        ratios[ratios.len() / 2],
        "x",
    ))?;
    Ok(())
}
