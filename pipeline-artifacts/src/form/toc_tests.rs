//! Tables of contents against a list in memory.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use pipeline_core::{ArtifactEntry, Digest, EntryKind, canonical_json};
use proptest::prelude::*;

use super::tar::END;
use super::{Cuts, Piece, Placed, Toc, TocFault, TocWriter, header, padding};

/// What a table of contents is of, all in memory.
#[derive(Debug, Clone)]
struct Model {
    entries: Vec<ArtifactEntry>,
    /// The indices of the entries in the order of the tar.
    order: Vec<usize>,
    /// Where the content of each entry begins in the tar.
    contents: Vec<u64>,
    tar: Vec<u8>,
    layers: Vec<u64>,
    cuts: Cuts,
}

impl Model {
    fn content(index: usize) -> u8 {
        b'A' + (index % 26) as u8
    }

    /// Of these entries in this order, cut wherever `cut` says that a tar of so many bytes is.
    fn new(entries: Vec<ArtifactEntry>, order: Vec<usize>, cut: impl Fn(usize) -> Vec<usize>) -> Self {
        let (mut contents, mut tar) = (vec![0; entries.len()], Vec::new());
        for &index in &order {
            let entry = &entries[index];
            tar.extend(header(entry));
            contents[index] = tar.len() as u64;
            tar.resize(
                tar.len() + entry.kind.size().unwrap_or(0) as usize,
                Self::content(index),
            );
            tar.resize(tar.len() + padding(entry.kind.size().unwrap_or(0)), 0);
        }
        tar.extend(END);
        let mut ends = [vec![0, tar.len()], cut(tar.len())].concat();
        ends.sort_unstable();
        ends.dedup();
        let layers: Vec<u64> = ends.windows(2).map(|pair| (pair[1] - pair[0]) as u64).collect();
        let cuts = Cuts::new(layers.iter().copied(), tar.len() as u64).unwrap();
        Self {
            entries,
            order,
            contents,
            tar,
            layers,
            cuts,
        }
    }

    fn placed(&self, index: usize) -> Placed {
        let entry = self.entries[index].clone();
        let is_file = matches!(entry.kind, EntryKind::File { .. });
        let place = is_file.then(|| self.cuts.place(self.contents[index]));
        Placed { entry, place }
    }

    fn write(&self) -> (Vec<u8>, Digest) {
        let mut writer = TocWriter::new(Vec::new(), &self.cuts).unwrap();
        for (entry, content) in self.entries.iter().zip(&self.contents) {
            writer.entry(entry, *content).unwrap();
        }
        writer.finish().unwrap()
    }
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        2 => Just(EntryKind::Directory),
        1 => "[a-c]{1,2}".prop_map(|target| EntryKind::Symlink { target }),
        5 => (0_u64..1500, any::<u8>(), any::<bool>()).prop_map(|(size, digest, executable)| EntryKind::File {
            size,
            digest: Digest::of([digest]),
            executable,
        }),
    ]
}

/// Any tree, its files in any order, its tar cut anywhere.
fn model() -> impl Strategy<Value = Model> {
    let name = prop_oneof![8 => "[a-c]", 2 => "[a-c][-\"\\\\ ü0][a-c]?", 1 => "x{60,120}"];
    let path = prop::collection::vec(name, 1..4);
    let nodes = prop::collection::vec((path, kind(), any::<u32>()), 0..25);
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..12);
    (nodes, cuts).prop_map(|(nodes, cuts)| {
        let mut tree = std::collections::BTreeMap::new();
        for (parts, kind, chance) in nodes {
            let directories = (1..parts.len()).map(|count| parts[..count].join("/"));
            let directories: Vec<_> = directories.collect();
            let blocked = |path: &String| {
                tree.get(path)
                    .is_some_and(|(kind, _)| *kind != EntryKind::Directory)
            };
            if directories.iter().any(blocked) {
                continue;
            }
            for path in directories {
                tree.entry(path).or_insert((EntryKind::Directory, 0));
            }
            tree.entry(parts.join("/")).or_insert((kind, chance));
        }
        let (entries, chances): (Vec<_>, Vec<_>) = tree
            .into_iter()
            .map(|(path, (kind, chance))| (ArtifactEntry { path, kind }, chance))
            .unzip();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|index| match entries[*index].kind {
            EntryKind::Directory => (0, 0),
            EntryKind::File { .. } => (1, chances[*index]),
            EntryKind::Symlink { .. } => (2, 0),
        });
        Model::new(entries, order, |length| {
            cuts.iter().map(|cut| cut.index(length)).collect()
        })
    })
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Reads it out of a file, in windows of this size.
fn read(bytes: &[u8], window: usize) -> Toc {
    let (digest, toc) = Toc::read(file(bytes), bytes.len(), window).unwrap();
    assert_eq!(digest, Digest::of(bytes));
    toc.unwrap()
}

