//! Runs: one life of a pipeline, as a fold over its events.
//!
//! [`RunState`] is the fold. Every decision is in one place and pure; every change is in another, and total;
//! what is to be done is read off the state. A runner commits what was decided and then does what is due.

mod advance;
mod apply;
mod brief;
mod budget;
mod call;
mod created_form;
mod decide;
mod due;
mod event;
mod expand;
mod finish;
mod fold_error;
mod gates;
mod graph;
mod input;
mod inspected;
mod instances;
mod locks;
mod plain;
mod prepared;
mod requests;
#[cfg(feature = "runtime")]
mod rest;
mod result_form;
mod skip;
#[cfg(feature = "runtime")]
pub(crate) mod snapshot;
mod stage_state;
mod start;
mod state;
mod view;

#[cfg(feature = "runtime")]
pub(crate) use advance::Ahead;
pub(crate) use brief::Brief;
pub use decide::{ENVIRONMENT_LOCK, NEWER_DEPLOYMENT};
pub use event::{
    ActionPlanned, CancelRequested, GateVerdict, GatesEvaluated, Purpose, RunClaimed, RunCreated, RunEvent,
    RunFinished, RunOutcome, RunParked, StageDecided, StageExpanded, StageFinished, StageInstance,
    StageResult, StageReused, StageSkipped, StageStarted, StageUnknown, StartDetails,
};
pub use fold_error::FoldError;
pub use gates::Gates;
pub(crate) use graph::RunGraph;
pub use graph::{StageIndex, UnsoundPlan};
pub use input::{ApproveRequest, Command, DecideRequest, Input, Moment, Preparation, Refusal};
pub use stage_state::{Attempt, Backoff, StageEnd, StageState};
pub use state::RunState;
pub use view::{Cancel, RunStatus, StageView};
