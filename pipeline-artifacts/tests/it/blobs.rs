//! Blobs: the interface that all stores have, leases, rechecks, the quarantine.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use pipeline_artifacts::{BlobId, BlobSource, BlobStore, BytesSource, MAX_PIECE, Recheck};
use pipeline_core::StoreError;

use crate::{Bench, damage, files, text};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

async fn all(mut source: Box<dyn BlobSource>) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    while let Some(piece) = source.next().await? {
        assert!(!piece.is_empty() && piece.len() <= MAX_PIECE);
        bytes.extend(piece);
    }
    assert!(source.next().await?.is_none(), "the end stays the end");
    Ok(bytes)
}

#[test]
fn who_knows_of_a_blob_in_the_trash_still_finds_it() {
    let bench = Bench::new();
    let store: &dyn BlobStore = &bench.store;
    let (large, blob) = (vec![b'x'; 5_000_003], BlobId::of(vec![b'x'; 5_000_003]));
    block_on(async {
        let mut source = BytesSource::new(large.clone());
        store.put(&blob, &mut source).await.unwrap();
        assert!(store.trash(&blob.digest, 7).await.unwrap());
        assert_eq!(store.list(None, 10).await.unwrap(), []);
        assert!(all(store.get(&blob.digest).await.unwrap()).await.unwrap() == large);
    });
}

#[test]
fn what_is_sent_must_be_what_was_said() {
    #[derive(Debug)]
    struct Broken;
    #[async_trait]
    impl BlobSource for Broken {
        async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
            Err(StoreError::NotFound {
                what: "the rest".to_owned(),
            })
        }
    }

    let bench = Bench::new();
    let blob = BlobId::of("right");
    let put = |bytes: &str| block_on(bench.store.put(&blob, &mut BytesSource::new(bytes)));
    let messages =
        ["wrong", "rig", "right and more"].map(|bytes| text(&put(bytes).unwrap_err(), bench.dir.path()));
    let hex = blob.digest.hex();
    insta::assert_snapshot!(messages.join("\n").replace(&hex, "<hex>"), @r"
    blob sha256:<hex> as it was sent is damaged: its bytes have another digest or are fewer than its digest and its 5 bytes
    blob sha256:<hex> as it was sent is damaged: its bytes have another digest or are fewer than its digest and its 5 bytes
    blob sha256:<hex> as it was sent is damaged: it has more bytes than its digest and its 5 bytes
    ");
    assert!(block_on(bench.store.put(&blob, &mut Broken)).is_err());
    assert_eq!(files(&bench.path("store/blobs")).len(), 0);
    assert_eq!(files(&bench.path("store/tmp")).len(), 0);
}

#[test]
fn the_policy_says_how_much_of_an_old_blob_is_trusted() {
    let bench = Bench::new();
    let trusting = bench.store.rechecking(Recheck::Size);
    let digest = bench.store.add_blob(b"whole").unwrap();
    let path = bench.path("store/blobs/sha256").join(digest.hex());
    damage(&path, b"other");
    trusting.add_blob(b"whole").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"other", "its size is right");
    bench.store.add_blob(b"whole").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    damage(&path, b"short");
    fs::write(&path, b"shor").unwrap();
    trusting.add_blob(b"whole").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
}

#[test]
fn what_is_stored_again_is_new_for_the_collector() {
    let bench = Bench::new();
    let digest = bench.store.add_blob(b"old").unwrap();
    let path = bench.path("store/blobs/sha256").join(digest.hex());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::open(&path).unwrap().set_modified(old).unwrap();
    let lease = bench.store.lease().unwrap();
    let began = fs::metadata(&files(&bench.path("store/tmp"))[0])
        .unwrap()
        .modified()
        .unwrap();
    bench.store.add_blob(b"old").unwrap();
    assert!(fs::metadata(&path).unwrap().modified().unwrap() >= began);
    drop(lease);
    assert_eq!(files(&bench.path("store/tmp")).len(), 0);
}

