use std::collections::BTreeMap;

use pipeline_core::{ArtifactRef, Digest};
use serde_json::{Value, json};

use super::push::read;
use super::referrers::{Listed, list_tag};
use super::transfer::blobs;
use super::{OciError, Remote, SkippedAttachment, Transferred};
use crate::LocalStore;
use crate::attach::check_attachment;
use crate::form::{Manifest, media};
use crate::limits;
use crate::store::blocking;

/// What became of what a registry says to be attached.
pub(super) struct Attachments {
    pub(super) taken: Vec<Digest>,
    pub(super) skipped: Vec<SkippedAttachment>,
    /// Whether there is more than is read.
    pub(super) is_cut: bool,
}

/// What travels with an artifact. Registries that do not list what is attached to a manifest have the list under a tag of
/// its digest (distribution specification 1.1, "Referrers Tag Schema").
impl Remote {
    pub(super) async fn push_attachments(
        &self,
        store: &LocalStore,
        artifact: &ArtifactRef,
        moved: &mut Transferred,
    ) -> Result<usize, OciError> {
        let (of, subject) = (store.clone(), artifact.digest);
        let own = blocking(move || of.attached_to(&subject)).await??;
        if own.is_empty() {
            return Ok(0);
        }
        let listed = self.listed(&artifact.digest).await?.digests;
        let mut unlisted = BTreeMap::new();
        for digest in &own {
            let bytes = read(store, *digest).await?;
            let manifest = check_attachment(&bytes, &artifact.digest)
                .map_err(|reason| OciError::refused(format!("attachment {digest}"), reason))?;
            self.push_blobs(store, blobs(&manifest), moved).await?;
            if !listed.contains(&digest.to_string()) {
                let size = bytes.len();
                self.push_manifest(&digest.to_string(), bytes, media::MANIFEST)
                    .await?;
                unlisted.insert(*digest, entry(digest, size, &manifest));
            }
        }
        if !unlisted.is_empty() {
            let listed = self.listed(&artifact.digest).await?.digests;
            unlisted.retain(|digest, _| !listed.contains(&digest.to_string()));
        }
        if !unlisted.is_empty() {
            self.list_by_tag(&artifact.digest, unlisted).await?;
        }
        Ok(own.len())
    }

    /// Adds to the list under the tag of a digest. Two who add at the same moment lose one of both lists; the next push
    /// mends that.
    async fn list_by_tag(&self, subject: &Digest, new: BTreeMap<Digest, Value>) -> Result<(), OciError> {
        let tag = list_tag(subject);
        let refused = |reason: &str| OciError::refused(format!("{}:{tag}", self.name()), reason);
        let mut index = match self.manifest(&tag).await? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| refused(&error.to_string()))?,
            None => json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [] }),
        };
        let Some(Value::Array(entries)) = index.get_mut("manifests") else {
            return Err(refused("it is no list of what is attached"));
        };
        let known = |entry: &Value, digest: &Digest| entry["digest"] == digest.to_string();
        for (digest, entry) in new {
            if !entries.iter().any(|entry| known(entry, &digest)) {
                entries.push(entry);
            }
        }
        self.push_manifest(&tag, index.to_string().into_bytes(), media::INDEX)
            .await
    }

    pub(super) async fn pull_attachments(
        &self,
        store: &LocalStore,
        artifact: &ArtifactRef,
        moved: &mut Transferred,
    ) -> Result<Attachments, OciError> {
        let (mut taken, mut skipped) = (Vec::new(), Vec::new());
        let mut room = limits::MAX_PULLED_BYTES;
        let Listed { digests, is_cut } = self.listed(&artifact.digest).await?;
        for (number, digest) in digests.into_iter().enumerate() {
            let pulled = match number < limits::MAX_PULLED_ATTACHMENTS {
                true => {
                    self.pull_attachment(store, &artifact.digest, &digest, &mut room, moved)
                        .await
                }
                false => Err(OciError::refused("it", "there are too many of them")),
            };
            match pulled {
                Ok(attachment) => taken.push(attachment),
                // What a stranger attached does not keep us from the artifact.
                Err(error @ (OciError::Refused { .. } | OciError::NotFound { .. })) => {
                    let reason = match error {
                        OciError::Refused { reason, .. } => reason,
                        error => error.to_string(),
                    };
                    skipped.push(SkippedAttachment { digest, reason });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Attachments {
            taken,
            skipped,
            is_cut,
        })
    }

    async fn pull_attachment(
        &self,
        store: &LocalStore,
        subject: &Digest,
        digest: &str,
        room: &mut u64,
        moved: &mut Transferred,
    ) -> Result<Digest, OciError> {
        let refused = |reason: String| OciError::refused(format!("attachment {digest}"), reason);
        let own: Digest = digest
            .parse()
            .map_err(|_| refused("its digest is no SHA-256".to_owned()))?;
        let bytes = self.manifest(digest).await?;
        let bytes = bytes.ok_or_else(|| refused("it is listed, but not there".to_owned()))?;
        let manifest = check_attachment(&bytes, subject).map_err(refused)?;
        let blobs = blobs(&manifest);
        let size = blobs.iter().map(|blob| blob.size).fold(0, u64::saturating_add);
        let Some(left) = room.checked_sub(size) else {
            let most = limits::MAX_PULLED_BYTES;
            return Err(refused(format!("all together are larger than {most} bytes")));
        };
        *room = left;
        self.pull_blobs(store, blobs, moved).await?;
        let (store, subject) = (store.clone(), *subject);
        blocking(move || store.attach_manifest(&subject, &bytes)).await??;
        Ok(own)
    }
}

/// An attachment in a list.
fn entry(digest: &Digest, size: usize, manifest: &Manifest) -> Value {
    let mut entry = json!({
        "mediaType": media::MANIFEST,
        "digest": digest,
        "size": size,
        "artifactType": crate::attach::artifact_type(manifest),
    });
    if !manifest.annotations.is_empty() {
        entry["annotations"] = json!(manifest.annotations);
    }
    entry
}
