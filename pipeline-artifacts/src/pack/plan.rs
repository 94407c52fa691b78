use pipeline_core::{ArtifactEntry, Digest, EntryKind};

use crate::form::{header_len, padding};
use crate::limits;

/// A file of this size or more is a layer of its own, and the blob of that layer is the file: its digest is the one that
/// `sha256sum` tells, and a file system that shares blocks can share it.
const LARGE: u64 = 4 * MIB;
/// A tar that is smaller is one layer.
const ONE_LAYER: u64 = 4 * MIB;
/// How many bundles small files make, about, when they fill as many.
const BUNDLES: u64 = 64;
/// The same for [`Fineness::Fine`].
const FINE_BUNDLES: u64 = 352;
/// The least and the most bytes of a bundle, about.
const BUNDLE: (u64, u64) = (128 * KIB, 8 * MIB);
/// No bundle is more times larger than it should be on average.
const LARGEST: u64 = 4;
/// How many files are layers of their own at most. Each has a small layer before it, with its header.
const MAX_LARGE: usize = 128;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Which bytes go into which layer. It follows from the paths and sizes alone, not from the bytes: so layers can be made
/// at the same time, and a change in one file changes one of them.
///
/// A bundle ends before a file whose path has a hash below its share of the size of a bundle. So where a bundle ends does
/// not depend on the files around it, and a file that comes or goes changes one bundle, or two.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) layers: Vec<LayerPlan>,
    /// The indices of the files in the order of the tar.
    pub(super) files: Vec<u32>,
}

#[derive(Debug, PartialEq)]
pub(super) enum LayerPlan {
    Bundle(Vec<Piece>),
    /// The content of one large file; one layer, or several when it is cut by its content.
    Large(u32),
}

/// Bytes of a bundle; the number is the index of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Header, content and padding.
    Whole(u32),
    Header(u32),
    Padding(u32),
    /// The blocks that close the tar.
    End,
}

/// How finely small files are cut into bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fineness {
    /// About 64 bundles: few layers, which is what a registry likes.
    #[default]
    Coarse,
    /// Up to three hundred: a new version shares more with the one before it. Pushing it to a registry takes longer.
    Fine,
}

impl Plan {
    pub(super) fn new(entries: &[ArtifactEntry], fineness: Fineness) -> Self {
        let large = large_from(entries);
        let small = entries
            .iter()
            .filter(|entry| file_size(entry).is_none_or(|size| size < large));
        let total: u64 = small.map(tar_size).fold(0, u64::saturating_add);
        let mut average = average(total, fineness);
        loop {
            let plan = Self::cut(entries, large, average);
            if plan.layers.len() <= limits::MAX_LAYERS {
                return plan;
            }
            average *= 2;
        }
    }

    fn cut(entries: &[ArtifactEntry], large: u64, average: u64) -> Self {
        let is_large = |entry: &ArtifactEntry| file_size(entry).is_some_and(|size| size >= large);
        let of = |wanted: fn(&EntryKind) -> bool| {
            let indices = (0_u32..).zip(entries);
            indices.filter(move |(_, entry)| wanted(&entry.kind))
        };
        let files = || of(|kind| matches!(kind, EntryKind::File { .. }));
        let mut order = Vec::new();
        let mut cutter = Cutter {
            layers: Vec::new(),
            bundle: Vec::new(),
            size: 0,
            average,
        };
        for (index, entry) in of(|kind| matches!(kind, EntryKind::Directory)) {
            cutter.add(index, entry);
        }
        for (index, entry) in files().filter(|(_, entry)| !is_large(entry)) {
            cutter.add(index, entry);
            order.push(index);
        }
        for (index, entry) in files().filter(|(_, entry)| is_large(entry)) {
            cutter.large(index, file_size(entry).unwrap_or(0));
            order.push(index);
        }
        for (index, entry) in of(|kind| matches!(kind, EntryKind::Symlink { .. })) {
            cutter.add(index, entry);
        }
        cutter.bundle.push(Piece::End);
        cutter.cut();
        Self {
            layers: cutter.layers,
            files: order,
        }
    }
}

/// The size of a bundle on average, for so many bytes of small files.
fn average(total: u64, fineness: Fineness) -> u64 {
    let (least, most) = BUNDLE;
    match fineness {
        Fineness::Coarse if total < ONE_LAYER => u64::from(u32::MAX),
        Fineness::Coarse => (total / BUNDLES).next_power_of_two().clamp(least, most),
        Fineness::Fine => (total / FINE_BUNDLES).clamp(least, most),
    }
}

struct Cutter {
    layers: Vec<LayerPlan>,
    bundle: Vec<Piece>,
    size: u64,
    /// The size of a bundle, on average.
    average: u64,
}

impl Cutter {
    fn add(&mut self, index: u32, entry: &ArtifactEntry) {
        let size = tar_size(entry);
        let full = self.size.saturating_add(size) > self.average.saturating_mul(LARGEST);
        if self.size > 0 && (full || ends_before(&entry.path, size, self.average)) {
            self.cut();
        }
        self.bundle.push(Piece::Whole(index));
        self.size += size;
    }

    fn large(&mut self, index: u32, size: u64) {
        // The header tells the size: do not let it change what is a bundle for itself.
        if self.size >= BUNDLE.0 {
            self.cut();
        }
        self.bundle.push(Piece::Header(index));
        self.cut();
        self.layers.push(LayerPlan::Large(index));
        if padding(size) > 0 {
            self.bundle.push(Piece::Padding(index));
        }
    }

    fn cut(&mut self) {
        self.size = 0;
        let bundle = std::mem::take(&mut self.bundle);
        if !bundle.is_empty() {
            self.layers.push(LayerPlan::Bundle(bundle));
        }
    }
}

/// True for one in so many paths that bundles have their average size: with a chance of size by average.
fn ends_before(path: &str, size: u64, average: u64) -> bool {
    let digest = Digest::of(path);
    let [a, b, c, d, ..] = *digest.as_bytes();
    let hash = u64::from(u32::from_be_bytes([a, b, c, d]));
    // Both sides are below 2^96.
    u128::from(hash) * u128::from(average) < u128::from(size) << 32
}

/// From which size files are layers of their own: doubled until they are few.
fn large_from(entries: &[ArtifactEntry]) -> u64 {
    let count = |from: u64| {
        let sizes = entries.iter().filter_map(file_size);
        sizes.filter(|size| *size >= from).count()
    };
    let mut from = LARGE;
    while count(from) > MAX_LARGE && from < limits::MAX_FILE {
        from *= 2;
    }
    from
}

fn file_size(entry: &ArtifactEntry) -> Option<u64> {
    match entry.kind {
        EntryKind::File { size, .. } => Some(size),
        _ => None,
    }
}

/// The bytes that an entry takes in a tar.
fn tar_size(entry: &ArtifactEntry) -> u64 {
    let size = file_size(entry).unwrap_or(0);
    header_len(entry)
        .saturating_add(size)
        .saturating_add(padding(size) as u64)
}
