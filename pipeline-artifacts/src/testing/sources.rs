use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use pipeline_core::StoreError;

use super::calls::{left_by, whole};
use super::limit::in_time;
use crate::{BlobId, BlobSource, BlobStore, MAX_PIECE};

/// What a failing source of the suite says.
pub(super) const FAILS: &str = "the other half of what the suite sends";

/// Waits once: an await point.
pub(super) async fn pause() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Bytes in pieces of some size, with an await point before each.
#[derive(Debug)]
pub(super) struct Pieces {
    left: Vec<u8>,
    size: usize,
    fails: bool,
}

impl Pieces {
    pub(super) fn of(bytes: &[u8], size: usize) -> Self {
        Self {
            left: bytes.to_vec(),
            size: size.clamp(1, MAX_PIECE),
            fails: false,
        }
    }

    /// An error instead of the end.
    pub(super) fn failing(self) -> Self {
        Self { fails: true, ..self }
    }
}

#[async_trait]
impl BlobSource for Pieces {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        pause().await;
        let rest = self.left.split_off(self.size.min(self.left.len()));
        let piece = std::mem::replace(&mut self.left, rest);
        match piece.is_empty() {
            true if self.fails => Err(StoreError::NotFound {
                what: FAILS.to_owned(),
            }),
            empty => Ok((!empty).then_some(piece)),
        }
    }
}

/// The same piece again and again, far longer than anybody should read; counts how often it was taken.
#[derive(Debug)]
pub(super) struct TooMany {
    piece: Vec<u8>,
    pub(super) taken: usize,
}

impl TooMany {
    /// How often it gives its piece.
    pub(super) const PIECES: usize = 64;

    pub(super) fn of(piece: Vec<u8>) -> Self {
        Self { piece, taken: 0 }
    }
}

#[async_trait]
impl BlobSource for TooMany {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        pause().await;
        if self.taken == Self::PIECES {
            return Ok(None);
        }
        self.taken += 1;
        Ok(Some(self.piece.clone()))
    }
}

/// Looks at the store whenever the store asks for a piece of what it stores.
#[derive(Debug)]
pub(super) struct Watching {
    store: Arc<dyn BlobStore>,
    blob: BlobId,
    bytes: Vec<u8>,
    pieces: Pieces,
    /// Whether the blob was there before.
    stays: bool,
    pub(super) found: Result<(), String>,
}

impl Watching {
    pub(super) fn new(store: &Arc<dyn BlobStore>, bytes: &[u8], stays: bool) -> Self {
        Self {
            store: Arc::clone(store),
            blob: BlobId::of(bytes),
            bytes: bytes.to_vec(),
            pieces: Pieces::of(bytes, bytes.len() / 3 + 1),
            stays,
            found: Ok(()),
        }
    }
}

#[async_trait]
impl BlobSource for Watching {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.found.is_ok() {
            let look = async {
                match self.stays {
                    true => whole(&*self.store, &self.bytes).await,
                    false => left_by(&*self.store, &self.blob, &self.bytes).await.map(drop),
                }
            };
            self.found = in_time(look).await.and_then(|found| found);
        }
        self.pieces.next().await
    }
}
