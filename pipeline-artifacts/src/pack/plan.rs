use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use pipeline_core::{EntryKind, StoreError};

use super::Fineness;
use super::bundles::{self, BundleCuts};
use super::cuts::{Cut, Spacing};
use super::record::Record;
use super::scan::Tree;
use super::sizes::KIB;
use super::totals::{Sum, Totals, tar_size};
use crate::form::padding;
use crate::limits;

/// A bundle of as many bytes does not take the header of a large file, too.
const HEADER_ALONE: u64 = 128 * KIB;

/// Which bytes go into which layer. It follows from the paths and sizes alone, not from the bytes: so layers can be made
/// at the same time, and a change in one file changes one of them.
///
/// Where bundles end, [`BundleCuts`] says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) layers: Vec<LayerPlan>,
    /// From which size files are layers of their own.
    pub(super) large: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum LayerPlan {
    Bundle(Vec<Piece>),
    /// The content of one large file; one layer, or several when it is cut by its content.
    Large {
        index: u32,
        size: u64,
    },
}

/// Bytes of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Header, content and padding of all entries of a group whose indices are in a range.
    Whole(Group, Range<u32>),
    /// The header of a large file.
    Header(u32),
    #[cfg(feature = "zstd")]
    /// The content of a large file.
    Content(u32),
    /// So many zeros behind a large file.
    Padding(usize),
    /// The blocks that close the tar.
    End,
}

/// Entries that lie together in the tar; these in this order, but the large files before the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Directories,
    SmallFiles,
    Links,
}

impl Plan {
    pub(super) fn new(tree: &Tree, fineness: Fineness) -> Result<Self, StoreError> {
        let totals = &tree.totals;
        let large = totals.large();
        let groups = [Group::Directories, Group::SmallFiles, Group::Links];
        let bundled = groups.map(|group| group.sum(totals, large).tar);
        let bundled = bundled.into_iter().fold(0, u64::saturating_add);
        let mut spacing = bundles::spacing(bundled, totals.content, fineness);
        loop {
            let plan = Self::cut(tree, large, spacing)?;
            if plan.layers.len() <= limits::MAX_LAYERS {
                return Ok(plan);
            }
            spacing = spacing.wider();
        }
    }

    fn cut(tree: &Tree, large: u64, spacing: Spacing) -> Result<Self, StoreError> {
        let mut cuts = BundleCuts::new(spacing);
        let directories = Members::of(Group::Directories, tree, large, &mut cuts)?;
        let files = Members::of(Group::SmallFiles, tree, large, &mut cuts)?;
        let links = Members::of(Group::Links, tree, large, &mut cuts)?;
        let mut cutter = Cutter {
            layers: Vec::new(),
            bundle: Vec::new(),
            begin: 0,
            cuts: cuts.finish().into_iter().peekable(),
        };
        cutter.add(directories);
        cutter.add(files);
        if tree.totals.large_files(large).count > 0 {
            // The header tells the size: do not let it change what is a bundle for itself.
            if files.end - cutter.begin >= HEADER_ALONE {
                cutter.cut();
            }
            let mut cursor = tree.listing.all()?;
            while let Some((index, record)) = cursor.next()? {
                if let Some(size) = record.entry.kind.size().filter(|size| *size >= large) {
                    cutter.large(index, size);
                }
            }
        }
        cutter.add(links);
        cutter.bundle.push(Piece::End);
        cutter.cut();
        Ok(Self {
            layers: cutter.layers,
            large,
        })
    }
}

impl Group {
    fn sum(self, totals: &Totals, large: u64) -> Sum {
        match self {
            Self::Directories => totals.directories,
            Self::SmallFiles => totals.small_files(large),
            Self::Links => totals.links,
        }
    }

    /// Whether an entry is of this group, when files of so many bytes are large.
    pub(super) fn has(self, kind: &EntryKind, large: u64) -> bool {
        match (self, kind) {
            (Self::Directories, EntryKind::Directory) | (Self::Links, EntryKind::Symlink { .. }) => true,
            (Self::SmallFiles, EntryKind::File { size, .. }) => *size < large,
            _ => false,
        }
    }
}

/// The entries of a group.
#[derive(Debug, Clone, Copy)]
struct Members {
    group: Group,
    /// The first and the last one.
    ends: Option<(u32, u32)>,
    /// Where the last one ends, in the tar without what is in no bundle.
    end: u64,
}

