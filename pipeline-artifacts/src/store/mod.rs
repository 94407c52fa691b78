//! The store on local disk: blobs by digest, and the catalog of names and versions.

mod artifact;
mod belt;
mod blob;
mod blob_bytes;
mod blob_store;
mod blob_writer;
mod blocking;
mod catalog;
mod checkout;
pub(crate) mod disk;
mod entries;
#[cfg(feature = "export")]
mod export;
mod gate;
mod large;
mod layer;
mod lease;
mod local;
mod local_blobs;
mod locked;
#[cfg(test)]
mod long_list_tests;
mod mounts;
mod quarantine;
mod reader;
mod referrers;
mod report;
mod scratch;
mod size_check;
mod stage;
mod temp;
mod trash;
mod verify;
mod verify_artifact;
mod verify_attachments;
mod verify_blobs;
mod verify_layer;
mod verify_layouts;
#[cfg(feature = "export")]
mod zip;
#[cfg(feature = "zstd")]
mod zstd_layer;

pub use artifact::StoredArtifact;
pub(crate) use blob::{begins_as_manifest, digest_of};
pub(crate) use blob_bytes::blob_bytes;
pub use blob_store::{BlobId, BlobSource, BlobStore, BytesSource, MAX_PIECE};
pub(crate) use blob_writer::{BlobWriter, Unplaced};
pub(crate) use blocking::blocking;
pub use entries::Entries;
pub(crate) use gate::Gate;
pub use lease::Lease;
pub use local::{LocalStore, Recheck};
pub(crate) use locked::Locked;
pub use report::{Problem, ProblemKind, StoreReport};
pub(crate) use scratch::Scratch;
