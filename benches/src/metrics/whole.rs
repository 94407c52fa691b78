//! From a log to the five numbers of every week of every service and overall.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_metrics::{Delivery, Facts, LogReader, Measures, Options, Scope, Week};
use tempfile::TempDir;

use super::year::{self, Size};
use crate::threads::time;
use crate::{Failure, scratch};

const SEED: u64 = 42;

/// A log on disk.
pub(super) struct Log {
    _directory: TempDir,
    pub(super) path: PathBuf,
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

impl Log {
    pub(super) fn write(changes: u32) -> Result<Self, Failure> {
        let directory = scratch::directory()?;
        let path = directory.path().join("events.jsonl");
        let mut out = std::io::BufWriter::new(File::create_new(&path)?);
        let lines = year::write(Size::of_changes(changes), SEED, &mut out)?;
        let bytes = std::fs::metadata(&path)?.len();
        Ok(Self {
            _directory: directory,
            path,
            lines,
            bytes,
        })
    }
}

/// Reads a log.
pub(super) fn read(path: &Path, threads: usize) -> Result<(Duration, Facts), Failure> {
    time(|| {
        let mut facts = Facts::new();
        let reader = LogReader::new("events.jsonl").strict().threads(threads);
        reader.read(File::open(path)?, &mut facts)?;
        Ok(facts)
    })
}

/// What the numbers are, to compare with those of others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    pub(super) weeks: usize,
    pub(super) overall: Measures,
}

/// Computes all numbers.
pub(super) fn compute(facts: &Facts) -> Result<(Duration, Numbers), Failure> {
    time(|| {
        let delivery = Delivery::of(facts, &Options::default())?;
        let weeks: Vec<Week<'_>> = delivery.weeks().collect();
        let everything = delivery.everything().ok_or("an empty year")?;
        let overall = delivery.select(&Scope::Overall, everything).measures();
        let weeks = black_box(weeks).len();
        Ok(Numbers { weeks, overall })
    })
}
