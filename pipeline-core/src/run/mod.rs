//! Runs: one life of a pipeline, as a fold over its events.
//!
//! [`RunState`] is the fold. Every decision is in one place and pure; every change is in another, and total;
//! what is to be done is read off the state. A runner commits what was decided and then does what is due.

mod advance;
mod apply;
mod call;
mod decide;
mod due;
mod event;
mod finish;
mod gates;
mod graph;
mod input;
mod locks;
mod requests;
mod stage_state;
mod state;

pub use decide::ENVIRONMENT_LOCK;
pub use event::{
    ActionPlanned, CancelRequested, GateVerdict, GatesEvaluated, Purpose, RunClaimed, RunCreated, RunEvent,
    RunFinished, RunOutcome, StageDecided, StageFinished, StageResult, StageReused, StageSkipped,
    StageStarted, StageUnknown,
};
pub use gates::Gates;
pub use graph::{StageIndex, UnsoundPlan};
pub use input::{ApproveRequest, Command, DecideRequest, Input, Preparation, Refusal};
pub use stage_state::{Attempt, StageEnd, StageState};
pub use state::{Cancel, FoldError, RunState, RunStatus, StageView};