/// The bytes of a layer, made of its pieces.
fn layer(toc: &Toc, number: usize, model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    let made = toc.pieces(number, |piece| {
        match piece {
            Piece::Header { entry, from, len } => {
                bytes.extend(&header(entry)[from as usize..][..len as usize]);
            }
            Piece::Content { entry, from, len } => {
                assert!(from + len <= entry.kind.size().unwrap_or(0));
                let index = model.entries.iter().position(|other| other == entry).unwrap();
                bytes.resize(bytes.len() + len as usize, Model::content(index));
            }
            Piece::Zeros { len } => bytes.resize(bytes.len() + len as usize, 0),
        }
        Ok::<_, TocFault>(())
    });
    made.unwrap();
    bytes
}

fn is_the_model(toc: &Toc, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(toc.len(), model.entries.len());
    let mut reader = toc.reader();
    // Forwards, and back and forth.
    for index in (0..toc.len()).chain((0..toc.len()).map(|index| index * 7 % toc.len())) {
        prop_assert_eq!(reader.entry(index).unwrap(), model.placed(index));
    }
    for (index, entry) in model.entries.iter().enumerate() {
        prop_assert_eq!(toc.find(&entry.path).unwrap(), Some(model.placed(index)));
        prop_assert_eq!(toc.lower_bound(&entry.path).unwrap(), index);
        let behind = format!("{}\u{1}", entry.path);
        prop_assert_eq!(toc.find(&behind).unwrap(), None);
        prop_assert_eq!(toc.lower_bound(&behind).unwrap(), index + 1);
    }
    prop_assert!(reader.entry(toc.len()).is_err());
    prop_assert_eq!(toc.tree().unwrap(), Digest::of_data(&model.entries).unwrap());

    let of = |kind: fn(&EntryKind) -> bool| {
        let order = model.order.iter().copied();
        let of_kind: Vec<u32> = order
            .filter(|index| kind(&model.entries[*index].kind))
            .map(|index| index as u32)
            .collect();
        of_kind
    };
    prop_assert_eq!(toc.directories(), of(|kind| *kind == EntryKind::Directory));
    prop_assert_eq!(toc.links(), of(|kind| matches!(kind, EntryKind::Symlink { .. })));
    let files = of(|kind| matches!(kind, EntryKind::File { .. }));
    let mut begin = 0;
    for (number, size) in model.layers.iter().enumerate() {
        let end = begin + *size as usize;
        prop_assert_eq!(
            layer(toc, number, model),
            &model.tar[begin..end],
            "layer {}",
            number
        );
        begin = end;
        let place = |index: &u32| model.placed(*index as usize).place.map(|place| place.0);
        let begun: Vec<u32> = files
            .iter()
            .copied()
            .filter(|index| place(index) == Some(number))
            .collect();
        prop_assert_eq!(toc.files_of(number), begun);
    }
    let spans = |placed: &Placed| toc.parts(placed).nth(1).is_some();
    let spanning: Vec<Placed> = files
        .iter()
        .map(|index| model.placed(*index as usize))
        .filter(spans)
        .collect();
    prop_assert_eq!(toc.spanning().unwrap(), spanning);
    Ok(())
}

