use pipeline_core::{ArtifactEntry, EntryKind};

use super::bundles::{Cuts, Spacing};
use crate::form::{header_len, padding};
use crate::limits;

/// A file of this size or more is a layer of its own, and the blob of that layer is the file: its digest is the one that
/// `sha256sum` tells, and a file system that shares blocks can share it.
const LARGE: u64 = 4 * MIB;
/// How many files are layers of their own at most. Each has a small layer before it, with its header.
const MAX_LARGE: usize = 128;
/// A bundle of as many bytes does not take the header of a large file, too.
const HEADER_ALONE: u64 = 128 * KIB;

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;

/// Which bytes go into which layer. It follows from the paths and sizes alone, not from the bytes: so layers can be made
/// at the same time, and a change in one file changes one of them.
///
/// Where bundles end, [`Cuts`] says.
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
    #[cfg(feature = "zstd")]
    Content(u32),
    Padding(u32),
    /// The blocks that close the tar.
    End,
}

/// How large files are cut by their content: the least, the average and the most bytes of a piece.
#[cfg(feature = "chunking")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    pub(super) least: usize,
    pub(super) average: usize,
    pub(super) most: usize,
}

#[cfg(feature = "chunking")]
impl Plan {
    /// The smallest pieces with which the layers are not too many, whatever the content; `None` when the large files are
    /// too large for that, about 250 MiB together.
    pub(super) fn chunks(&self, entries: &[ArtifactEntry]) -> Option<Chunks> {
        let large = self.layers.iter().filter_map(|layer| match layer {
            LayerPlan::Large(index) => file_size(&entries[*index as usize]),
            LayerPlan::Bundle(_) => None,
        });
        let sizes: Vec<u64> = large.collect();
        let fits = |chunks: &Chunks| {
            let most = |size: &u64| usize::try_from(size.div_ceil(chunks.least as u64)).unwrap_or(usize::MAX);
            let pieces = sizes.iter().map(most).fold(0, usize::saturating_add);
            self.layers.len().saturating_add(pieces) <= limits::MAX_LAYERS
        };
        let averages = (16..=20).map(|power| 1_usize << power);
        let mut chunks = averages.map(|average| Chunks {
            // Close to the average, so that few pieces are the worst case.
            least: average / 4 * 3,
            average,
            most: average * 2,
        });
        let last = Chunks {
            least: 1 << 20,
            average: 1 << 21,
            most: 1 << 22,
        };
        chunks.find(fits).or(Some(last).filter(fits))
    }
}

/// How finely small files are cut into bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fineness {
    /// One for about 2.2 MB of all files, but not many more than 130: a new version shares with the one before it nearly
    /// all that lies in other directories than what was edited.
    #[default]
    Coarse,
    /// About 300: a new version shares a little more. Pushing it to a registry takes longer.
    Fine,
}

impl Plan {
    pub(super) fn new(entries: &[ArtifactEntry], fineness: Fineness) -> Self {
        let large = large_from(entries);
        let small = entries
            .iter()
            .filter(|entry| file_size(entry).is_none_or(|size| size < large));
        let total: u64 = small.map(tar_size).fold(0, u64::saturating_add);
        let files = entries.iter().filter_map(file_size);
        let content = files.fold(0, u64::saturating_add);
        let mut spacing = Spacing::of(total, content, fineness);
        loop {
            let plan = Self::cut(entries, large, spacing);
            if plan.layers.len() <= limits::MAX_LAYERS {
                return plan;
            }
            spacing = spacing.wider();
        }
    }

