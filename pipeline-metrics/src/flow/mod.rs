//! How work flows: what is not delivery itself.

mod fact;
#[cfg(feature = "journal")]
mod journal;
mod origin;
mod set;

pub use fact::{
    ChangeKind, EnvironmentChange, EnvironmentFact, FlowFact, Hold, ManualWork, Removal, StageTime, Wait,
    WaitCause,
};
#[cfg(feature = "journal")]
pub use journal::JournalFlow;
pub use origin::Origin;
pub use set::Flow;
