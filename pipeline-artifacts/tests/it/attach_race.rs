//! Attaching beside a collector.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use pipeline_artifacts::{Collection, LocalStore, NewAttachment};
use pipeline_core::{ArtifactRef, Digest, SignedDuration};

use crate::retention::at;
use crate::{Bench, files, shop, v};

/// The file that is locked while something becomes visible, or is taken away.
const GATE: &str = "gc.lock";

/// Collects so often, each time so much later, that what nobody needs is gone for good.
fn collect(store: &LocalStore, times: i64) {
    for round in 0..times {
        let now = at("2100-01-01T00:00:00Z") + SignedDuration::from_hours(24 * 365 * round);
        let how = Collection::new(now)
            .grace(SignedDuration::ZERO)
            .orphans_after(SignedDuration::ZERO);
        store.collect(&how).unwrap();
    }
}

fn blobs(bench: &Bench) -> usize {
    files(&bench.path("store/blobs")).len()
}

/// The same store in another directory, with a gate of its own, at which whoever commits something stands and waits until
/// the test lets them through.
struct Gated {
    root: PathBuf,
    /// What is opened as the gate now, and locked.
    gate: File,
}

impl Gated {
    fn new(bench: &Bench) -> Self {
        let root = bench.path("gated");
        fs::create_dir(&root).unwrap();
        for file in fs::read_dir(bench.path("store")).unwrap() {
            let name = file.unwrap().file_name();
            if name != GATE {
                symlink(bench.path("store").join(&name), root.join(&name)).unwrap();
            }
        }
        let gate = Self::place(&root);
        Self { root, gate }
    }

    /// Puts a new file in the place of the gate, locked.
    fn place(root: &Path) -> File {
        let gate = File::create(root.join("next")).unwrap();
        gate.lock().unwrap();
        fs::rename(root.join("next"), root.join(GATE)).unwrap();
        gate
    }

    /// Waits until somebody stands before the gate.
    fn wait(&self) {
        // `1: -> FLOCK ADVISORY READ PID MAJOR:MINOR:INODE 0 EOF`: see `proc_locks(5)`.
        let inode = format!(":{}", self.gate.metadata().unwrap().ino());
        let is_waiting = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some("->") && words.any(|word| word.ends_with(&inode))
        };
        while !fs::read_to_string("/proc/locks").unwrap().lines().any(is_waiting) {
            thread::yield_now();
        }
    }

    /// Lets through who stands there, as far as the next gate.
    fn let_through(&mut self) {
        self.wait();
        // Closing it unlocks it.
        self.gate = Self::place(&self.root);
    }
}

#[test]
fn a_collector_that_comes_while_something_is_attached_takes_nothing_of_it() {
    const TEXT: &str = "# Know this\n";
    // The empty configuration is there and is renewed, then come the bytes, the manifest, and that it is attached.
    for passed in 0..4 {
        let bench = Bench::new();
        let artifact = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
        let before = blobs(&bench);
        let mut gated = Gated::new(&bench);
        let (root, digest) = (gated.root.clone(), artifact.digest);
        let attaching = thread::spawn(move || {
            let store = LocalStore::open(root).unwrap();
            store.attach(&digest, &NewAttachment::note(TEXT))
        });
        for _ in 0..passed {
            gated.let_through();
        }
        gated.wait();
        assert_eq!(blobs(&bench), before + [0, 0, 1, 2][passed]);
        collect(&bench.store, 3);
        for _ in passed..4 {
            gated.let_through();
        }
        let note = attaching.join().unwrap().unwrap();
        assert_eq!(bench.store.attachments(&digest).unwrap(), [note.clone()]);
        let read = bench.store.read_attachment(&note).unwrap();
        assert_eq!(read, TEXT.as_bytes());
        collect(&bench.store, 3);
        let report = bench.store.verify().unwrap();
        assert!(report.is_good(), "{report}");
        assert_eq!(blobs(&bench), before + 2);
    }
}

/// An artifact that nothing names is in the trash; attaching to it brings back all of it.
#[test]
fn what_something_is_attached_to_comes_back_from_the_trash() {
    let bench = Bench::new();
    let tree = bench.tree("one").file("a", "1");
    let digest = bench.pack(&tree).digest;
    collect(&bench.store, 1);
    assert_eq!(blobs(&bench), 0, "all of it is in the trash");

    let note = NewAttachment::note("# Know this\n");
    let note = bench.store.attach(&digest, &note).unwrap();
    let is_there = |digest: &Digest| bench.path("store/blobs/sha256").join(digest.hex()).is_file();
    assert!(is_there(&digest) && is_there(&note.digest));
    // What lies in the trash for so long is deleted; nothing of this does.
    let now = at("2200-01-01T00:00:00Z");
    bench.store.collect(&Collection::new(now)).unwrap();
    let artifact = ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest,
    };
    let opened = bench.store.artifact(&artifact).unwrap();
    assert_eq!(opened.file("a").unwrap(), b"1");
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "{report}");
}
