//! Artifacts whose tables of contents are not kept in memory, against the trees that were packed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use pipeline_core::{Artifact, ArtifactEntry, ChainDisplay, Digest, EntryKind, StoreError};
use proptest::prelude::*;
use tempfile::TempDir;

use super::local::HeldTocs;
use crate::{Comparison, LocalStore, Packed, Packer, StoredArtifact};

/// A store that keeps no table of contents, and reads it in windows of so many bytes.
fn store(dir: &TempDir, window: usize) -> LocalStore {
    let store = LocalStore::open(dir.path().join("store")).unwrap();
    store.holding(HeldTocs { whole: 0, window })
}

fn publish(store: &LocalStore, tree: &Path) -> (Packed, StoredArtifact) {
    let packed = Packer::new(tree).pack(store).unwrap();
    let (name, version) = ("shop".parse().unwrap(), semver::Version::new(1, 0, 0));
    let shop = store.publish(&name, &version, &packed.digest).unwrap();
    (packed, store.artifact(&shop).unwrap())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// Writes a tree of these files and links; what must be listed.
fn write(tree: &Path, nodes: &BTreeMap<String, Option<Vec<u8>>>) -> Vec<ArtifactEntry> {
    let mut listed = BTreeMap::new();
    fs::create_dir(tree).unwrap();
    for (path, content) in nodes {
        for (at, _) in path.match_indices('/') {
            listed.insert(path[..at].to_owned(), EntryKind::Directory);
            fs::create_dir_all(tree.join(&path[..at])).unwrap();
        }
        let kind = if let Some(content) = content {
            fs::write(tree.join(path), content).unwrap();
            EntryKind::File {
                size: content.len() as u64,
                digest: Digest::of(content),
                executable: false,
            }
        } else {
            symlink("elsewhere", tree.join(path)).unwrap();
            EntryKind::Symlink {
                target: "elsewhere".to_owned(),
            }
        };
        listed.insert(path.clone(), kind);
    }
    let entry = |(path, kind)| ArtifactEntry { path, kind };
    listed.into_iter().map(entry).collect()
}

fn nodes() -> impl Strategy<Value = BTreeMap<String, Option<Vec<u8>>>> {
    let directory = prop_oneof![Just(""), Just("a/"), Just("a-b/"), Just("a/ü/"), Just("b/c/d/")];
    let path = (directory, "[f-h][0-9]{0,2}").prop_map(|(directory, name)| format!("{directory}{name}"));
    let content = prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..600));
    prop::collection::btree_map(path, content, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_in_windows_is_the_tree(nodes in nodes(), window in 1_usize..900, most in 1_usize..20) {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir, window);
        let entries = write(&dir.path().join("tree"), &nodes);
        let (packed, artifact) = publish(&store, &dir.path().join("tree"));

        let listed: Vec<_> = artifact.entries().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&listed, &entries);
        prop_assert_eq!(artifact.entries().len(), entries.len());
        for entry in &entries {
            let found = artifact.entry(&entry.path).unwrap();
            prop_assert_eq!(found.as_ref(), Some(entry));
            if let Some(Some(content)) = nodes.get(&entry.path) {
                prop_assert_eq!(&artifact.file(&entry.path).unwrap(), content);
            }
        }
        prop_assert_eq!(artifact.entry("nothing").unwrap(), None);
        prop_assert_eq!(artifact.tree().unwrap(), packed.tree);
        let same = Comparison::of(&artifact, &artifact).unwrap();
        prop_assert!(same.is_same() && same.same == entries.len());

        // In parts, as the trait lists it.
        let mut parts: Vec<ArtifactEntry> = Vec::new();
        loop {
            let after = parts.last().map(|entry| entry.path.clone());
            let part = block_on(Artifact::entries(&artifact, after.as_deref(), most)).unwrap();
            let is_last = part.len() < most;
            parts.extend(part);
            if is_last {
                break;
            }
        }
        prop_assert_eq!(&parts, &entries);

        let report = store.verify().unwrap();
        prop_assert!(report.is_good(), "{}", report);
        let live = dir.path().join("live");
        artifact.write_to(&live).unwrap();
        prop_assert_eq!(Packer::new(&live).pack(&store).unwrap(), packed);
    }
}

#[test]
fn a_list_that_changes_while_it_is_open_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, 512);
    let path = |number: u32| format!("d{}/file-{number:04}", number % 7);
    let nodes = (0..200)
        .map(|number| (path(number), Some(b"bytes".to_vec())))
        .collect();
    let entries = write(&dir.path().join("tree"), &nodes);
    let (_, artifact) = publish(&store, &dir.path().join("tree"));
    let shop = artifact.reference();
    let blob = store.blob_path(&artifact.layers()[0].digest);
    let good = fs::read(&blob).unwrap();
    // The same file with other bytes: who has it open sees them.
    let overwrite = |bytes: &[u8]| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
        let file = fs::File::options().write(true).open(&blob).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
    };

    // A digit of the size of a file in the middle: still a table of contents, and another one.
    let mut bad = good.clone();
    let at = good.len() / 2;
    let at = at
        + good[at..]
            .windows(7)
            .position(|bytes| bytes == b"\"size\":")
            .unwrap()
        + 7;
    assert_eq!(bad[at], b'5');
    bad[at] = b'3';
    overwrite(&bad);
    let is_damage = |error: &StoreError| {
        let text = ChainDisplay(error).to_string();
        assert!(text.contains(&*blob.to_string_lossy()), "{text}");
        assert!(text.contains("changed after it was opened"), "{text}");
        matches!(error, StoreError::Damaged { .. })
    };
    let mut list = artifact.entries();
    let listed: Vec<_> = list.by_ref().map_while(Result::ok).collect();
    assert!((50..150).contains(&listed.len()), "{}", listed.len());
    assert_eq!(
        listed,
        entries[..listed.len()],
        "what comes before is what it was"
    );
    assert!(list.next().is_none(), "nothing follows an error");
    assert!(is_damage(&artifact.entries().find_map(Result::err).unwrap()));
    assert!(is_damage(
        &artifact.entry(&entries[listed.len()].path).unwrap_err()
    ));
    assert!(is_damage(&artifact.tree().unwrap_err()));
    assert!(is_damage(&Comparison::of(&artifact, &artifact).unwrap_err()));
    let live = dir.path().join("live");
    assert!(is_damage(&artifact.write_to(&live).unwrap_err()));
    assert!(!live.exists(), "something stayed");
    let report = store.verify().unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| blob.ends_with(&problem.path)),
        "{report}"
    );
    let opened = store.artifact(shop).unwrap_err().to_string();
    assert!(opened.contains("its bytes have digest"), "{opened}");

    // One that is cut off, and then right again.
    overwrite(&good[..good.len() / 2]);
    assert!(is_damage(&artifact.tree().unwrap_err()));
    overwrite(&good);
    assert!(artifact.entries().map(Result::unwrap).eq(entries));
    artifact.write_to(&live).unwrap();
}
