//! Stages: the steps of a pipeline that touch the world.

mod ability;
mod any;
mod call;
mod cancellation;
mod context;
mod contract;
mod outcome;
mod output;

pub use ability::{Abilities, Inspect, Inspection, PlanActions, Undo, Verify};
#[cfg(feature = "runtime")]
pub(crate) use any::Started;
pub use any::{AnyStage, StageError};
pub use call::{StageCall, Target};
pub use cancellation::{Cancellation, Cancelled};
pub use context::{Services, Signals, StageContext};
pub use contract::{Effect, Failure, Reads, Stage};
pub use outcome::{DeploymentReport, Outcome, OutcomeStatus};
pub use output::{Channel, OutputLog};
