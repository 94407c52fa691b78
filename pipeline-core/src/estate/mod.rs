//! The estate: what is live where, as a fold over the environments' streams.

mod environment_state;
mod event;
mod folded;

pub use environment_state::{EnvironmentLock, EnvironmentState, LiveDeployment, VerifiedRelease};
pub use event::{Deployed, DeploymentFailed, EnvironmentEvent, Locked, Released, RolledBack, Verified};
pub use folded::Estate;
