//! Registries: pushing artifacts to them, and pulling from them. Begin at [`Remote`]; what lies there for other tools is
//! described at [`origin`](mod@crate::origin#registries-feature-oci).

mod attachments;
mod certificates;
mod connection;
mod credentials;
mod docker_config;
mod error;
mod failure;
mod helper;
mod link;
mod manifests;
mod options;
mod pull;
mod push;
mod referrers;
mod remote;
mod remote_name;
mod report;
mod request;
mod retries;
mod source;
mod transfer;

pub use credentials::{Credentials, CredentialsError};
pub use error::OciError;
pub use options::RemoteOptions;
pub use remote::Remote;
pub use remote_name::{RemoteName, RemoteNameError};
pub use report::{PullReport, PushReport, SkippedAttachment, Transferred};
pub use retries::Retries;
