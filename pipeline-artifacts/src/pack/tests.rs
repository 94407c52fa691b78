//! What a small tree and little room say of a large tree.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ignore::gitignore::Gitignore;
use pipeline_core::{ArtifactEntry, EntryKind};
use proptest::prelude::*;

use super::plan::Plan;
use super::room::Room;
use super::root::Root;
use super::scan::{Scan, Tree};
use super::{Fineness, PackError, Packer, Refusal};
use crate::LocalStore;
use crate::store::Lease;

/// None at all: everything is written down at once, and read in pieces.
const NONE: Room = Room {
    run: 0,
    merge: 0,
    listing: 0,
    pending: 0,
    digests: 0,
};

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>, bool),
    Directory,
    Link(String),
}

fn model() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let name = || prop_oneof!["[a-c]", "[a-c][-. ~0]", "ü{1,60}", "x{90,120}"];
    let node = prop_oneof![
        5 => (prop::collection::vec(any::<u8>(), 0..600), any::<bool>())
            .prop_map(|(bytes, executable)| Node::File(bytes, executable)),
        1 => Just(Node::Directory),
        1 => name().prop_map(Node::Link),
    ];
    let path = prop::collection::vec(name(), 1..4).prop_map(|parts| parts.join("/"));
    prop::collection::btree_map(path, node, 0..60)
}

/// Writes what can be written: a path below a file is left out.
fn write(model: &BTreeMap<String, Node>, root: &Path) {
    fs::create_dir(root).unwrap();
    for (path, node) in model {
        let full = root.join(path);
        if full
            .parent()
            .map(fs::create_dir_all)
            .is_none_or(|made| made.is_err())
        {
            continue;
        }
        let _ = match node {
            Node::File(bytes, executable) => fs::write(&full, bytes).and_then(|()| {
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&full, fs::Permissions::from_mode(mode))
            }),
            Node::Directory => fs::create_dir(&full),
            Node::Link(target) => symlink(target, &full),
        };
    }
}

fn entries(tree: &Tree) -> Vec<ArtifactEntry> {
    let mut cursor = tree.listing.all().unwrap();
    let mut entries = Vec::new();
    while let Some((number, record)) = cursor.next().unwrap() {
        assert_eq!(number as usize, entries.len());
        entries.push(record.entry.clone());
    }
    assert_eq!(entries.len(), tree.listing.len() as usize);
    for (number, entry) in (0..).zip(&entries) {
        assert_eq!(&tree.listing.get(number).unwrap().entry, entry);
    }
    entries
}

struct Given<'a> {
    tree: &'a Path,
    store: &'a LocalStore,
    lease: &'a Lease,
    room: Room,
}

fn scanned<T>(given: Given<'_>, act: impl FnOnce(&Scan<'_>, Result<Tree, PackError>) -> T) -> T {
    let root = Root::open(given.tree).unwrap();
    let scan = Scan {
        root: &root,
        exclude: &[],
        ignored: &Gitignore::empty(),
        store: given.store,
        lease: given.lease,
        threads: 2,
        room: given.room,
    };
    act(&scan, scan.run())
}

/// The same with a store of its own beside the tree, which is `tree` in the directory.
fn scanned_in<T>(dir: &Path, room: Room, act: impl FnOnce(&Scan<'_>, Result<Tree, PackError>) -> T) -> T {
    let store = LocalStore::open(dir.join("store")).unwrap();
    let (tree, lease) = (dir.join("tree"), store.lease().unwrap());
    let given = Given {
        tree: &tree,
        store: &store,
        lease: &lease,
        room,
    };
    scanned(given, act)
}

/// In memory, where there is room: flushes take most of the time, and nothing here is about them.
pub(super) fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn the_room_makes_no_difference(model in model(), fine: bool, run in 0..2_000_usize, small in 0..300_usize) {
        let dir = in_memory();
        let root = dir.path().join("tree");
        write(&model, &root);
        let store = LocalStore::open(dir.path().join("store")).unwrap();
        let lease = store.lease().unwrap();
        let fineness = if fine { Fineness::Fine } else { Fineness::Coarse };
        let some = Room { run, listing: small, pending: small, ..NONE };
        let seen = [Room::default(), some, NONE].map(|room| {
            let given = Given { tree: &root, store: &store, lease: &lease, room };
            let (listed, plan) = scanned(given, |scan, tree| {
                let tree = tree.unwrap();
                scan.refuse_changed(&tree).unwrap();
                (entries(&tree), Plan::new(&tree, fineness).unwrap())
            });
            let mut packer = Packer::new(&root).threads(2).fineness(fineness);
            packer.room = room;
            // A store of its own, so that every blob is made.
            let fresh = in_memory();
            let packed = packer.pack(&LocalStore::open(fresh.path()).unwrap()).unwrap();
            (listed, plan, packed)
        });
        prop_assert!(seen[0].0.is_sorted_by(|a, b| a.path < b.path));
        prop_assert_eq!(&seen[1], &seen[0]);
        prop_assert_eq!(&seen[2], &seen[0]);
        // Nothing is left behind by name while the lease lives: files for what does not fit have none.
        let left: Vec<_> = fs::read_dir(lease.dir()).unwrap().collect();
        prop_assert!(left.is_empty(), "{:?}", left);
    }
}