#[test]
fn a_damaged_blob_is_put_aside_and_heals() {
    let bench = Bench::new();
    let tree = bench.tree("tree").filled();
    let shop = bench.publish(&tree, "1.0.0");
    let layer = bench.store.artifact(&shop).unwrap().layers()[1];
    let path = bench.path("store/blobs/sha256").join(layer.digest.hex());
    assert_eq!(
        bench.store.quarantine(&layer.digest).unwrap(),
        None,
        "it is whole"
    );
    damage(&path, b"rust");
    let report = bench.store.verify().unwrap();
    assert_eq!(bench.store.quarantine_all(&report).unwrap(), [layer.digest]);
    assert!(!path.exists());
    assert_eq!(
        fs::read(bench.path("store/quarantine").join(layer.digest.hex())).unwrap(),
        b"rust"
    );
    let report = bench.store.verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.to_string().contains("it breaks shop 1.0.0"), "{report}");
    bench.pack(&tree);
    assert!(bench.store.verify().unwrap().is_good());
}

#[test]
fn a_store_of_the_first_form_is_refused_by_name() {
    let bench = Bench::new();
    let old = bench
        .tree("old")
        .file("store.json", r#"{"format":1}"#)
        .dir("blobs/sha256");
    let error = pipeline_artifacts::LocalStore::open(&old.0).unwrap_err();
    insta::assert_snapshot!(text(&error, bench.dir.path()), @"the store <dir>/old is refused: store.json says format 1, of a version that was never released, with one tar for each artifact; this version reads format 2: pack into a new store");
}

/// Looks at a directory all the time while something is done to it; every look must find what `right` takes.
fn watched(what: impl FnOnce(), look: impl Fn() -> bool + Sync) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut looks = 0_u32;
            while !done.load(Ordering::Relaxed) {
                assert!(look(), "it was seen half-way");
                looks += 1;
            }
            looks
        });
        what();
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
}

#[test]
fn nobody_sees_a_directory_half_written_or_gone() {
    let bench = Bench::new();
    let tree = (0..400).fold(bench.tree("tree"), |tree, number| {
        tree.file(&format!("f{number}"), "x")
    });
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let live = bench.path("live");
    for _ in 0..5 {
        fs::create_dir(&live).unwrap();
        watched(
            || artifact.write_to(&live).unwrap(),
            || {
                // It may be replaced between two looks at it; then it is there again.
                let count = fs::read_dir(&live).map(Iterator::count).unwrap_or(0);
                count == 0 || count == 400
            },
        );
        watched(|| artifact.replace(&live).unwrap(), || live.is_dir());
        fs::remove_dir_all(&live).unwrap();
    }
}

#[test]
fn a_directory_is_replaced_at_once_or_not_at_all() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1").file("only-one", ""), "1.0.0");
    let two = bench.publish(&bench.tree("two").file("a", "2").dir("d"), "2.0.0");
    let live = bench.path("live");
    let names = || {
        let mut names: Vec<_> = fs::read_dir(bench.dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    bench.store.artifact(&one).unwrap().replace(&live).unwrap();
    assert_eq!(fs::read(live.join("a")).unwrap(), b"1");
    let before = names();
    let artifact = bench.store.artifact(&two).unwrap();
    artifact.replace(&live).unwrap();
    assert_eq!(fs::read(live.join("a")).unwrap(), b"2");
    assert!(!live.join("only-one").exists() && live.join("d").is_dir());
    assert_eq!(names(), before, "nothing stays beside it");

    let layer = artifact.layers()[1];
    damage(
        &bench.path("store/blobs/sha256").join(layer.digest.hex()),
        &vec![b'x'; usize::try_from(layer.size).unwrap()],
    );
    assert!(artifact.replace(&live).is_err());
    assert!(artifact.write_to(&bench.path("other")).is_err());
    assert_eq!(fs::read(live.join("a")).unwrap(), b"2");
    assert_eq!(names(), before);
    // Through a link, what it leads to is replaced.
    std::os::unix::fs::symlink("live", bench.path("current")).unwrap();
    bench
        .store
        .artifact(&one)
        .unwrap()
        .replace(&bench.path("current"))
        .unwrap();
    assert_eq!(fs::read(live.join("a")).unwrap(), b"1");
    assert!(bench.path("current").is_symlink());
}
