//! The run plan: the graph and the settings, as data.

mod planned_stage;
mod rules;
mod run_plan;

pub use planned_stage::{PlannedGate, PlannedStage};
pub use rules::{Each, FailurePolicy, Items, PlannedPool, QueueMode, RetryPolicy, RunLimits, When};
pub use run_plan::{NotPortable, RunPlan};
