//! The store and the stage against the contracts of the core.

use std::fs;
use std::sync::Arc;

use pipeline_artifacts::{BlobLimits, BlobStore, Limited, LocalStore, ReadOnly, Tiered};
use pipeline_core::testing::conformance::{self, StageSuite, StageWorld, StoreWorld};
use pipeline_core::testing::{ManualClock, TestCall, services};
use pipeline_core::{ArtifactStore, DirectorySource, NoSecrets};

use crate::package::stage;
use crate::{Bench, damage, files, shop, v};

#[tokio::main(flavor = "current_thread")]
async fn report(bench: impl Fn() -> StoreWorld) -> conformance::Report {
    conformance::store(|| async { bench() }).await
}

/// Checks a store that stands in front of the one of a bench, and of another one.
fn keeps_all<S: ArtifactStore>(layer: impl Fn(&Bench, LocalStore) -> S) {
    let fresh = || {
        let bench = Bench::new();
        let artifact = bench.publish(&bench.tree("src").filled(), "1.0.0");
        let other = bench.pack(&bench.tree("other").filled().file("other", "1"));
        let catalog = bench.store.clone();
        let blobs = bench.store.root().join("blobs/sha256");
        let manifest = blobs.join(artifact.digest.hex());
        let front = LocalStore::open(bench.path("front")).unwrap();
        StoreWorld::new(layer(&bench, front))
            .artifact(artifact)
            .damage(move |digest| {
                let blob = blobs.join(digest.hex());
                if blob.exists() {
                    damage(&blob, b"rust");
                } else {
                    // A file of an artifact: its bytes are in a layer.
                    let others = files(&blobs).into_iter().filter(|file| *file != manifest);
                    others.for_each(|file| damage(&file, b"rust"));
                }
                async {}
            })
            .publish(other.digest, move |artifact| {
                let published = catalog.publish(&artifact.name, &artifact.version, &artifact.digest);
                async { published }
            })
            .scratch(bench.path("out"))
            .keep(bench)
    };
    let report = report(fresh);
    report.assert_kept();
    assert_eq!(report.not_tried_names(), [""; 0], "{report}");
}

#[test]
fn a_store_keeps_what_it_promises() {
    keeps_all(|bench, _| bench.store.clone());
}

/// On a thread of its own, since the suite waits on this one.
fn limited<S: BlobStore>(store: S, limits: BlobLimits) -> Limited<S> {
    let open = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Limited::open(store, limits)).unwrap()
    };
    std::thread::scope(|scope| scope.spawn(open).join().unwrap())
}

#[test]
fn layers_keep_what_the_store_behind_promises() {
    let roomy = BlobLimits::default().bytes(1 << 30);
    keeps_all(|bench, _| limited(bench.store.clone(), roomy));
    keeps_all(|bench, front| Tiered::new(front, bench.store.clone()));
    // Fronts that take nothing, or not all of it.
    keeps_all(|bench, front| Tiered::new(ReadOnly::new(front), bench.store.clone()));
    keeps_all(|bench, front| {
        Tiered::new(
            limited(front, BlobLimits::default().blobs(2)),
            bench.store.clone(),
        )
    });
    // Layers of layers.
    keeps_all(|bench, front| {
        let tiered = Tiered::new(limited(front, roomy), bench.store.clone());
        let between = LocalStore::open(bench.path("between")).unwrap();
        limited(Tiered::new(between, tiered), roomy)
    });
}

/// What is published. Blobs that nothing refers to are nobody's business.
fn published(store: &LocalStore) -> String {
    let Some(artifact) = store.find(&shop(), &v("1.4.0")).unwrap() else {
        return "nothing".to_owned();
    };
    let opened = store.artifact(&artifact).unwrap();
    format!(
        "{artifact}, whole: {}, {:?}",
        store.verify().unwrap().is_good(),
        opened.entries().collect::<Result<Vec<_>, _>>().unwrap()
    )
}

#[tokio::main(flavor = "current_thread")]
async fn packaging(text: &str) -> conformance::Report {
    let fresh = || async {
        let bench = Bench::new();
        bench.tree("src/dist").filled();
        fs::write(bench.path("src/VERSION"), "1.4.0\n").unwrap();
        let artifacts: Arc<dyn ArtifactStore> = Arc::new(bench.store.clone());
        let services = services(
            ManualClock::at("2026-11-20T12:00:00Z"),
            artifacts,
            Arc::new(DirectorySource::new(bench.path("src"))),
            Arc::new(NoSecrets),
        );
        let store = bench.store.clone();
        StageWorld::new(stage(&bench, text), TestCall::new("package"), services)
            .produces("shop")
            .probe(move || {
                let found = published(&store);
                async move { found }
            })
            .keep(bench)
    };
    StageSuite::new(fresh).run().await
}

#[test]
fn packaging_keeps_what_it_promises() {
    for text in [
        "name = 'shop'\npath = 'dist'\nversion-file = 'VERSION'",
        "name = 'shop'\nversion = '1.4.0'\nexclude = ['dist/etc']",
    ] {
        let report = packaging(text);
        report.assert_kept();
        assert_eq!(report.not_tried_names(), [""; 0], "{report}");
    }
}
