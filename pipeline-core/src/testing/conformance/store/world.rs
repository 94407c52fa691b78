use std::any::Any;
use std::fmt::{self, Debug};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::{ArtifactRef, ArtifactStore, Digest, StoreError};

pub(super) type Damage = Arc<dyn Fn(Digest) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(super) type Publish = Arc<
    dyn Fn(ArtifactRef) -> Pin<Box<dyn Future<Output = Result<ArtifactRef, StoreError>> + Send>>
        + Send
        + Sync,
>;

/// A store for one check, and what the check may use.
///
/// A blob is put through the trait. An artifact gets into a store in the store's own way, so a world brings one.
pub struct StoreWorld {
    pub(super) store: Arc<dyn ArtifactStore>,
    pub(super) artifact: Option<ArtifactRef>,
    pub(super) damage: Option<Damage>,
    pub(super) publish: Option<(Digest, Publish)>,
    pub(super) scratch: Option<PathBuf>,
    _keep: Vec<Box<dyn Any>>,
}

impl StoreWorld {
    /// A world with a store.
    pub fn new(store: impl ArtifactStore) -> Self {
        Self {
            store: Arc::new(store),
            artifact: None,
            damage: None,
            publish: None,
            scratch: None,
            _keep: Vec::new(),
        }
    }

    /// An artifact of the store, published under its name and version, with at least one file.
    #[must_use]
    pub fn artifact(mut self, artifact: ArtifactRef) -> Self {
        self.artifact = Some(artifact);
        self
    }

    /// How the bytes behind a digest are spoilt, behind the store's back: the digest of a blob, or that of a file of
    /// the artifact.
    #[must_use]
    pub fn damage<F, Fut>(mut self, damage: F) -> Self
    where
        F: Fn(Digest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.damage = Some(Arc::new(move |digest| Box::pin(damage(digest))));
        self
    }

    /// How a name and a version are given to what is in the store, which is the store's own way, too; and the digest
    /// of another artifact in it, whose content differs from that of the first.
    #[must_use]
    pub fn publish<F, Fut>(mut self, other: Digest, publish: F) -> Self
    where
        F: Fn(ArtifactRef) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ArtifactRef, StoreError>> + Send + 'static,
    {
        self.publish = Some((other, Arc::new(move |artifact| Box::pin(publish(artifact)))));
        self
    }

    /// An empty directory to write the artifact to, outside the store.
    #[must_use]
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = Some(directory.into());
        self
    }

    /// Keeps something as long as the world lasts, such as a temporary directory.
    #[must_use]
    pub fn keep(mut self, value: impl Any) -> Self {
        self._keep.push(Box::new(value));
        self
    }
}

impl Debug for StoreWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreWorld")
            .field("store", &self.store)
            .field("artifact", &self.artifact)
            .field("damage", &self.damage.is_some())
            .field("publish", &self.publish.is_some())
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}
