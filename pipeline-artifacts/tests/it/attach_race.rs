//! Attaching beside a collector.

use std::thread;

use pipeline_artifacts::{Collection, LocalStore, NewAttachment};
use pipeline_core::{ArtifactRef, Digest, SignedDuration};

use crate::gated::Gated;
use crate::retention::at;
use crate::{Bench, files, shop, v};

/// Collects so often, each time so much later, that what nobody needs is gone for good.
pub(crate) fn collect(store: &LocalStore, times: i64) {
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

#[test]
fn a_collector_that_comes_while_something_is_attached_takes_nothing_of_it() {
    const TEXT: &str = "# Know this\n";
    let bench = Bench::on_disk();
    let digest = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0").digest;
    let before = blobs(&bench);
    let mut gated = Gated::new(&bench);
    let root = gated.root.clone();
    let attaching = thread::spawn(move || {
        let store = LocalStore::open(root).unwrap();
        store.attach(&digest, &NewAttachment::note(TEXT))
    });
    let mut seen = Vec::new();
    gated.walk(&attaching, || {
        seen.push(blobs(&bench) - before);
        collect(&bench.store, 3);
    });
    // The empty configuration is there and is renewed, then come the bytes, the manifest, and that it is attached.
    assert_eq!(seen, [0, 0, 1, 2]);
    let note = attaching.join().unwrap().unwrap();
    assert_eq!(
        bench.store.attachments(&digest).unwrap(),
        std::slice::from_ref(&note)
    );
    let read = bench.store.read_attachment(&note).unwrap();
    assert_eq!(read, TEXT.as_bytes());
    collect(&bench.store, 3);
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "{report}");
    assert_eq!(blobs(&bench), before + 2);
}

/// An artifact that nothing names is in the trash; attaching to it brings back all of it.
#[test]
fn what_something_is_attached_to_comes_back_from_the_trash() {
    let bench = Bench::on_disk();
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
