//! The store and the stage against the contracts of the core.

use std::fs;
use std::sync::Arc;

use pipeline_artifacts::LocalStore;
use pipeline_core::testing::conformance::{self, StageSuite, StageWorld, StoreWorld};
use pipeline_core::testing::{ManualClock, TestCall, services};
use pipeline_core::{ArtifactStore, DirectorySource, NoSecrets};

use crate::package::stage;
use crate::{Bench, damage, files, shop, v};

#[tokio::main(flavor = "current_thread")]
async fn report(bench: impl Fn() -> StoreWorld) -> conformance::Report {
    conformance::store(|| async { bench() }).await
}

#[test]
fn a_store_keeps_what_it_promises() {
    let fresh = || {
        let bench = Bench::new();
        let artifact = bench.publish(&bench.tree("src").filled(), "1.0.0");
        let other = bench.pack(&bench.tree("other").filled().file("other", "1"));
        let catalog = bench.store.clone();
        let blobs = bench.store.root().join("blobs/sha256");
        let manifest = blobs.join(artifact.digest.hex());
        StoreWorld::new(bench.store.clone())
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

/// What is published. Blobs that nothing refers to are nobody's business.
fn published(store: &LocalStore) -> String {
    let Some(artifact) = store.find(&shop(), &v("1.4.0")).unwrap() else {
        return "nothing".to_owned();
    };
    let opened = store.artifact(&artifact).unwrap();
    format!(
        "{artifact}, whole: {}, {:?}",
        store.verify().unwrap().is_good(),
        opened.entries()
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
