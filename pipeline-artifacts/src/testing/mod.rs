//! A conformance suite: it checks a [`BlobStore`](crate::BlobStore) of your own against the contract of the trait, and reports
//! each promise with how it stands with it.
//!
//! A test says how to make a fresh store, and what else the suite may do with it; [`blob_store()`] does the rest.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use async_trait::async_trait;
//! use pipeline_artifacts::testing::{BlobWorld, blob_store};
//! use pipeline_artifacts::{BlobId, BlobSource, BlobStore, BytesSource};
//! use pipeline_core::{Digest, StoreError};
//!
//! #[derive(Debug, Default)]
//! struct Drawer(Mutex<BTreeMap<Digest, Vec<u8>>>);
//!
//! #[async_trait]
//! impl BlobStore for Drawer {
//!     async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
//!         let mut all = Vec::new();
//!         while let Some(piece) = bytes.next().await? {
//!             all.extend(piece);
//!         }
//!         self.0.lock().unwrap().insert(blob.digest, all); // are these the right bytes?
//!         Ok(())
//!     }
//!
//!     async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
//!         let bytes = self.0.lock().unwrap().get(digest).cloned();
//!         let bytes = bytes.ok_or_else(|| StoreError::NotFound { what: format!("blob {digest}") })?;
//!         Ok(Box::new(BytesSource::new(bytes)))
//!     }
//!     // ...
//! #   async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
//! #       Ok(self.0.lock().unwrap().get(digest).map(|bytes| bytes.len() as u64))
//! #   }
//! #   async fn flush(&self, _: &[BlobId]) -> Result<(), StoreError> {
//! #       Ok(())
//! #   }
//! #   async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
//! #       let blobs = self.0.lock().unwrap();
//! #       let blobs = blobs.iter().filter(|(digest, _)| after.is_none_or(|after| *digest > after));
//! #       let blobs = blobs.map(|(digest, bytes)| BlobId { digest: *digest, size: bytes.len() as u64 });
//! #       Ok(blobs.take(most).collect())
//! #   }
//! #   async fn trash(&self, digest: &Digest, _: u64) -> Result<bool, StoreError> {
//! #       Ok(self.0.lock().unwrap().remove(digest).is_some())
//! #   }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let report = blob_store(|| async { BlobWorld::new(Drawer::default()) }).await;
//! assert!(report.kept().contains(&"returns-the-same"));
//! assert!(report.broken().contains(&"refuses-other-bytes")); // they are not
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! In a test of a store, [`Report::assert_kept`] panics with the whole table when a promise is broken. What the suite was not
//! given the means to try is *not tried*, and no failure: a test that wants to be sure compares [`Report::not_tried_names`].
//!
//! | to try | bring |
//! |---|---|
//! | `verifies-reads`, `heals` | [`BlobWorld::damage`] |
//! | `flushed-stays` | [`BlobWorld::reopen`] |
//! | `full-loses-nothing` | [`BlobWorld::small`] |
//! | a store that is only read | [`BlobWorld::read_only`] |
//!
//! # What it does not show
//!
//! A suite cannot cut the power: that what was flushed outlives it is for a test of the store that can. A call that is
//! dropped while other threads or services go on with its work is met as it happens to be. How much memory a store takes
//! for a large blob is not looked at.

mod at_once;
mod calls;
mod dropped;
mod holding;
mod limit;
mod promises;
mod reading;
mod room;
mod sources;
mod storing;
mod suite;
mod world;

pub use pipeline_core::testing::conformance::{Promise, Report, Standing};
pub use suite::blob_store;
pub use world::BlobWorld;
