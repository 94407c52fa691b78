//! Our own store, through its public interface.

use std::path::Path;

use pipeline_artifacts::{LocalStore, Packed, Packer};
use pipeline_core::ArtifactRef;

use super::ground::Ground;
use crate::Failure;

pub(super) const NAME: &str = "ours";

/// Where it lies, for some work.
pub(super) fn place(work: &str) -> String {
    format!("{work}-ours")
}

/// A store where there is nothing.
pub(super) fn fresh(ground: &Ground, work: &str) -> Result<LocalStore, Failure> {
    Ok(LocalStore::open(ground.gone(&place(work))?)?)
}

/// Packs and publishes a tree.
pub(super) fn ingest(
    store: &LocalStore,
    tree: &Path,
    version: u64,
) -> Result<(Packed, ArtifactRef), Failure> {
    store_as(store, Packer::new(tree), version)
}

/// The same, packed in another way.
pub(super) fn store_as(
    store: &LocalStore,
    packer: Packer,
    version: u64,
) -> Result<(Packed, ArtifactRef), Failure> {
    let packed = packer.pack(store)?;
    let version = semver::Version::new(1, version, 0);
    Ok((
        packed,
        store.publish(&"measured".parse()?, &version, &packed.digest)?,
    ))
}
