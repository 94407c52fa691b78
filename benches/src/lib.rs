//! What the release-pipeline crates cost, measured against what the same work must cost.
//!
//! Two programs use it: `figures`, which measures each figure that has a limit and says which ones fall short, and the
//! criterion benches, which look closer at the same things.
//!
//! | module | what is in it |
//! |---|---|
//! | [`report`] | a figure, its limit, and how both are printed |
//! | [`rounds`] | who is measured takes turns, and the median counts |
//! | [`threads`] | the runtime that everybody runs on, and the stopwatch |
//! | [`shapes`] | the graphs |
//! | [`bare`], [`peers`] | the floor, and other crates, on these graphs |
//! | [`ours`] | runs of our own on these graphs |
//! | [`metrics`] | a year of deliveries beside databases |
//! | [`scratch`], [`artifacts::ground`] | directories, and a file system, for files that are measured |
//! | [`memory`] | how much memory a process had |
//! | [`measure`] | what an area is made of, and what its measures share |
//! | [`areas`] | what `figures` can measure, area by area |
//!
//! A new area is a module with a list of [measures](measure::Measure), and a line in [`areas::ALL`].

pub mod areas;
pub mod artifacts;
pub mod bare;
pub mod measure;
pub mod memory;
pub mod metrics;
pub mod ours;
pub mod peers;
pub mod report;
pub mod rounds;
pub mod scheduler;
pub mod scratch;
pub mod shapes;
pub mod threads;

/// Why something could not be measured. Nobody can do anything about it but read it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Fails when what was measured is not what should have been.
///
/// # Errors
///
/// When `holds` does not.
pub fn ensure(holds: bool, what: &str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("measured something else: {what}").into())
    }
}
