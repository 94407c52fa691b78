//! What an artifact may hold. A packer refuses more, and a reader refuses to follow a table of contents
//! that claims more.

/// The longest path of an entry, in bytes of UTF-8.
pub const MAX_PATH: usize = 1024;

/// The longest part of a path, in bytes of UTF-8: what file systems take.
pub const MAX_PART: usize = 255;

/// The longest target of a symbolic link, in bytes of UTF-8.
pub const MAX_TARGET: usize = 1024;

/// The most entries: files, directories and links together.
pub const MAX_ENTRIES: usize = 1_000_000;

/// How often the links of an artifact may lead through other links, all of them together.
pub const MAX_LINK_HOPS: usize = 1_000_000;

/// The largest table of contents, in bytes.
pub const MAX_TOC: u64 = 512 * 1024 * 1024;

/// The largest manifest, in bytes: what every OCI registry takes.
pub const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// The largest file, in bytes: the largest whole number that JSON carries exactly.
pub const MAX_FILE: u64 = (1 << 53) - 1;

/// The most layers of a tar. Registries refuse more than 500 (Amazon's) in a manifest.
pub const MAX_LAYERS: usize = 400;

/// The longest version, in bytes: the longest tag of an OCI registry.
pub const MAX_VERSION: usize = 128;

/// The most bytes that one attachment may have when it is attached here: all of it is held in memory.
pub const MAX_ATTACHMENT_BYTES: u64 = 32 * 1024 * 1024;

/// The most bytes that the parts of an attachment may have together.
pub const MAX_ATTACHMENT: u64 = 64 * 1024 * 1024;

/// The most parts that an attachment may have.
pub const MAX_ATTACHMENT_PARTS: usize = 64;

/// The most bytes that the annotations of an attachment may have together.
pub const MAX_ANNOTATIONS: usize = 16 * 1024;

/// The most attachments of one artifact that are pulled from a registry, where anybody may have attached some.
pub const MAX_PULLED_ATTACHMENTS: usize = 1000;

/// The largest record of a version, in bytes: some ten thousand revisions.
pub const MAX_RECORD: usize = 4 * 1024 * 1024;
