//! What happened, as it is told to [`Facts`](crate::Facts) and read from them.

mod change;
mod deployment;
mod incident;
mod reference;
mod sha;
mod source;

pub use change::{Change, Phases};
pub use deployment::{Deployment, DeploymentKind, DeploymentResult};
pub use incident::{Incident, Recovery, Rollback};
pub use reference::{Fact, FactRef};
pub(crate) use sha::Form;
pub use sha::Sha;
pub(crate) use sha::decode;
pub use source::FactSource;