    fn cut(entries: &[ArtifactEntry], large: u64, spacing: Spacing) -> Self {
        let is_large = |entry: &ArtifactEntry| file_size(entry).is_some_and(|size| size >= large);
        let of = |wanted: fn(&EntryKind) -> bool| {
            let indices = (0_u32..).zip(entries);
            indices.filter(move |(_, entry)| wanted(&entry.kind))
        };
        let files = || of(|kind| matches!(kind, EntryKind::File { .. }));
        let directories = || of(|kind| matches!(kind, EntryKind::Directory));
        let small = || files().filter(|(_, entry)| !is_large(entry));
        let links = || of(|kind| matches!(kind, EntryKind::Symlink { .. }));
        let bundled = directories().chain(small()).chain(links());
        let mut cutter = Cutter {
            layers: Vec::new(),
            bundle: Vec::new(),
            size: 0,
            cuts: Cuts::new(
                spacing,
                bundled.map(|(index, entry)| (index, &*entry.path, tar_size(entry))),
            ),
        };
        let mut order = Vec::new();
        for (index, entry) in directories() {
            cutter.add(index, entry);
        }
        for (index, entry) in small() {
            cutter.add(index, entry);
            order.push(index);
        }
        for (index, entry) in files().filter(|(_, entry)| is_large(entry)) {
            cutter.large(index, file_size(entry).unwrap_or(0));
            order.push(index);
        }
        for (index, entry) in links() {
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

struct Cutter {
    layers: Vec<LayerPlan>,
    bundle: Vec<Piece>,
    size: u64,
    /// Before which entries a bundle ends, in their order.
    cuts: Cuts,
}

impl Cutter {
    fn add(&mut self, index: u32, entry: &ArtifactEntry) {
        if self.cuts.are_before(index) {
            self.cut();
        }
        self.bundle.push(Piece::Whole(index));
        self.size += tar_size(entry);
    }

    fn large(&mut self, index: u32, size: u64) {
        // The header tells the size: do not let it change what is a bundle for itself.
        if self.size >= HEADER_ALONE {
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

#[cfg(test)]
mod tests {
    use pipeline_core::Digest;
    use proptest::prelude::*;

    use super::*;
    use crate::form::{Cuts, END};
    use crate::pack::packer::tar_contents;

    fn entries() -> impl Strategy<Value = Vec<ArtifactEntry>> {
        let size = prop_oneof![
            8 => 0_u64..20_000,
            4 => prop::sample::select(vec![0, 1, 511, 512, 513, 100_000, MIB, 4 * MIB - 1]),
            1 => prop::sample::select(vec![4 * MIB, 5 * MIB + 1, 100 * MIB, 9 << 30]),
        ];
        let kind = prop_oneof![
            1 => Just(EntryKind::Directory),
            1 => Just(EntryKind::Symlink { target: "x".to_owned() }),
            8 => (size, any::<bool>()).prop_map(|(size, executable)| EntryKind::File {
                size,
                digest: Digest::ZERO,
                executable,
            }),
        ];
        let long = prop::bool::weighted(0.1);
        prop::collection::vec((kind, long), 0..700).prop_map(|kinds| {
            let numbered = kinds.into_iter().enumerate();
            let entry = |(number, (kind, long)): (usize, (EntryKind, bool))| ArtifactEntry {
                path: format!("{number:05}{}", if long { "ü".repeat(90) } else { String::new() }),
                kind,
            };
            numbered.map(entry).collect()
        })
    }

    fn len(entries: &[ArtifactEntry], piece: Piece) -> u64 {
        let entry = |index: u32| &entries[index as usize];
        let size = |index| file_size(entry(index)).unwrap_or(0);
        match piece {
            Piece::Whole(index) => tar_size(entry(index)),
            Piece::Header(index) => header_len(entry(index)),
            #[cfg(feature = "zstd")]
            Piece::Content(index) => size(index),
            Piece::Padding(index) => padding(size(index)) as u64,
            Piece::End => END.len() as u64,
        }
    }

    proptest! {
        #[test]
        fn a_plan_is_the_tar_cut_into_few_layers(entries in entries(), fine: bool) {
            let fineness = if fine { Fineness::Fine } else { Fineness::Coarse };
            let plan = Plan::new(&entries, fineness);
            prop_assert!(plan.layers.len() <= limits::MAX_LAYERS);
            let sizes: Vec<u64> = plan.layers.iter().map(|layer| match layer {
                LayerPlan::Bundle(pieces) => pieces.iter().map(|piece| len(&entries, *piece)).sum(),
                LayerPlan::Large(index) => file_size(&entries[*index as usize]).unwrap(),
            }).collect();
            let (contents, size) = tar_contents(&entries, &plan.files).unwrap();
            let cuts = Cuts::new(sizes.iter().copied(), size);
            prop_assert!(cuts.is_ok(), "{cuts:?}");
            let cuts = cuts.unwrap();
            for (number, layer) in plan.layers.iter().enumerate() {
                match layer {
                    LayerPlan::Large(index) => {
                        let index = *index as usize;
                        prop_assert_eq!(cuts.place(contents[index]), (number, 0));
                        let parts: Vec<_> = cuts.parts(contents[index], sizes[number]).collect();
                        prop_assert_eq!(parts.len(), 1);
                        prop_assert_eq!(parts[0].len, sizes[number]);
                    }
                    LayerPlan::Bundle(pieces) => {
                        // Each content lies where the plan puts it.
                        let mut at = 0;
                        for piece in pieces {
                            if let Piece::Whole(index) = piece
                                && file_size(&entries[*index as usize]).is_some_and(|size| size > 0)
                            {
                                let head = header_len(&entries[*index as usize]);
                                prop_assert_eq!(cuts.place(contents[*index as usize]), (number, at + head));
                            }
                            at += len(&entries, *piece);
                        }
                    }
                }
            }
        }
    }
}
