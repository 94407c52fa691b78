//! How work flows: what is not delivery itself.

mod fact;
mod journal;
mod origin;
mod set;

pub use fact::{
    ChangeKind, EnvironmentChange, EnvironmentFact, FlowFact, Hold, ManualWork, Removal, StageTime, Wait,
    WaitCause,
};
pub use journal::JournalFlow;
pub use origin::Origin;
pub use set::Flow;
