//! What a store does not take, whoever sends it.

use pipeline_artifacts::{
    BlobLimits, BlobStore, Limited, Limits, LocalStore, MemoryBlobs, NewAttachment, Promotion, ReadOnly,
    Tiered,
};
use pipeline_core::{ArtifactRef, Digest, StoreError};
use serde_json::Value;

use crate::promote::wait;
use crate::{Bench, files, shop, v};

/// An artifact with something attached, and what it has: bytes as a tar, and entries.
struct Sent {
    artifact: ArtifactRef,
    note: Digest,
    bytes: u64,
    entries: u64,
}

fn sent(bench: &Bench) -> Sent {
    let artifact = bench.publish(&bench.tree("one").filled(), "1.0.0");
    let note = NewAttachment::note("# Know this\n");
    let note = bench.store.attach(&artifact.digest, &note).unwrap().digest;
    let opened = bench.store.artifact(&artifact).unwrap();
    Sent {
        bytes: opened.layers()[1..].iter().map(|layer| layer.size).sum(),
        entries: opened.entries().len() as u64,
        artifact,
        note,
    }
}

/// A manifest of the source, otherwise than it was packed.
fn altered(bench: &Bench, manifest: &Digest, alter: impl FnOnce(&mut Value)) -> Digest {
    let bytes = bench.store.read_blob(manifest).unwrap();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    alter(&mut value);
    let bytes = pipeline_core::canonical_json(&value).unwrap();
    bench.store.add_blob(&bytes).unwrap()
}

fn run(promotion: &Promotion, from: &LocalStore, to: &dyn BlobStore) -> Result<u64, String> {
    match wait(promotion.run(from, to)) {
        Ok(promoted) => Ok(promoted.moved),
        Err(StoreError::Refused { what, reason }) => Err(format!("{what}: {reason}")),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_store_takes_no_more_than_its_limits_allow() {
    let bench = Bench::new();
    let Sent {
        artifact,
        note,
        bytes,
        entries,
    } = sent(&bench);
    let of = |digest| Promotion::of(digest).with_attached([note]);
    let path = bench.path("other");
    let to = |limits| LocalStore::open(&path).unwrap().limiting(limits);
    let blobs = || files(&path.join("blobs")).len();
    let (all, own) = (Limits::default(), artifact.digest);
    let huge = altered(&bench, &own, |manifest| {
        manifest["layers"][1]["size"] = (1_u64 << 50).into()
    });
    let huge_toc = altered(&bench, &own, |manifest| {
        manifest["layers"][0]["size"] = (1_u64 << 40).into()
    });

    // What its manifest says is held against them before a byte is sent, of what is attached to it, too.
    for (digest, limits, said) in [
        (
            own,
            all.bytes(bytes - 1),
            format!("it has {bytes} bytes as a tar, at most {}", bytes - 1),
        ),
        (huge, all, "it has ".to_owned()),
        (
            huge_toc,
            all,
            "its table of contents has 1099511627776 bytes; at most 536870912".to_owned(),
        ),
    ] {
        let error = run(&of(digest), &bench.store, &to(limits)).unwrap_err();
        let said = format!("artifact {digest}: {said}");
        assert!(error.starts_with(&said) || digest == huge, "{error}");
        assert!(
            error.contains("are taken") || error.contains("are allowed"),
            "{error}"
        );
        assert_eq!(blobs(), 0, "{error}");
    }
    // What is in it needs its table of contents, and no more.
    let bare = Promotion::of(own);
    let error = run(&bare, &bench.store, &to(all.entries(entries - 1))).unwrap_err();
    let said = format!(
        "artifact {own}: it has {entries} entries, at most {} are taken",
        entries - 1
    );
    assert!(error.starts_with(&said), "{error}");
    assert_eq!(blobs(), 1);
    let error = run(&bare, &bench.store, &to(all.entries(entries - 1))).unwrap_err();
    assert!(error.starts_with(&said), "{error}");
    assert_eq!(blobs(), 1);

    // As much as is allowed is taken.
    let exact = to(all.bytes(bytes).entries(entries));
    run(&of(own), &bench.store, &exact).unwrap();
    exact.publish(&shop(), &v("1.0.0"), &own).unwrap();
    assert!(exact.verify().unwrap().is_good());
}

#[test]
fn a_manifest_that_names_another_table_of_contents_is_refused_before_the_rest_is_sent() {
    let bench = Bench::new();
    let one = sent(&bench);
    let two = bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let toc = bench.store.artifact(&two).unwrap().layers()[0];
    let mixed = altered(&bench, &one.artifact.digest, |manifest| {
        manifest["layers"][0]["digest"] = toc.digest.to_string().into();
        manifest["layers"][0]["size"] = toc.size.into();
    });
    let to = LocalStore::open(bench.path("other")).unwrap();
    let error = wait(Promotion::of(mixed).run(&bench.store, &to)).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(files(&bench.path("other/blobs")).len(), 1);
}

#[test]
fn what_stands_in_front_asks_what_is_behind() {
    let bench = Bench::new();
    let one = sent(&bench);
    let promotion = Promotion::of(one.artifact.digest);
    let path = bench.path("other");
    let small = || {
        let store = LocalStore::open(&path).unwrap();
        store.limiting(Limits::default().bytes(one.bytes - 1))
    };
    let limited = wait(Limited::open(small(), BlobLimits::default())).unwrap();
    for (name, store) in [
        ("limited", Box::new(limited) as Box<dyn BlobStore>),
        ("tiered", Box::new(Tiered::new(MemoryBlobs::new(), small()))),
        ("read-only", Box::new(ReadOnly::new(small()))),
    ] {
        let error = run(&promotion, &bench.store, &*store).unwrap_err();
        assert!(error.contains("raise `Limits::bytes`"), "{name}: {error}");
        assert!(files(&path.join("blobs")).is_empty(), "{name}");
    }
    // What is in front is not asked, and what has no limits takes all.
    let tiered = Tiered::new(small(), MemoryBlobs::new());
    run(&promotion, &bench.store, &tiered).unwrap();
    run(&promotion, &bench.store, &MemoryBlobs::new()).unwrap();
}
