//! Sizes that several parts of packing go by.

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;

/// A file of this size or more is a layer of its own, and the blob of that layer is the file: its digest is the one that
/// `sha256sum` tells, and a file system that shares blocks can share it.
pub(super) const LARGE: u64 = 4 * MIB;
/// How many files are layers of their own at most. Each has a small layer before it, with its header.
pub(super) const MAX_LARGE: u32 = 128;
