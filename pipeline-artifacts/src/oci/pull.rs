use oci_client::RegistryOperation;
use pipeline_core::{ArtifactName, Digest};
use semver::Version;

use super::remote::tag;
use super::transfer::blobs;
use super::{OciError, PullReport, Remote, Transferred};
use crate::LocalStore;
use crate::form::Manifest;
use crate::store::blocking;

impl Remote {
    /// Pulls an artifact, and all that is attached to it, into a store, and publishes it there under a name and the
    /// version. What is there is not moved again. With a digest, that artifact and no other is taken, wherever the tag
    /// points.
    ///
    /// # Errors
    ///
    /// [`OciError::NotFound`] when there is no such version; [`OciError::Refused`] when it is no artifact of ours or not the
    /// one with the digest; when the store has another artifact under the name and version.
    pub async fn pull(
        &self,
        store: &LocalStore,
        name: &ArtifactName,
        version: &Version,
        digest: Option<&Digest>,
    ) -> Result<PullReport, OciError> {
        self.log_in(RegistryOperation::Pull).await?;
        let tag = tag(version);
        let place = format!("{}:{tag}", self.name());
        let which = digest.map_or(tag, ToString::to_string);
        let bytes = self.manifest(&which).await?.ok_or_else(|| OciError::NotFound {
            what: format!("{}:{which}", self.name()),
        })?;
        let manifest = Manifest::parse_artifact(&bytes).map_err(|reason| {
            OciError::refused(
                format!("{}:{which}", self.name()),
                format!("it is no artifact: {reason}"),
            )
        })?;
        let of = store.clone();
        // What is put in between is not collected before the record keeps it.
        let _lease = blocking(move || of.lease()).await??;
        let mut moved = Transferred::default();
        self.pull_blobs(store, blobs(&manifest), &mut moved).await?;
        let (of, name, version) = (store.clone(), name.clone(), version.clone());
        let artifact = blocking(move || {
            let digest = of.add_blob(&bytes)?;
            of.publish(&name, &version, &digest)
        });
        let artifact = artifact.await??;
        let (attachments, skipped) = self.pull_attachments(store, &artifact, &mut moved).await?;
        Ok(PullReport {
            artifact,
            place,
            moved,
            attachments,
            skipped,
        })
    }
}
