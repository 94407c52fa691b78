//! Our stores of blobs against the contract that all stores have.

use std::fs;
use std::sync::Arc;

use pipeline_artifacts::testing::{BlobWorld, Report, blob_store};
use pipeline_artifacts::{
    BlobId, BlobLimits, BlobStore, BytesSource, Limited, LocalStore, MAX_PIECE, MemoryBlobs, ReadOnly, Tiered,
};
use tempfile::TempDir;

use crate::memory_dir;

const UNSPOILT: [&str; 2] = ["verifies-reads", "heals"];
const NOT_OPENED_AGAIN: &str = "flushed-stays";
const NOT_FULL: &str = "full-loses-nothing";

#[tokio::main(flavor = "current_thread")]
async fn report(fresh: impl AsyncFn() -> BlobWorld) -> Report {
    blob_store(async || fresh().await).await
}

#[track_caller]
fn keeps(report: &Report, not_tried: &[&str]) {
    report.assert_kept();
    assert_eq!(report.not_tried_names(), not_tried, "{report}");
}

fn at(dir: &Arc<TempDir>, name: &str) -> LocalStore {
    LocalStore::open(dir.path().join(name)).unwrap()
}

/// A store on `disk` below a directory, and the ways to it.
fn on_disk<S: BlobStore>(
    dir: &Arc<TempDir>,
    store: impl Fn(LocalStore) -> S + Send + Sync + 'static,
) -> BlobWorld {
    let blobs = dir.path().join("disk/blobs/sha256");
    let again = Arc::clone(dir);
    BlobWorld::new(store(at(dir, "disk")))
        .damage(move |digest| {
            crate::damage(&blobs.join(digest.hex()), b"rust");
            async {}
        })
        .reopen(move || std::future::ready(store(at(&again, "disk"))))
        .keep(Arc::clone(dir))
}

async fn limited<S: BlobStore>(store: S, bytes: u64) -> Limited<S> {
    Limited::open(store, BlobLimits::default().bytes(bytes))
        .await
        .unwrap()
}

#[test]
fn a_directory_is_a_store() {
    let report = report(async || on_disk(&Arc::new(memory_dir()), |store| store));
    keeps(&report, &[NOT_FULL]);
    // As on threads of several.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let fresh = async || on_disk(&Arc::new(memory_dir()), |store| store);
    keeps(&runtime.block_on(blob_store(fresh)), &[NOT_FULL]);
}

#[test]
fn memory_is_a_store() {
    let report = report(async || BlobWorld::new(MemoryBlobs::new()));
    keeps(&report, &[UNSPOILT[0], UNSPOILT[1], NOT_OPENED_AGAIN, NOT_FULL]);
}

#[test]
fn a_limited_store_is_a_store() {
    let report = report(async || {
        let dir = Arc::new(memory_dir());
        let room = limited(at(&dir, "small"), 5000).await;
        BlobWorld::new(limited(at(&dir, "large"), 1 << 30).await)
            .small(room, 5000)
            .keep(dir)
    });
    keeps(&report, &[UNSPOILT[0], UNSPOILT[1], NOT_OPENED_AGAIN]);
    let report = self::report(async || {
        let room = limited(MemoryBlobs::new(), 7).await;
        BlobWorld::new(limited(MemoryBlobs::new(), 1 << 30).await).small(room, 7)
    });
    keeps(&report, &[UNSPOILT[0], UNSPOILT[1], NOT_OPENED_AGAIN]);
}

#[test]
fn tiers_are_a_store() {
    // A front that takes all, nothing, and some.
    let front = async |bytes| limited(MemoryBlobs::new(), bytes).await;
    for bytes in [u64::MAX, 0, 30_000] {
        let report = report(async || {
            let front = front(bytes).await;
            let tiered = move |slow| Tiered::new(front.clone(), slow);
            let small = Tiered::new(MemoryBlobs::new(), limited(MemoryBlobs::new(), 4000).await);
            on_disk(&Arc::new(memory_dir()), tiered).small(small, 4000)
        });
        keeps(&report, &[]);
    }
}

/// Stores with blobs in them.
const TEXTS: [&[u8]; 3] = [b"", b"one", b"another\r\n"];

async fn filled<S: BlobStore>(store: S) -> (S, Vec<Vec<u8>>) {
    let mut all: Vec<Vec<u8>> = TEXTS.map(Vec::from).into();
    all.push((0..2 * MAX_PIECE + 7).map(|at| (at % 253) as u8).collect());
    for bytes in &all {
        let mut source = BytesSource::new(bytes.clone());
        store.put(&BlobId::of(bytes), &mut source).await.unwrap();
    }
    (store, all)
}

#[test]
fn what_is_only_read_is_a_store() {
    let local = report(async || {
        let dir = Arc::new(memory_dir());
        let (_, all) = filled(at(&dir, "disk")).await;
        on_disk(&dir, ReadOnly::new).read_only(all)
    });
    let memory = report(async || {
        let (memory, all) = filled(MemoryBlobs::new()).await;
        BlobWorld::new(ReadOnly::new(memory)).read_only(all)
    });
    keeps(&local, &[]);
    keeps(&memory, &["verifies-reads"]);
    let kept = [
        "returns-the-same",
        "gives-pieces",
        "absent-is-not-found",
        "tells-missing",
        "lists",
        "refuses-writes",
    ];
    assert_eq!(memory.kept(), kept);
}

#[test]
fn what_the_suite_stored_is_whole() {
    let dir = Arc::new(memory_dir());
    let report = report(async || {
        let name = format!("{}", fs::read_dir(dir.path()).unwrap().count());
        BlobWorld::new(at(&dir, &name))
    });
    report.assert_kept();
    let stores = fs::read_dir(dir.path())
        .unwrap()
        .map(|store| store.unwrap().path());
    for root in stores {
        let verified = LocalStore::open(&root).unwrap().verify().unwrap();
        assert!(verified.is_good(), "{verified}");
        assert_eq!(
            crate::files(&root.join("tmp")).len(),
            0,
            "leases and halves are gone"
        );
    }
}
