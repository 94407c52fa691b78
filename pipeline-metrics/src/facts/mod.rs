//! The facts, compact: texts are kept once, rows are columns of numbers, and what names a row is hashed once.

mod deployments;
mod hash;
mod incidents;
mod index;
mod names;
mod order;
mod origin;
mod problems;
mod revisions;
mod set;
mod view;

pub(crate) use deployments::DeploymentRow;
pub(crate) use incidents::{IncidentRow, RollbackRow};
pub(crate) use index::AHEAD;
pub(crate) use names::Names;
pub(crate) use order::natural;
pub(crate) use origin::SourceId;
pub use problems::Problem;
pub(crate) use revisions::Key;
pub use set::Facts;
pub(crate) use set::Touched;

/// No such moment, and no such row.
pub(crate) const NEVER: i64 = i64::MIN;
pub(crate) const NONE: u32 = u32::MAX;