#[test]
fn a_change_between_the_scans_is_named_whatever_the_room() {
    type Change = fn(&Path);
    let changes: [(Change, &str, &str); 5] = [
        (
            |root| fs::write(root.join("b/new"), "").unwrap(),
            "b/new",
            "it is new",
        ),
        (
            |root| fs::remove_file(root.join("b/3")).unwrap(),
            "b/3",
            "it is gone",
        ),
        (
            |root| fs::write(root.join("b/3"), "longer").unwrap(),
            "b/3",
            "it is not what it was",
        ),
        (
            |root| {
                fs::rename(root.join("a"), root.join("z")).unwrap();
                fs::remove_file(root.join("b/3")).unwrap();
            },
            "a",
            "it is gone",
        ),
        (
            |root| {
                fs::remove_file(root.join("l")).unwrap();
                symlink("b", root.join("l")).unwrap();
            },
            "l",
            "it is not what it was",
        ),
    ];
    for (change, named, why) in changes {
        for room in [Room::default(), NONE] {
            let dir = in_memory();
            let root = dir.path().join("tree");
            fs::create_dir_all(root.join("b")).unwrap();
            fs::create_dir(root.join("a")).unwrap();
            (0..9).for_each(|number| fs::write(root.join(format!("b/{number}")), "x").unwrap());
            symlink("a", root.join("l")).unwrap();
            let error = scanned_in(dir.path(), room, |scan, tree| {
                let tree = tree.unwrap();
                scan.refuse_changed(&tree).unwrap();
                change(&root);
                scan.refuse_changed(&tree).unwrap_err()
            });
            let PackError::Changed { path, how } = &error else {
                panic!("{error:?}");
            };
            assert_eq!((path.to_str(), *how), (Some(named), why));
        }
    }
}

#[test]
fn the_first_of_many_clashes_is_named_whatever_the_room() {
    for room in [Room::default(), NONE] {
        let dir = in_memory();
        let root = dir.path().join("tree");
        for path in ["x/B/C", "x/B/c", "X2", "a", "Ünder/q", "ünder/q", "x2"] {
            let full = root.join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, "").unwrap();
        }
        let error = scanned_in(dir.path(), room, |_, tree| tree.unwrap_err());
        let PackError::Refused { path, reason } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(path.to_str(), Some("x/B/c"));
        let other = "x/B/C".to_owned();
        assert_eq!(*reason, Refusal::CaseOnly { other });
    }
}

/// Whoever writes in a directory that is no more is told which.
#[test]
fn where_nothing_can_be_written_down_is_named() {
    let dir = in_memory();
    let root = dir.path().join("tree");
    fs::create_dir(&root).unwrap();
    (0..9).for_each(|number| fs::write(root.join(number.to_string()), "x").unwrap());
    let store = LocalStore::open(dir.path().join("store")).unwrap();
    let lease = store.lease().unwrap();
    fs::remove_dir(lease.dir()).unwrap();
    let mut packer = Packer::new(&root);
    packer.room = NONE;
    let error = packer.pack(&store).unwrap_err();
    let PackError::Store(error) = &error else {
        panic!("{error:?}");
    };
    let expected = format!("cannot create a file in {}", lease.dir().display());
    assert_eq!(error.to_string(), expected);
    // It needs none for so few.
    let scan = Given {
        tree: &root,
        store: &store,
        lease: &lease,
        room: Room::default(),
    };
    let kinds = scanned(scan, |_, tree| entries(&tree.unwrap()));
    assert!(
        kinds
            .iter()
            .all(|entry| matches!(entry.kind, EntryKind::File { .. }))
    );
}

/// A directory becomes a link to another one between the moments in which it is found and in which it is listed.
#[test]
fn a_link_in_the_place_of_a_directory_is_not_followed() {
    let dir = in_memory();
    let root = dir.path().join("tree");
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::create_dir_all(dir.path().join("out/e")).unwrap();
    fs::write(dir.path().join("out/e/secret"), "").unwrap();
    let store = LocalStore::open(dir.path().join("store")).unwrap();
    let lease = store.lease().unwrap();
    let given = Given {
        tree: &root,
        store: &store,
        lease: &lease,
        room: Room::default(),
    };
    scanned(given, |scan, tree| {
        assert_eq!(entries(&tree.unwrap()).len(), 2);
        fs::remove_dir_all(root.join("d")).unwrap();
        symlink("../out", root.join("d")).unwrap();
        for below in ["d", "d/e"] {
            let error = scan
                .list(below, &mut |path, _, _| panic!("{path} was found"))
                .unwrap_err();
            assert!(
                matches!(&error, PackError::Changed { how, .. } if *how == "it is not what it was"),
                "{error:?}"
            );
        }
    });
}