impl Members {
    /// Finds them, and adds them to the cuts.
    fn of(group: Group, tree: &Tree, large: u64, cuts: &mut BundleCuts) -> Result<Self, StoreError> {
        let mut ends = None;
        if group.sum(&tree.totals, large).count > 0 {
            let mut cursor = tree.listing.all()?;
            while let Some((index, Record { entry, .. })) = cursor.next()? {
                if group.has(&entry.kind, large) {
                    cuts.add(index, &entry.path, tar_size(entry));
                    ends = Some((ends.map_or(index, |(first, _)| first), index));
                }
            }
        }
        let end = cuts.end();
        Ok(Self { group, ends, end })
    }
}

struct Cutter {
    layers: Vec<LayerPlan>,
    bundle: Vec<Piece>,
    /// Where the bundle begins, in the tar without what is in no bundle.
    begin: u64,
    /// Before which entries a bundle ends, in their order.
    cuts: Peekable<IntoIter<Cut>>,
}

impl Cutter {
    fn add(&mut self, members: Members) {
        let Some((mut first, last)) = members.ends else {
            return;
        };
        while let Some(cut) = self.cuts.next_if(|cut| cut.at < members.end) {
            if cut.index > first {
                self.bundle.push(Piece::Whole(members.group, first..cut.index));
            }
            self.cut();
            (first, self.begin) = (cut.index, cut.at);
        }
        self.bundle.push(Piece::Whole(members.group, first..last + 1));
    }

    fn large(&mut self, index: u32, size: u64) {
        self.bundle.push(Piece::Header(index));
        self.cut();
        self.layers.push(LayerPlan::Large { index, size });
        if padding(size) > 0 {
            self.bundle.push(Piece::Padding(padding(size)));
        }
    }

    fn cut(&mut self) {
        let bundle = std::mem::take(&mut self.bundle);
        if !bundle.is_empty() {
            self.layers.push(LayerPlan::Bundle(bundle));
        }
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::{ArtifactEntry, Digest};
    use proptest::prelude::*;

    use super::*;
    use crate::LocalStore;
    use crate::form::{Cuts, END, TarLength, header_len};
    use crate::pack::room::Room;
    use crate::pack::sizes::{LARGE, MAX_LARGE, MIB};

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

    /// Bytes of a bundle, one entry at a time.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Part {
        Whole(u32),
        Header(u32),
        Padding(u32),
        End,
    }

