use std::fs;

use pipeline_core::{ChainDisplay, Digest, StoreError};

use crate::{BlobId, BlobStore, LocalStore, Problem, StoreReport};

/// What healing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Healed {
    /// What is whole again.
    pub healed: Vec<BlobId>,
    /// What the other store does not have, or has damaged itself, and why.
    pub left: Vec<(Digest, String)>,
}

impl LocalStore {
    /// Brings back from another store every blob that a [verification](LocalStore::verify) found damaged or missing. Every
    /// byte is checked before it takes its place; what lay there goes to the [quarantine](LocalStore::quarantine). What only
    /// a manifest names that was missing itself is found by the next verification.
    ///
    /// # Errors
    ///
    /// When this store cannot be written to. What the other one does not have is in the answer.
    ///
    /// ```
    /// use pipeline_artifacts::LocalStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let store = LocalStore::open(dir.path().join("store"))?;
    /// let mirror = LocalStore::open(dir.path().join("mirror"))?;
    /// let healed = store.heal(&store.verify()?, &mirror).await?;
    /// assert!(healed.left.is_empty(), "nothing was wrong");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn heal(&self, report: &StoreReport, from: &dyn BlobStore) -> Result<Healed, StoreError> {
        let _lease = self.lease()?;
        let mut done = Healed::default();
        for digest in report.problems.iter().filter_map(Problem::blob) {
            match self.fetch(&digest, from).await {
                Ok(blob) => done.healed.push(blob),
                Err(Left::Because(why)) => done.left.push((digest, why)),
                Err(Left::Failed(error)) => return Err(error),
            }
        }
        BlobStore::flush(self, &done.healed).await?;
        Ok(done)
    }

    async fn fetch(&self, digest: &Digest, from: &dyn BlobStore) -> Result<BlobId, Left> {
        let because = |error: StoreError| Left::Because(ChainDisplay(&error).to_string());
        let size = from.size(digest).await.map_err(because)?;
        let size = size.ok_or_else(|| Left::Because("the other store does not have it".to_owned()))?;
        let mut source = from.get(digest).await.map_err(because)?;
        let blob = BlobId {
            digest: *digest,
            size,
        };
        // What is replaced stays in the quarantine, where a person can look at it.
        let aside = self.keep_aside(digest).map_err(Left::Failed)?;
        let stored = BlobStore::put(self, &blob, &mut *source).await;
        if stored.is_err() && self.blob_path(digest).is_file() {
            // It was not replaced.
            let _ = aside.map(fs::remove_file);
        }
        match stored {
            Ok(()) => Ok(blob),
            Err(error @ (StoreError::NotFound { .. } | StoreError::Damaged { .. })) => Err(because(error)),
            Err(error) => Err(Left::Failed(error)),
        }
    }
}

/// Why a blob was not healed.
enum Left {
    /// The other store cannot give it.
    Because(String),
    /// This store cannot take it.
    Failed(StoreError),
}
