//! A push into a repository with nothing in it does not ask for each blob.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pipeline_artifacts::oci::Credentials;
use pipeline_artifacts::{Fineness, Packer};
use pipeline_core::{ArtifactRef, Digest};

use super::http::{answer, serve};
use super::{Registry, remote};
use crate::{Bench, shop, v};

/// Of so many blobs it is asked at least.
const SAMPLE: usize = 8;

/// What stands before the registry.
#[derive(Default)]
struct Door {
    asked: AtomicUsize,
    /// Whether it takes no manifests.
    is_shut: AtomicBool,
    /// Whether it does not know what a list of tags is.
    is_simple: AtomicBool,
}

impl Door {
    fn before(registry: &Registry) -> (Arc<Self>, u16) {
        let door = Arc::new(Self::default());
        let (own, port) = (Arc::clone(&door), registry.port);
        let listens = serve(move |request| {
            let is_manifest = request.target.contains("/manifests/");
            if request.method == "HEAD" && !is_manifest {
                own.asked.fetch_add(1, Ordering::SeqCst);
            }
            if request.method == "PUT" && is_manifest && own.is_shut.load(Ordering::SeqCst) {
                return answer("503 Service Unavailable", "text/plain", "");
            }
            if request.target.contains("/tags/list") && own.is_simple.load(Ordering::SeqCst) {
                return answer("404 Not Found", "text/plain", "404 page not found");
            }
            request.forward(port)
        });
        (door, listens)
    }

    /// Of how many blobs it was asked since the last time.
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

/// Publishes a tree of some thirty layers, and tells how many blobs it has.
fn published(bench: &Bench, version: &str, edited: &str, salt: u8) -> (ArtifactRef, usize) {
    let mut tree = bench.tree(version);
    for number in 0..450 {
        tree = tree.file(&format!("{number:03}"), vec![number as u8 ^ salt; 10_000]);
    }
    let tree = tree.file("007", edited);
    let packed = Packer::new(&tree.0)
        .fineness(Fineness::Fine)
        .pack(&bench.store)
        .unwrap();
    let artifact = bench.store.publish(&shop(), &v(version), &packed.digest).unwrap();
    let layers = bench.store.artifact(&artifact).unwrap().layers();
    assert!(layers.len() > 2 * SAMPLE, "{}", layers.len());
    // And the configuration, which is empty.
    (artifact, layers.len() + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_where_nothing_is_blobs_are_sent_unasked() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let (door, port) = Door::before(&registry);
    let remote = remote(port, Credentials::Anonymous);
    let (first, blobs) = published(&bench, "1.0.0", "one", 0);

    // It breaks off when all blobs are there. What is there is found the next time.
    door.is_shut.store(true, Ordering::SeqCst);
    remote.push(&bench.store, &first).await.unwrap_err();
    assert_eq!(door.asked(), SAMPLE);
    door.is_shut.store(false, Ordering::SeqCst);
    let again = remote.push(&bench.store, &first).await.unwrap();
    assert_eq!((again.moved.blobs, again.moved.present), (0, blobs));
    assert_eq!(door.asked(), blobs);

    // Of the next version only what is new travels.
    let (second, blobs) = published(&bench, "1.1.0", "two", 0);
    let pushed = remote.push(&bench.store, &second).await.unwrap();
    assert_eq!((pushed.moved.blobs, pushed.moved.present), (2, blobs - 2));
    assert_eq!(door.asked(), blobs);

    // One that has nothing in common with them but the configuration, which is none of the first: where there are tags,
    // it is asked all the same.
    let (third, blobs) = published(&bench, "2.0.0", "three", 0x55);
    let layers = bench.store.artifact(&third).unwrap().layers();
    let none = Digest::of("{}");
    let before = layers.iter().filter(|layer| layer.digest < none).count();
    assert!(before >= SAMPLE, "choose another salt: {before}");
    let pushed = remote.push(&bench.store, &third).await.unwrap();
    assert_eq!((pushed.moved.blobs, pushed.moved.present), (blobs - 1, 1));
    assert_eq!(door.asked(), blobs);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lists_no_tags_may_have_some() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let (door, port) = Door::before(&registry);
    let remote = remote(port, Credentials::Anonymous);
    let (first, _) = published(&bench, "1.0.0", "one", 0);
    remote.push(&bench.store, &first).await.unwrap();
    let (other, blobs) = published(&bench, "2.0.0", "three", 0x55);
    door.is_simple.store(true, Ordering::SeqCst);
    door.asked();
    let pushed = remote.push(&bench.store, &other).await.unwrap();
    assert_eq!((pushed.moved.blobs, pushed.moved.present), (blobs - 1, 1));
    assert_eq!(door.asked(), blobs);
}
