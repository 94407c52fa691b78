//! Artifacts whose table of contents is too long to be kept in memory.

use std::collections::BTreeMap;
use std::fs;

use pipeline_artifacts::{Comparison, Packer, StoredArtifact};
use pipeline_core::{Artifact, ArtifactEntry, ChainDisplay, EntryKind, StoreError};

use crate::blobs::block_on;
use crate::{Bench, Tree, damage, shop, v};

/// With paths of almost a thousand bytes, these are more than 16 MiB.
const FILES: usize = 15_500;

/// A tree of many names of few files, and what is in each.
fn long_tree(bench: &Bench) -> (Tree, BTreeMap<String, String>) {
    let parts = ["a", "b", "c"].map(|part| part.repeat(245));
    let above = parts.join("/");
    let tree = bench.tree("tree");
    let root = tree.0.join(&above);
    fs::create_dir_all(&root).unwrap();
    let contents = ["", "one", "other"];
    for (number, content) in contents.iter().enumerate() {
        fs::write(tree.0.join(format!("content-{number}")), content).unwrap();
    }
    let mut files = BTreeMap::new();
    for number in 0..FILES {
        let name = format!("{number:06}-{}", "x".repeat(230));
        let from = format!("content-{}", number % 3);
        fs::hard_link(tree.0.join(&from), root.join(&name)).unwrap();
        files.insert(format!("{above}/{name}"), contents[number % 3].to_owned());
    }
    for (number, content) in contents.iter().enumerate() {
        files.insert(format!("content-{number}"), (*content).to_owned());
    }
    (tree, files)
}

fn listed(artifact: &StoredArtifact) -> Vec<ArtifactEntry> {
    artifact.entries().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_long_list_is_read_as_it_is_needed() {
    let bench = Bench::in_memory();
    let (tree, files) = long_tree(&bench);
    let packed = bench.pack(&tree);
    let shop = bench.store.publish(&shop(), &v("1.0.0"), &packed.digest).unwrap();
    let artifact = bench.store.artifact(&shop).unwrap();
    assert!(artifact.layers()[0].size > 16 << 20, "{:?}", artifact.layers()[0]);

    assert_eq!(artifact.entries().len(), files.len() + 3);
    let entries = listed(&artifact);
    assert!(entries.is_sorted_by(|one, two| one.path < two.path));
    let is_file = |entry: &&ArtifactEntry| matches!(entry.kind, EntryKind::File { .. });
    assert!(
        entries
            .iter()
            .filter(is_file)
            .map(|entry| &entry.path)
            .eq(files.keys())
    );
    for entry in entries.iter().step_by(997) {
        assert_eq!(artifact.entry(&entry.path).unwrap().as_ref(), Some(entry));
        if is_file(&entry) {
            assert_eq!(artifact.file(&entry.path).unwrap(), files[&entry.path].as_bytes());
        }
    }
    assert_eq!(artifact.entry("nothing").unwrap(), None);
    assert_eq!(artifact.tree().unwrap(), packed.tree);
    let same = Comparison::of(&artifact, &artifact).unwrap();
    assert!(same.is_same() && same.same == entries.len());

    // In parts, as the trait lists it.
    let mut parts = Vec::new();
    loop {
        let after = parts.last().map(|entry: &ArtifactEntry| entry.path.clone());
        let part = Artifact::entries(&artifact, after.as_deref(), 4_000);
        let part = block_on(part).unwrap();
        let is_last = part.len() < 4_000;
        parts.extend(part);
        if is_last {
            break;
        }
    }
    assert_eq!(parts, entries);

    assert!(bench.store.verify().unwrap().is_good());
    let live = bench.path("live");
    artifact.write_to(&live).unwrap();
    for (path, content) in files.iter().step_by(997) {
        assert_eq!(fs::read_to_string(live.join(path)).unwrap(), *content);
    }
    assert_eq!(Packer::new(&live).pack(&bench.store).unwrap(), packed);
}

#[test]
fn a_list_that_changes_while_it_is_open_is_damaged() {
    let bench = Bench::in_memory();
    let (tree, _) = long_tree(&bench);
    let shop = bench.publish(&tree, "1.0.0");
    let artifact = bench.store.artifact(&shop).unwrap();
    let entries = listed(&artifact);
    let blob = bench
        .path("store/blobs/sha256")
        .join(artifact.layers()[0].digest.hex());
    let good = fs::read(&blob).unwrap();

    // A digit of the size of a file in the middle: still a table of contents, and another one.
    let mut bad = good.clone();
    let at = good.len() / 2;
    let at = at
        + good[at..]
            .windows(7)
            .position(|bytes| bytes == b"\"size\":")
            .unwrap()
        + 7;
    bad[at] = if bad[at] == b'5' { b'3' } else { b'5' };
    damage(&blob, &bad);
    let is_damage = |error: &StoreError| {
        let text = ChainDisplay(error).to_string();
        assert!(text.contains(&*blob.to_string_lossy()), "{text}");
        assert!(text.contains("changed after it was opened"), "{text}");
        matches!(error, StoreError::Damaged { .. })
    };
    let mut list = artifact.entries();
    let good_ones = list.by_ref().map_while(Result::ok).count();
    assert!((1_000..entries.len() - 1_000).contains(&good_ones), "{good_ones}");
    assert!(list.next().is_none(), "nothing follows an error");
    let error = artifact.entries().find_map(Result::err).unwrap();
    assert!(is_damage(&error));
    assert!(is_damage(&artifact.tree().unwrap_err()));
    assert!(is_damage(&Comparison::of(&artifact, &artifact).unwrap_err()));
    // What lies elsewhere is what it was.
    assert_eq!(artifact.entries().next().unwrap().unwrap(), entries[0]);

    let live = bench.path("live");
    assert!(is_damage(&artifact.write_to(&live).unwrap_err()));
    assert!(!live.exists(), "something stayed");
    let report = bench.store.verify().unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| blob.ends_with(&problem.path)),
        "{report}"
    );
    assert!(matches!(
        bench.store.artifact(&shop),
        Err(StoreError::Damaged { .. })
    ));

    // One that is cut off, and then right again.
    damage(&blob, &good[..good.len() / 2]);
    assert!(is_damage(&artifact.tree().unwrap_err()));
    damage(&blob, &good);
    assert_eq!(listed(&artifact), entries);
    artifact.write_to(&live).unwrap();
}
