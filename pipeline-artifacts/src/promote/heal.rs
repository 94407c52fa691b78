use pipeline_core::{Digest, StoreError};

use crate::{BlobId, BlobStore, LocalStore, Problem, ProblemKind, StoreReport};

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
    /// byte is checked before it takes its place.
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
        for digest in report.problems.iter().filter_map(bad_blob) {
            let found = match from.size(&digest).await {
                Ok(Some(size)) => Ok(BlobId { digest, size }),
                Ok(None) => Err("the other store does not have it".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            let blob = match found {
                Ok(blob) => blob,
                Err(why) => {
                    done.left.push((digest, why));
                    continue;
                }
            };
            let sent = match from.get(&digest).await {
                Ok(mut source) => BlobStore::put(self, &blob, &mut *source).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(()) => done.healed.push(blob),
                Err(error @ (StoreError::NotFound { .. } | StoreError::Damaged { .. })) => {
                    done.left.push((digest, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        BlobStore::flush(self, &done.healed).await?;
        Ok(done)
    }
}

/// The blob that a problem is about.
fn bad_blob(problem: &Problem) -> Option<Digest> {
    if !matches!(
        problem.kind,
        ProblemKind::Damaged | ProblemKind::Missing | ProblemKind::Unreadable
    ) {
        return None;
    }
    let hex = problem.path.strip_prefix("blobs/sha256").ok()?.to_str()?;
    format!("sha256:{hex}").parse().ok()
}
