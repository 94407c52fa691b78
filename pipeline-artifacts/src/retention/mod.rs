//! Which versions are kept.

mod age;
mod carry_out;
mod decision;
mod plan;
mod policy;
mod rules;

pub use age::{Age, AgeParseError};
pub use carry_out::{CarriedOut, CarryOutError};
pub use decision::{Fate, RetentionDecision};
pub use plan::RetentionPlan;
pub use policy::{RetentionPolicy, RetentionPolicyError};
pub use rules::RetentionRules;