proptest! {
    #[test]
    fn what_is_read_is_the_list_in_memory(model in model(), window in 1_usize..700) {
        let (bytes, tree) = model.write();
        prop_assert_eq!(tree, Digest::of_data(&model.entries).unwrap());
        // What the general writer writes.
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(canonical_json(&value).unwrap(), &bytes[..]);
        let listed: Vec<ArtifactEntry> = value["entries"].as_array().unwrap().iter().map(|entry| {
            let mut entry = entry.clone();
            entry.as_object_mut().unwrap().retain(|key, _| !matches!(&**key, "layer" | "offset"));
            serde_json::from_value(entry).unwrap()
        }).collect();
        prop_assert_eq!(&listed, &model.entries);
        prop_assert_eq!(&value["layers"], &serde_json::json!(model.layers));

        is_the_model(&read(&bytes, window), &model)?;
        is_the_model(&Toc::parse(bytes).unwrap(), &model)?;
    }

    /// What is taken has one spelling: it is written as it was read.
    #[test]
    fn other_bytes_are_refused_or_another_list(
        model in model(),
        at: prop::sample::Index,
        byte: u8,
        cut: bool,
        window in 1_usize..700,
    ) {
        let (mut bytes, _) = model.write();
        let at = at.index(bytes.len());
        match cut {
            true => drop(bytes.remove(at)),
            false => bytes[at] = byte,
        }
        let (digest, toc) = Toc::read(file(&bytes), bytes.len(), window).unwrap();
        prop_assert_eq!(digest, Digest::of(&bytes));
        let same = Toc::parse(bytes.clone());
        prop_assert_eq!(same.is_ok(), toc.is_ok());
        match (toc, same) {
            (Ok(toc), _) => {
                let mut reader = toc.reader();
                let mut writer = TocWriter::new(Vec::new(), toc.cuts()).unwrap();
                for index in 0..toc.len() {
                    let Placed { entry, place } = reader.entry(index).unwrap();
                    writer.entry(&entry, place.map_or(0, |place| toc.cuts().at(place))).unwrap();
                }
                prop_assert_eq!(writer.finish().unwrap().0, bytes);
            }
            (Err(one), Err(two)) => prop_assert_eq!(one.to_string(), two.to_string()),
            (Err(_), Ok(_)) => unreachable!("both or neither"),
        }
    }

    /// Whatever byte changes after the first reading, no other entry comes out of it.
    #[test]
    fn bytes_that_change_are_noticed(
        model in model(),
        at: prop::sample::Index,
        bit in 0_u8..8,
        cut: bool,
        window in 1_usize..700,
    ) {
        let (bytes, tree) = model.write();
        let file = file(&bytes);
        let (_, toc) = Toc::read(file.try_clone().unwrap(), bytes.len(), window).unwrap();
        let toc = toc.unwrap();
        let at = at.index(bytes.len());
        match cut {
            true => file.set_len(at as u64).unwrap(),
            false => file.write_all_at(&[bytes[at] ^ 1 << bit], at as u64).unwrap(),
        }
        let mut reader = toc.reader();
        for index in 0..toc.len() {
            match reader.entry(index) {
                Ok(found) => prop_assert_eq!(found, model.placed(index)),
                Err(fault) => prop_assert!(matches!(fault, TocFault::Changed), "{:?}", fault),
            }
        }
        match toc.tree() {
            Ok(found) => prop_assert_eq!(found, tree),
            Err(fault) => prop_assert!(matches!(fault, TocFault::Changed), "{:?}", fault),
        }
    }
}

#[test]
fn a_change_of_an_entry_is_a_change() {
    let entries = ["a", "b", "c"].map(|path| ArtifactEntry {
        path: path.to_owned(),
        kind: EntryKind::Directory,
    });
    let model = Model::new(entries.to_vec(), vec![0, 1, 2], |_| Vec::new());
    let (bytes, _) = model.write();
    let file = file(&bytes);
    let (_, toc) = Toc::read(file.try_clone().unwrap(), bytes.len(), 16).unwrap();
    let toc = toc.unwrap();
    let mut reader = toc.reader();
    assert_eq!(reader.entry(1).unwrap(), model.placed(1));
    let at = bytes.windows(3).position(|bytes| bytes == b"\"b\"").unwrap() as u64;
    file.write_all_at(b"\"d\"", at).unwrap();
    let mut another = toc.reader();
    assert_eq!(another.entry(0).unwrap(), model.placed(0));
    assert!(matches!(another.entry(1), Err(TocFault::Changed)));
    assert!(matches!(toc.find("b"), Err(TocFault::Changed)));
    // When it is put right, so are they.
    file.write_all_at(&bytes, 0).unwrap();
    assert_eq!(another.entry(1).unwrap(), model.placed(1));
}
