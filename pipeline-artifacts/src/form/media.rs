//! The media types that we write (OCI image specification 1.1, "Media Types").

/// An image manifest, ours or anybody's.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image index.
#[cfg(any(feature = "oci", test))]
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The configuration of a manifest that needs none.
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What kind of OCI artifact ours is.
pub(crate) const ARTIFACT: &str = "application/vnd.release-pipeline.artifact.v1";
/// The table of contents.
pub(crate) const TOC: &str = "application/vnd.release-pipeline.toc.v1+json";
/// A piece of a tar, not compressed.
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// A piece of a tar, compressed for itself.
pub(crate) const TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
