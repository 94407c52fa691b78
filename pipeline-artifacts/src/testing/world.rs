use std::any::Any;
use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use pipeline_core::Digest;

use crate::BlobStore;

type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(super) type Damage = Box<dyn Fn(Digest) -> Soon<()> + Send + Sync>;

pub(super) type Reopen = Box<dyn Fn() -> Soon<Arc<dyn BlobStore>> + Send + Sync>;

/// A store for one check, and what the check may do with it.
pub struct BlobWorld {
    pub(super) store: Arc<dyn BlobStore>,
    pub(super) damage: Option<Damage>,
    pub(super) reopen: Option<Reopen>,
    pub(super) small: Option<(Arc<dyn BlobStore>, u64)>,
    pub(super) held: Option<Vec<Vec<u8>>>,
    _keep: Vec<Box<dyn Any>>,
}

impl BlobWorld {
    /// A world with a store that is empty.
    pub fn new(store: impl BlobStore) -> Self {
        Self {
            store: Arc::new(store),
            damage: None,
            reopen: None,
            small: None,
            held: None,
            _keep: Vec::new(),
        }
    }

    /// How the bytes of a blob are spoilt behind the store's back, as a failing disk does it: every copy of them. A store
    /// that trusts a blob of the right size is spoilt by bytes of another size.
    #[must_use]
    pub fn damage<F, Fut>(mut self, damage: F) -> Self
    where
        F: Fn(Digest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.damage = Some(Box::new(move |digest| Box::pin(damage(digest))));
        self
    }

    /// How the same store is opened once more, as another process or another computer does.
    #[must_use]
    pub fn reopen<F, Fut, S>(mut self, reopen: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = S> + Send + 'static,
        S: BlobStore,
    {
        self.reopen = Some(Box::new(move || {
            let opened = reopen();
            Box::pin(async move { Arc::new(opened.await) as Arc<dyn BlobStore> })
        }));
        self
    }

    /// Another store of the same kind, empty, that takes a blob of half of `most` bytes, and none of more than `most`, say
    /// on a disk as small as that.
    #[must_use]
    pub fn small(mut self, store: impl BlobStore, most: u64) -> Self {
        self.small = Some((Arc::new(store), most));
        self
    }

    /// Says that the store is only read. It has these blobs, of which there should be some, small ones and one that is
    /// larger than [`MAX_PIECE`](crate::MAX_PIECE), and no others.
    #[must_use]
    pub fn read_only<B: Into<Vec<u8>>>(mut self, blobs: impl IntoIterator<Item = B>) -> Self {
        self.held = Some(blobs.into_iter().map(Into::into).collect());
        self
    }

    /// Keeps something as long as the world lasts, such as a temporary directory.
    #[must_use]
    pub fn keep(mut self, value: impl Any) -> Self {
        self._keep.push(Box::new(value));
        self
    }
}

impl Debug for BlobWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobWorld")
            .field("store", &self.store)
            .field("damage", &self.damage.is_some())
            .field("reopen", &self.reopen.is_some())
            .field("small", &self.small)
            .field("read_only", &self.held.is_some())
            .finish_non_exhaustive()
    }
}
