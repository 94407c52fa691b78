//! Registries: pushing artifacts to them, and pulling from them.

mod attachments;
mod credentials;
mod docker_config;
mod error;
mod helper;
mod pull;
mod push;
mod remote;
mod report;
mod source;
mod transfer;

pub use credentials::{Credentials, CredentialsError};
pub use error::OciError;
pub use remote::{Remote, RemoteName, RemoteNameError, RemoteOptions};
pub use report::{PullReport, PushReport, SkippedAttachment, Transferred};