    /// A layer, entry by entry: how the cuts were made when each entry was held.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Layer {
        Bundle(Vec<Part>),
        Large(u32),
    }

    fn of_group(group: Group, entries: &[ArtifactEntry], large: u64) -> Vec<u32> {
        let numbered = (0_u32..).zip(entries);
        let members = numbered.filter(|(_, entry)| group.has(&entry.kind, large));
        members.map(|(index, _)| index).collect()
    }

    fn large_files(entries: &[ArtifactEntry], large: u64) -> Vec<u32> {
        let numbered = (0_u32..).zip(entries);
        let files = numbered.filter(|(_, entry)| entry.kind.size().is_some_and(|size| size >= large));
        files.map(|(index, _)| index).collect()
    }

    /// The definition, entry by entry.
    fn plainly(entries: &[ArtifactEntry], fineness: Fineness) -> Vec<Layer> {
        let mut large = LARGE;
        while large_files(entries, large).len() > MAX_LARGE as usize {
            large *= 2;
        }
        let [directories, files, links] = [Group::Directories, Group::SmallFiles, Group::Links]
            .map(|group| of_group(group, entries, large));
        let size = |index: u32| entries[index as usize].kind.size().unwrap_or(0);
        let tar = |index: u32| tar_size(&entries[index as usize]);
        let bundled = || directories.iter().chain(&files).chain(&links).copied();
        let content = entries.iter().filter_map(|entry| entry.kind.size()).sum();
        let mut spacing = bundles::spacing(bundled().map(tar).sum(), content, fineness);
        loop {
            let mut cuts = BundleCuts::new(spacing);
            bundled().for_each(|index| cuts.add(index, &entries[index as usize].path, tar(index)));
            let cuts: Vec<u32> = cuts.finish().iter().map(|cut| cut.index).collect();
            let (mut layers, mut bundle, mut held) = (Vec::new(), Vec::new(), 0);
            let cut = |layers: &mut Vec<Layer>, bundle: &mut Vec<Part>| {
                let bundle = std::mem::take(bundle);
                layers.extend((!bundle.is_empty()).then_some(Layer::Bundle(bundle)));
                0
            };
            for index in directories.iter().chain(&files).copied() {
                if cuts.contains(&index) {
                    held = cut(&mut layers, &mut bundle);
                }
                bundle.push(Part::Whole(index));
                held += tar(index);
            }
            for index in large_files(entries, large) {
                if held >= HEADER_ALONE {
                    cut(&mut layers, &mut bundle);
                }
                bundle.push(Part::Header(index));
                held = cut(&mut layers, &mut bundle);
                layers.push(Layer::Large(index));
                bundle.extend((padding(size(index)) > 0).then_some(Part::Padding(index)));
            }
            for index in links.iter().copied() {
                if cuts.contains(&index) {
                    cut(&mut layers, &mut bundle);
                }
                bundle.push(Part::Whole(index));
            }
            bundle.push(Part::End);
            cut(&mut layers, &mut bundle);
            if layers.len() <= limits::MAX_LAYERS {
                return layers;
            }
            spacing = spacing.wider();
        }
    }

    /// A plan, entry by entry.
    fn spelt_out(plan: &Plan, entries: &[ArtifactEntry]) -> Vec<Layer> {
        let layer = |(number, layer): (usize, &LayerPlan)| match layer {
            LayerPlan::Large { index, size } => {
                assert_eq!(entries[*index as usize].kind.size(), Some(*size));
                Layer::Large(*index)
            }
            LayerPlan::Bundle(pieces) => {
                let parts = pieces.iter().flat_map(|piece| match piece {
                    Piece::Whole(group, range) => {
                        let members = of_group(*group, entries, plan.large).into_iter();
                        let members = members.filter(|index| range.contains(index));
                        members.map(Part::Whole).collect()
                    }
                    Piece::Header(index) => vec![Part::Header(*index)],
                    #[cfg(feature = "zstd")]
                    Piece::Content(_) => panic!("no plan has it"),
                    Piece::Padding(zeros) => match &plan.layers[number - 1] {
                        LayerPlan::Large { index, size } => {
                            assert_eq!(*zeros, padding(*size));
                            vec![Part::Padding(*index)]
                        }
                        LayerPlan::Bundle(_) => panic!("it is behind a large file"),
                    },
                    Piece::End => vec![Part::End],
                });
                Layer::Bundle(parts.collect())
            }
        };
        plan.layers.iter().enumerate().map(layer).collect()
    }

    fn len(entries: &[ArtifactEntry], part: Part) -> u64 {
        let entry = |index: u32| &entries[index as usize];
        match part {
            Part::Whole(index) => tar_size(entry(index)),
            Part::Header(index) => header_len(entry(index)),
            Part::Padding(index) => padding(entry(index).kind.size().unwrap_or(0)) as u64,
            Part::End => END.len() as u64,
        }
    }

    proptest! {
        #[test]
        fn a_plan_is_the_tar_cut_into_few_layers(entries in entries(), fine: bool, held: bool) {
            let fineness = if fine { Fineness::Fine } else { Fineness::Coarse };
            let dir = crate::pack::tests::in_memory();
            let lease = LocalStore::open(dir.path()).unwrap().lease().unwrap();
            let mut room = Room::default();
            if !held {
                room.listing = 0;
            }
            let tree = Tree::of(&entries, &lease, room);
            let plan = Plan::new(&tree, fineness).unwrap();
            prop_assert!(plan.layers.len() <= limits::MAX_LAYERS);
            let layers = spelt_out(&plan, &entries);
            prop_assert_eq!(&layers, &plainly(&entries, fineness));
            let sizes: Vec<u64> = layers.iter().map(|layer| match layer {
                Layer::Bundle(parts) => parts.iter().map(|part| len(&entries, *part)).sum(),
                Layer::Large(index) => entries[*index as usize].kind.size().unwrap(),
            }).collect();

            // Each content lies where the plan puts it.
            let mut tar = TarLength::default();
            let mut contents = vec![0; entries.len()];
            let groups = [
                of_group(Group::Directories, &entries, plan.large),
                of_group(Group::SmallFiles, &entries, plan.large),
                large_files(&entries, plan.large),
                of_group(Group::Links, &entries, plan.large),
            ];
            for index in groups.into_iter().flatten() {
                let entry = &entries[index as usize];
                contents[index as usize] = tar.add(header_len(entry), entry.kind.size().unwrap_or(0)).unwrap();
            }
            let cuts = Cuts::new(sizes.iter().copied(), tar.close().unwrap());
            prop_assert!(cuts.is_ok(), "{cuts:?}");
            let cuts = cuts.unwrap();
            for (number, layer) in layers.iter().enumerate() {
                match layer {
                    Layer::Large(index) => prop_assert_eq!(cuts.place(contents[*index as usize]), (number, 0)),
                    Layer::Bundle(parts) => {
                        let mut at = 0;
                        for part in parts {
                            if let Part::Whole(index) = part
                                && entries[*index as usize].kind.size().is_some_and(|size| size > 0)
                            {
                                let head = header_len(&entries[*index as usize]);
                                prop_assert_eq!(cuts.place(contents[*index as usize]), (number, at + head));
                            }
                            at += len(&entries, *part);
                        }
                    }
                }
            }
        }
    }
}
