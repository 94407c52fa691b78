//! The store on local disk: blobs by digest, and the catalog of names and versions.

mod artifact;
mod blob;
mod blocking;
mod catalog;
mod checkout;
pub(crate) mod disk;
mod local;
mod report;
mod temp;
mod verify;

pub use artifact::StoredArtifact;
pub(crate) use blob::BlobWriter;
pub(crate) use blocking::blocking;
pub use local::LocalStore;
pub use report::{Problem, ProblemKind, StoreReport};
