//! Reproducible, immutable, content-addressed artifacts for a release pipeline: built once, named once, the
//! same bytes in every environment.
//!
//! ```
//! use pipeline_artifacts::{LocalStore, Packer};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (root, dist, live) = (dir.path().join("store"), dir.path().join("dist"), dir.path().join("live"));
//! # std::fs::create_dir(&dist)?;
//! # std::fs::write(dist.join("app.conf"), "threads = 4\n")?;
//! let store = LocalStore::open(root)?;
//!
//! // Once: pack what was built, and let `shop 1.4.0` stand for it for ever.
//! let packed = Packer::new(&dist).pack(&store)?;
//! let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
//!
//! // In every environment: the same bytes, verified.
//! let artifact = store.artifact(&shop)?;
//! artifact.write_to(&live)?;
//! assert_eq!(artifact.file("app.conf")?, b"threads = 4\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The nouns
//!
//! - [`Packer`] makes an artifact of a directory tree: the same digest for the same content, whatever the
//!   computer. [`PackError`] and [`Refusal`] say what it does not take.
//! - [`LocalStore`] keeps blobs by digest and a catalog of names and versions, in a directory. It is an
//!   [`ArtifactStore`](pipeline_core::ArtifactStore); every method has a blocking twin.
//!   [`LocalStore::verify`] finds every damaged byte, and [`StoreReport`] says what it breaks.
//! - [`Catalog`] answers an [`ArtifactQuery`]: a version, a range, the newest, a digest, a revision. A version that was
//!   yanked is not selected and stays readable.
//! - [`RetentionPolicy`] says which versions stay, [`RetentionPlan`] shows it before it is done; a [`Collection`] takes away
//!   blobs that nothing needs, beside writers and readers. What is [`InUse`] stays.
//! - [`Promotion`] brings an artifact to another store; what is damaged is healed from one that has it. [`Tiered`],
//!   [`ReadOnly`] and [`Limited`] stand in front of stores, of blobs and of artifacts; [`MemoryBlobs`] stands for one of blobs.
//! - [`StoredArtifact`] is one that was opened: its [`Entries`], single files, all of it into a directory, or as a tar.
//! - [`BlobStore`] is what every store of bytes by digest can do, wherever it is: a source and a target of promotions, without
//!   names. A [`Lease`] keeps from the
//!   collector what a writer has stored and nobody refers to yet.
//! - [`Package`] is the stage `package`, with [`PackageSettings`]. With an [`Attestor`], each package says which run built
//!   it from what; with [`EnvironmentFreeSettings`], none holds values of an environment.
//! - [`Attachment`] is something that belongs to an artifact and is not in it: provenance, an SBOM, a note. [`NewAttachment`]
//!   makes one, and [`LocalStore::check_origin`] holds them against a policy: see [`origin`].
//! - [`Comparison`] says what differs between two artifacts, [`EnvironmentFree`] finds values of environments in one, and
//!   [`rebuild()`] says whether building it again gives the same.
//! - [`limits`] says how much an artifact may hold, and [`Limits`] how much of that is taken from strangers.
//! - [`format`](mod@format) is the tree on disk, for those who read it with other tools.
//!
//! # What it does not do
//!
//! - It does not build: something else makes the directory that it packs.
//! - It holds no configuration of an environment, and no secret should be in an artifact: the store is readable
//!   for whoever can read its directory.
//! - It does not keep anybody with write access to the directory from replacing
//!   both a blob and the record that names it. The journal names digests, and chains them.
//! - It is built and tested on Linux. Modes and symbolic links are part of an artifact, so it needs Unix; other kinds of it than
//!   Linux were not tried.
//!
//! # Features
//!
//! `tokio` (default): async methods that are called in a tokio runtime block one of its threads for blocking
//! work, not the caller's. Without it, or elsewhere, they block.
//!
//! `oci`: the module `oci` pushes to registries, and pulls from them. It brings an HTTP client and TLS, which needs a C
//! compiler.
//!
//! `chunking`: `Packer::chunking` cuts large files by their content. `zstd`: `Packer::compress`, and reading what was
//! compressed. `export`: `StoredArtifact::export_tar_gz` and `export_zip`.
//!
//! `testing`: the module `testing` checks a [`BlobStore`] of your own against the contract of the trait.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("pipeline-artifacts needs Unix: modes and symbolic links are part of an artifact");

mod attach;
mod catalog;
mod collect;
mod compare;
mod crew;
mod environment_free;
mod form;
#[doc = include_str!("../docs/format.md")]
pub mod format {}
#[doc = include_str!("../docs/origin.md")]
pub mod origin {}
mod layers;
pub mod limits;
#[cfg(feature = "oci")]
pub mod oci;
mod pack;
mod package;
mod promote;
mod rebuild;
mod retention;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod varint;

pub use attach::{
    Attachment, AttachmentKind, AttachmentPart, NewAttachment, OriginReport, SbomForm, Unreadable,
};
pub use catalog::{
    ArtifactQuery, Because, Catalog, CatalogEntry, DigestPrefix, Mark, MarkKind, Publication,
    QueryParseError, SelectError, Selection, Standing, Versions,
};
pub use collect::{CollectError, Collected, Collection, InUse};
pub use compare::{Change, ChangeKind, Comparison};
pub use environment_free::{DEFAULT_MIN_LENGTH, EnvironmentFree, Finding, Findings, FoundIn, WhoseValue};
pub use form::PathFault;
pub use layers::{BlobLimits, Limited, MemoryBlobs, ReadOnly, Tiered};
#[doc(inline)]
pub use limits::{Limit, LimitExceeded, Limits};
pub use pack::{Fineness, PackError, Packed, Packer, Progress, Refusal};
pub use package::{
    AttestError, Attestor, EnvironmentFreeSettings, JournalOrigin, Origin, Package, PackageError,
    PackageSettings, PackageSettingsError, VersionSource,
};
pub use promote::{Healed, HealedRecords, Promoted, Promotion};
pub use rebuild::{RebuildError, RebuildReport, Rebuilder, RecordedBuild, rebuild};
pub use retention::{
    Age, AgeParseError, CarriedOut, CarryOutError, Fate, RetentionDecision, RetentionPlan, RetentionPolicy,
    RetentionPolicyError, RetentionRules,
};
pub use store::{
    BlobId, BlobSource, BlobStore, BytesSource, Entries, Lease, LocalStore, MAX_PIECE, Problem, ProblemKind,
    Recheck, StoreReport, StoredArtifact,
};

/// The README's program is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
