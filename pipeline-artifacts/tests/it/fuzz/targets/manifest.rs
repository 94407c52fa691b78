//! Manifests of strangers, beside the blobs that a good one names.

use std::fs;
use std::sync::OnceLock;

use pipeline_artifacts::LocalStore;
use pipeline_core::{StoreError, canonical_json};
use tempfile::TempDir;

use super::support::{Input, content, edit, forge, good, reference, scratch};

/// The first byte chooses: raw, or edits of a good one.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let bytes = if input.byte() % 2 == 0 {
        input.0.to_vec()
    } else {
        let mut bytes = canonical_json(&good().manifest).expect("JSON");
        edit(&mut bytes, &mut input);
        bytes
    };
    let store = store();
    let digest = store.add_blob(&bytes).expect("stored");
    match store.artifact(&reference(digest)) {
        Ok(opened) => {
            let dir = scratch();
            let out = dir.path().join("out");
            if opened.write_to(&out).is_ok() {
                assert_eq!(
                    content(&out),
                    good().content,
                    "other content under an edited manifest"
                );
            }
            assert_eq!(opened.reference().digest, digest);
        }
        Err(StoreError::Damaged { .. } | StoreError::NotFound { .. } | StoreError::Refused { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    // Only whole artifacts are listed: whatever is published opens.
    let version = semver::Version::new(1, 0, 0);
    if store.publish(&super::support::shop(), &version, &digest).is_ok() {
        store
            .artifact(&reference(digest))
            .expect("what is published opens");
    }
    if digest != reference_of_good(store) {
        let hex = digest.hex();
        let _ = fs::remove_file(store.root().join("blobs/sha256").join(&*hex));
        let _ = fs::remove_dir_all(store.root().join("catalog/shop"));
    }
}

fn reference_of_good(store: &LocalStore) -> pipeline_core::Digest {
    static DIGEST: OnceLock<pipeline_core::Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        let toc = canonical_json(&good().toc).expect("JSON");
        forge(store, &toc, &good().layers).digest
    })
}

/// One store with the good blobs, for all inputs.
fn store() -> &'static LocalStore {
    static STORE: OnceLock<(LocalStore, TempDir)> = OnceLock::new();
    let (store, _) = STORE.get_or_init(|| {
        let dir = scratch();
        let store = LocalStore::open(dir.path()).expect("a store");
        reference_of_good(&store);
        (store, dir)
    });
    store
}
