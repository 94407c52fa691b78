//! The form of the index on disk. It is a cache: whatever is wrong with it, it is as if there were none.
//!
//! ```text
//! magic | stamp of the catalog | count | { name, stamp or none, length of its block }… | blocks | SHA-256 of all that
//! ```
//!
//! Numbers and texts are as in [`varint`], blocks have their length before them, digests are 32 bytes. Nobody else
//! reads it.

use std::ops::Range;
use std::sync::Arc;

use pipeline_core::{ArtifactName, Digest, Timestamp};
use semver::{BuildMetadata, Prerelease, Version};

use super::stamp::Stamp;
use super::{CatalogEntry, Versions};
use crate::varint;

const MAGIC: &[u8; 16] = b"pipe-catalog-002";

/// An index that was read: its bytes are what they were when it was written.
#[derive(Debug)]
pub(super) struct IndexFile {
    pub(super) bytes: Arc<[u8]>,
    pub(super) root: Option<Stamp>,
    pub(super) names: Vec<Indexed>,
}

/// One name of an index.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) name: ArtifactName,
    pub(super) stamp: Option<Stamp>,
    /// Where its block is.
    pub(super) block: Range<usize>,
}

impl IndexFile {
    /// Reads an index; `None` when it is damaged, or of another form.
    pub(super) fn decode(bytes: Vec<u8>) -> Option<Self> {
        let body = bytes.len().checked_sub(32)?;
        let (content, seal) = bytes.split_at(body);
        if !content.starts_with(MAGIC) || Digest::of(content).as_bytes() != seal {
            return None;
        }
        let mut input = Input(&content[MAGIC.len()..]);
        let root = input.stamp()?;
        let count = input.number()?;
        let mut found = Vec::new();
        for _ in 0..count {
            let name = ArtifactName::new(input.text()?).ok()?;
            found.push((name, input.stamp()?, usize::try_from(input.number()?).ok()?));
        }
        let mut at = body.checked_sub(input.0.len())?;
        let mut names = Vec::with_capacity(found.len());
        for (name, stamp, length) in found {
            let block = at..at.checked_add(length)?;
            at = block.end;
            names.push(Indexed { name, stamp, block });
        }
        (at == body).then(|| Self {
            bytes: bytes.into(),
            root,
            names,
        })
    }

