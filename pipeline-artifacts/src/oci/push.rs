use oci_client::RegistryOperation;
use pipeline_core::{ArtifactRef, Digest, StoreError};

use super::remote::tag;
use super::transfer::blobs;
use super::{OciError, PushReport, Remote, Transferred};
use crate::LocalStore;
use crate::form::Manifest;
use crate::limits;
use crate::store::blocking;

impl Remote {
    /// Pushes an artifact, and all that is attached to it, under the tag of its version. What is there is not moved again.
    /// The manifest goes last: nobody sees a part.
    ///
    /// The tag is never moved to another artifact. It is looked at before anything is moved, and again just before it is
    /// written. A registry has no way to ask for that in one step, so two who push different artifacts under one version at
    /// the same moment must be kept apart elsewhere.
    ///
    /// # Errors
    ///
    /// [`OciError::Taken`] when another artifact stands under the tag; when the registry says no or cannot be reached, or
    /// the artifact or an attachment is missing or damaged here.
    pub async fn push(&self, store: &LocalStore, artifact: &ArtifactRef) -> Result<PushReport, OciError> {
        let bytes = read(store, artifact.digest).await?;
        let manifest = Manifest::parse_artifact(&bytes).map_err(|reason| StoreError::Damaged {
            what: artifact.to_string(),
            reason,
        })?;
        self.log_in(RegistryOperation::Push).await?;
        let tag = tag(&artifact.version);
        let place = format!("{}:{tag}", self.name());
        let not_taken = |published: Digest| match published == artifact.digest {
            true => Ok(()),
            false => Err(OciError::Taken {
                place: place.clone(),
                published,
                offered: Box::new(artifact.clone()),
            }),
        };
        let published = self.manifest(&tag).await?.map(Digest::of);
        published.map_or(Ok(()), not_taken)?;
        let mut moved = Transferred::default();
        self.push_blobs(store, blobs(&manifest), &mut moved).await?;
        if published.is_none() {
            // Blobs take their time: somebody may have been faster.
            let published = self.push_version(&tag, bytes).await?;
            not_taken(published)?;
        }
        let attachments = self.push_attachments(store, artifact, &mut moved).await?;
        Ok(PushReport {
            artifact: artifact.clone(),
            place,
            moved,
            attachments,
        })
    }
}

/// The bytes of a manifest.
pub(super) async fn read(store: &LocalStore, digest: Digest) -> Result<Vec<u8>, StoreError> {
    let store = store.clone();
    blocking(move || store.read_blob_up_to(&digest, limits::MAX_MANIFEST)).await?
}
