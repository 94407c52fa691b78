//! What must be proven of an artifact before it is believed where it comes from.

#[cfg(feature = "signing")]
mod form;
mod pattern;
mod provenance;
#[cfg(feature = "signing")]
mod read;
mod report;
mod result_claim;
mod rules;
mod source_claim;
mod subject;
mod verify;

pub use pattern::{Accepted, Pattern};
#[cfg(feature = "signing")]
pub use read::PolicyError;
pub use report::{AttestationReport, Check, Denied, Report, Requirement, Rule};
pub use rules::{AcceptedKey, Policy, ProvenanceRules};
pub use subject::Subject;