    /// The bytes of an index.
    pub(super) fn encode<'a>(
        root: Option<Stamp>,
        names: impl ExactSizeIterator<Item = (&'a ArtifactName, Option<Stamp>, Vec<u8>)>,
    ) -> Vec<u8> {
        let mut table = Output(MAGIC.to_vec());
        let mut blocks = Vec::new();
        table.stamp(root);
        table.number(names.len() as u64);
        for (name, stamp, block) in names {
            table.text(name.as_str());
            table.stamp(stamp);
            table.number(block.len() as u64);
            blocks.extend_from_slice(&block);
        }
        let mut bytes = table.0;
        bytes.extend_from_slice(&blocks);
        let seal = Digest::of(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        bytes
    }
}

const TREE: u8 = 1;
const BYTES: u8 = 2;
const MANIFEST_BYTES: u8 = 4;
const PUBLISHED: u8 = 8;
const REVISION: u8 = 16;
const YANKED: u8 = 32;
const REMOVED: u8 = 64;

/// The block of a name.
pub(super) fn encode_block(versions: &Versions) -> Vec<u8> {
    let mut out = Output(Vec::with_capacity(versions.entries().len() * 140));
    out.number(versions.entries().len() as u64);
    for entry in versions.entries() {
        let version = &entry.version;
        for number in [version.major, version.minor, version.patch] {
            out.number(number);
        }
        out.text(&version.pre);
        out.text(&version.build);
        out.0.extend_from_slice(entry.digest.as_bytes());
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.0.push(
            flag(entry.tree.is_some(), TREE)
                | flag(entry.bytes.is_some(), BYTES)
                | flag(entry.manifest_bytes.is_some(), MANIFEST_BYTES)
                | flag(entry.published_at.is_some(), PUBLISHED)
                | flag(entry.revision.is_some(), REVISION)
                | flag(entry.yanked, YANKED)
                | flag(entry.removed, REMOVED),
        );
        if let Some(tree) = &entry.tree {
            out.0.extend_from_slice(tree.as_bytes());
        }
        for number in [entry.bytes, entry.manifest_bytes].into_iter().flatten() {
            out.number(number);
        }
        if let Some(at) = entry.published_at {
            out.0.extend_from_slice(&at.as_nanosecond().to_le_bytes());
        }
        if let Some(revision) = &entry.revision {
            out.text(revision);
        }
        out.number(entry.marks.into());
    }
    out.0
}

/// Reads the block of a name; `None` when it is none.
pub(super) fn decode_block(name: &ArtifactName, block: &[u8]) -> Option<Versions> {
    let mut input = Input(block);
    let count = input.number()?;
    let mut entries = Vec::with_capacity(usize::try_from(count).ok()?.min(block.len() / 32));
    for _ in 0..count {
        entries.push(entry(&mut input)?);
    }
    input.0.is_empty().then(|| Versions::new(name.clone(), entries))
}

fn entry(input: &mut Input<'_>) -> Option<CatalogEntry> {
    let (major, minor, patch) = (input.number()?, input.number()?, input.number()?);
    let (pre, build) = (input.text()?, input.text()?);
    let version = Version {
        pre: match pre {
            "" => Prerelease::EMPTY,
            text => Prerelease::new(text).ok()?,
        },
        build: match build {
            "" => BuildMetadata::EMPTY,
            text => BuildMetadata::new(text).ok()?,
        },
        ..Version::new(major, minor, patch)
    };
    let digest = input.digest()?;
    let flags = *input.take(1)?.first()?;
    let has = |flag: u8| flags & flag != 0;
    Some(CatalogEntry {
        version,
        digest,
        tree: if has(TREE) { Some(input.digest()?) } else { None },
        bytes: if has(BYTES) { Some(input.number()?) } else { None },
        manifest_bytes: if has(MANIFEST_BYTES) {
            Some(input.number()?)
        } else {
            None
        },
        published_at: if has(PUBLISHED) { Some(input.time()?) } else { None },
        revision: if has(REVISION) {
            Some(input.text()?.into())
        } else {
            None
        },
        yanked: has(YANKED),
        removed: has(REMOVED),
        marks: input.number()?.try_into().ok()?,
    })
}

struct Output(Vec<u8>);

impl Output {
    fn number(&mut self, number: u64) {
        varint::put(&mut self.0, number);
    }

    fn text(&mut self, text: &str) {
        varint::put_text(&mut self.0, text);
    }

    fn stamp(&mut self, stamp: Option<Stamp>) {
        self.0.push(stamp.is_some().into());
        if let Some(stamp) = stamp {
            self.0.extend_from_slice(&stamp.inode.to_le_bytes());
            self.0.extend_from_slice(&stamp.seconds.to_le_bytes());
            self.0.extend_from_slice(&stamp.nanos.to_le_bytes());
        }
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        varint::number(&mut self.0)
    }

    fn text(&mut self) -> Option<&'a str> {
        varint::text(&mut self.0)
    }

    fn digest(&mut self) -> Option<Digest> {
        self.array::<32>().map(Digest::from)
    }

    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_nanosecond(i128::from_le_bytes(self.array()?)).ok()
    }

    fn stamp(&mut self) -> Option<Option<Stamp>> {
        match self.array()? {
            [0] => Some(None),
            [1] => Some(Some(Stamp {
                inode: u64::from_le_bytes(self.array()?),
                seconds: i64::from_le_bytes(self.array()?),
                nanos: i64::from_le_bytes(self.array()?),
            })),
            _ => None,
        }
    }
}
