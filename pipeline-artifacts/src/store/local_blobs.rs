use std::fs::File;
use std::io::{self, Read};

use async_trait::async_trait;
use pipeline_core::digest::DigestBuilder;
use pipeline_core::{Digest, StoreError};

use super::disk::failed;
use super::{BlobId, BlobSource, BlobStore, BlobWriter, LocalStore, MAX_PIECE, Recheck, blocking};
use crate::crew::in_parallel;
use crate::form::Manifest;

#[async_trait]
impl BlobStore for LocalStore {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let (store, digest) = (self.clone(), *digest);
        blocking(move || store.blob_size(&digest)).await?
    }

    async fn missing(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        let (store, wanted) = (self.clone(), wanted.to_vec());
        blocking(move || store.missing_blobs(&wanted)).await?
    }

    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        let (store, digest) = (self.clone(), *digest);
        let (file, size) = blocking({
            let store = store.clone();
            move || store.open_blob(&digest)
        })
        .await??;
        Ok(Box::new(FileSource {
            store,
            digest,
            left: size,
            reading: Some((file, DigestBuilder::new())),
        }))
    }

    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        let store = self.clone();
        let mut writer = blocking(move || {
            let lease = store.lease()?;
            Ok::<_, StoreError>(BlobWriter::new(&store, &lease, Vec::new()))
        })
        .await??;
        let mut size = 0_u64;
        while let Some(piece) = bytes.next().await? {
            size += piece.len() as u64;
            if size > blob.size {
                return Err(wrong(blob, "it has more bytes"));
            }
            writer = blocking(move || writer.write_all(&piece).map(|()| writer)).await??;
        }
        let (unplaced, _) = blocking(move || writer.finish()).await??;
        if unplaced.blob() != *blob {
            return Err(wrong(blob, "its bytes have another digest or are fewer"));
        }
        let store = self.clone();
        blocking(move || store.place(unplaced)).await??;
        Ok(())
    }

    async fn accepts(&self, manifest: &[u8]) -> Result<(), StoreError> {
        // What is attached to others is no artifact, and small.
        let Ok(manifest) = Manifest::parse_artifact(manifest) else {
            return Ok(());
        };
        let store = self.clone();
        blocking(move || store.check_manifest(&manifest)).await?
    }

    async fn note_attached(&self, manifest: &[u8]) -> Result<(), StoreError> {
        let (store, bytes) = (self.clone(), manifest.to_vec());
        blocking(move || store.attach_to_subject(&bytes)).await?
    }

    async fn flush(&self, _: &[BlobId]) -> Result<(), StoreError> {
        let store = self.clone();
        blocking(move || store.flush_blobs()).await?
    }

    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        let (store, after) = (self.clone(), after.copied());
        let all = blocking(move || store.list_blobs()).await??;
        let from = all.partition_point(|blob| after.is_some_and(|after| blob.digest <= after));
        Ok(all.into_iter().skip(from).take(most).collect())
    }

    async fn trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError> {
        let (store, digest) = (self.clone(), *digest);
        blocking(move || store.to_trash(&digest, epoch)).await?
    }
}

impl LocalStore {
    /// Which of these are not there; one of another size, or damaged as far as the [policy](Recheck) asks, is not there. For
    /// those that are, it is noted that they are needed now. The blocking twin of [`BlobStore::missing`].
    ///
    /// # Errors
    ///
    /// When the system does not let us look.
    pub fn missing_blobs(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        let there = in_parallel(wanted, |blob| self.is_there(blob));
        let mut missing = Vec::new();
        for (blob, there) in wanted.iter().zip(there) {
            if !there? {
                missing.push(*blob);
            }
        }
        Ok(missing)
    }

    fn is_there(&self, blob: &BlobId) -> Result<bool, StoreError> {
        let file = match self.open_blob(&blob.digest) {
            Ok((file, size)) if size == blob.size => file,
            Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let whole = match self.recheck() {
            Recheck::Size => true,
            Recheck::Hash => Digest::of_reader(file).is_ok_and(|(found, _)| found == blob.digest),
        };
        if whole {
            // One in the trash is brought back by who refers to it; in a store that is only read there is no collector.
            let _ = self.renew(blob);
        }
        Ok(whole)
    }
}

fn wrong(blob: &BlobId, how: &str) -> StoreError {
    StoreError::Damaged {
        what: format!("blob {} as it was sent", blob.digest),
        reason: format!("{how} than its digest and its {} bytes", blob.size),
    }
}

/// The file of a blob, read in pieces and hashed on the way.
#[derive(Debug)]
struct FileSource {
    store: LocalStore,
    digest: Digest,
    left: u64,
    /// `None` after the end.
    reading: Option<(File, DigestBuilder)>,
}

impl FileSource {
    /// One piece; an empty one at the end, which is verified.
    fn read(&self, file: &mut File, hasher: &mut DigestBuilder) -> Result<Vec<u8>, StoreError> {
        let most = MAX_PIECE.min(usize::try_from(self.left).unwrap_or(MAX_PIECE));
        let mut piece = vec![0; most];
        let mut filled = 0;
        while filled < most {
            match file.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("cannot read", &self.store.blob_path(&self.digest))(error)),
            }
        }
        piece.truncate(filled);
        hasher.update(&piece);
        Ok(piece)
    }
}

#[async_trait]
impl BlobSource for FileSource {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((mut file, mut hasher)) = self.reading.take() else {
            return Ok(None);
        };
        let this = Self {
            store: self.store.clone(),
            reading: None,
            ..*self
        };
        let (piece, file, hasher) = blocking(move || {
            let piece = this.read(&mut file, &mut hasher)?;
            Ok::<_, StoreError>((piece, file, hasher))
        })
        .await??;
        if piece.is_empty() {
            return match hasher.finish() {
                found if found == self.digest => Ok(None),
                found => {
                    let reason = format!("its bytes have digest {found}");
                    Err(self.store.damaged(&self.digest, reason))
                }
            };
        }
        self.left -= piece.len() as u64;
        self.reading = Some((file, hasher));
        Ok(Some(piece))
    }
}
