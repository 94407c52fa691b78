//! The stages that change an environment and check the change.

mod deploy;
mod error;
mod release;
mod settings;
mod verify;

pub use deploy::Deploy;
pub use error::{DeployError, ReleaseError, RollbackError, VerifyError};
pub use settings::{OnFailure, VerifyDeployment};
