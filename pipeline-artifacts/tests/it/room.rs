//! No room, no right: an error that says so, and nothing is lost.

use std::fs;

use pipeline_artifacts::{Collection, LocalStore, PackError, Packer, RetentionPolicy};
use pipeline_core::StoreError;

use crate::mount::Mounted;
use crate::{Bench, files, shop, v};

/// What went wrong, as the system called it.
fn kind(error: &PackError) -> Option<std::io::ErrorKind> {
    let mut source = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        source = error.source();
    }
    None
}

/// Fills the store, is refused, and goes on when there is room again.
fn full(bench: &Bench, small: &Mounted, more: &str) {
    let root = small.path().join("store");
    let store = LocalStore::open(&root).unwrap();
    let first = Packer::new(bench.tree("first").filled().0).pack(&store).unwrap();
    store.publish(&shop(), &v("1.0.0"), &first.digest).unwrap();
    let large = (0..80).fold(bench.tree("large"), |tree, number| {
        tree.file(&format!("d/{number}"), vec![number; 100_000])
    });
    for _ in 0..2 {
        let error = Packer::new(&large.0).pack(&store).unwrap_err();
        assert!(matches!(error, PackError::Store(_)), "{error:?}");
        assert_eq!(kind(&error), Some(std::io::ErrorKind::StorageFull), "{error:?}");
        assert!(store.verify().unwrap().is_good());
        let opened = store
            .artifact(&store.find(&shop(), &v("1.0.0")).unwrap().unwrap())
            .unwrap();
        opened.write_to(&bench.path("out")).unwrap();
        fs::remove_dir_all(bench.path("out")).unwrap();
    }
    // One file that alone is too large is written in another way.
    let huge = bench.tree("huge").file("one", vec![1; 9 << 20]);
    let error = Packer::new(&huge.0).pack(&store).unwrap_err();
    assert_eq!(kind(&error), Some(std::io::ErrorKind::StorageFull), "{error:?}");
    // What could not be finished takes no room, though its writer lives.
    let left: u64 = files(&root.join("tmp"))
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert_eq!(left, 0, "{:?}", files(&root.join("tmp")));
    small.again(more);
    let packed = Packer::new(&large.0).pack(&store).unwrap();
    store.publish(&shop(), &v("1.1.0"), &packed.digest).unwrap();
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn a_disk_without_room_refuses_and_keeps_what_it_has() {
    let bench = Bench::new();
    let Some(small) = Mounted::tmpfs(&bench.path("disk"), "size=3m") else {
        return;
    };
    full(&bench, &small, "size=40m");
}

#[test]
fn a_disk_without_room_for_names_refuses_and_keeps_what_it_has() {
    let bench = Bench::new();
    // A store and one artifact have some 30 names.
    let Some(small) = Mounted::tmpfs(&bench.path("disk"), "size=40m,nr_inodes=64") else {
        return;
    };
    let root = small.path().join("store");
    let store = LocalStore::open(&root).unwrap();
    let mut published = 0;
    let error = loop {
        let tree = bench
            .tree(&format!("tree-{published}"))
            .file("number", format!("{published}"));
        let done = Packer::new(&tree.0)
            .pack(&store)
            .map_err(|error| error.to_string())
            .and_then(|packed| {
                let version = v(&format!("1.{published}.0"));
                store
                    .publish(&shop(), &version, &packed.digest)
                    .map_err(|error| crate::text(&error, bench.dir.path()))
            });
        match done {
            Ok(_) => published += 1,
            Err(error) => break error,
        }
        assert!(published < 60, "there is always room");
    };
    assert!(published > 2, "{published} were published: {error}");
    assert!(store.verify().unwrap().is_good());
    assert_eq!(crate::listed(&store).len(), published);
    small.again("nr_inodes=10000");
    let packed = Packer::new(bench.path(&format!("tree-{published}")))
        .pack(&store)
        .unwrap();
    store.publish(&shop(), &v("9.0.0"), &packed.digest).unwrap();
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn a_disk_that_is_read_only_is_read() {
    let bench = Bench::new();
    let Some(small) = Mounted::tmpfs(&bench.path("disk"), "size=10m") else {
        return;
    };
    let root = small.path().join("store");
    let tree = bench.tree("tree").filled();
    let shop_1 = {
        let store = LocalStore::open(&root).unwrap();
        let packed = Packer::new(&tree.0).pack(&store).unwrap();
        store.publish(&shop(), &v("1.0.0"), &packed.digest).unwrap()
    };
    // As it comes from a backup, which may lose it.
    fs::remove_file(root.join("gc.lock")).unwrap();
    small.again("ro");
    let store = LocalStore::open(&root).unwrap();
    assert_eq!(store.find(&shop(), &v("1.0.0")).unwrap().as_ref(), Some(&shop_1));
    let now = "2026-11-26T12:00:00Z".parse().unwrap();
    store.collect(&Collection::new(now).dry_run()).unwrap();
    store
        .plan_retention(&RetentionPolicy::default(), &[], now)
        .unwrap();
    assert_eq!(
        store.newest(&shop(), &"^1".parse().unwrap()).unwrap().as_ref(),
        Some(&shop_1)
    );
    store
        .artifact(&shop_1)
        .unwrap()
        .write_to(&bench.path("out"))
        .unwrap();
    assert!(store.verify().unwrap().is_good());
    let error = Packer::new(&tree.0).pack(&store).unwrap_err();
    assert_eq!(
        kind(&error),
        Some(std::io::ErrorKind::ReadOnlyFilesystem),
        "{error:?}"
    );
    let error = store.add_blob(b"more").unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    let error = store.publish(&shop(), &v("1.1.0"), &shop_1.digest).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    small.again("rw");
    store.publish(&shop(), &v("1.1.0"), &shop_1.digest).unwrap();
}
