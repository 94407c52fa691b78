//! Builds an artifact again, and says whether it is the same.

mod recorded;
mod report;
mod run;

pub use recorded::RecordedBuild;
pub use report::RebuildReport;
pub use run::{RebuildError, Rebuilder, rebuild};
