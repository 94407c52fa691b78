use bytes::Bytes;
use pipeline_core::Digest;

use super::failure::Failure;
use super::request::{Request, body};
use super::{OciError, Remote};
use crate::form::media;
use crate::limits;

/// The types of what may be a manifest.
pub(super) const TYPES: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Manifests: small, and held whole. What the registry calls the type of one is not believed.
impl Remote {
    /// The manifest of a tag or digest, if there is one, as it is.
    pub(super) async fn manifest(&self, which: &str) -> Result<Option<Vec<u8>>, OciError> {
        let doing = format!("pull {}:{which}", self.name());
        self.persist(&doing, || self.manifest_once(which)).await
    }

    async fn manifest_once(&self, which: &str) -> Result<Option<Vec<u8>>, Failure> {
        let url = self.address(&format!("manifests/{which}"))?;
        let Some(answer) = self.ask(&Request::get(url, TYPES)).await? else {
            return Ok(None);
        };
        let refused = |reason: &str| OciError::refused(format!("{}:{which}", self.name()), reason);
        let Some(bytes) = body(answer, limits::MAX_MANIFEST).await? else {
            let most = limits::MAX_MANIFEST;
            return Err(refused(&format!("its manifest is larger than {most} bytes")).into());
        };
        if let Ok(digest) = which.parse::<Digest>()
            && Digest::of(&bytes) != digest
        {
            return Err(refused("the registry gave another manifest").into());
        }
        Ok(Some(bytes))
    }

    /// Puts what is named by its own digest, or a list that is written over.
    pub(super) async fn push_manifest(
        &self,
        which: &str,
        bytes: Vec<u8>,
        kind: &'static str,
    ) -> Result<(), OciError> {
        let (doing, bytes) = (self.pushing(which), Bytes::from(bytes));
        self.persist(&doing, || self.put_manifest(which, bytes.clone(), kind))
            .await
    }

    /// Puts a manifest under a tag that stands for no other; tells which it stands for then. It is looked at just before,
    /// every time.
    pub(super) async fn push_version(&self, tag: &str, bytes: Vec<u8>) -> Result<Digest, OciError> {
        let (doing, own, bytes) = (self.pushing(tag), Digest::of(&bytes), Bytes::from(bytes));
        self.persist(&doing, || async {
            if let Some(found) = self.manifest_once(tag).await? {
                return Ok(Digest::of(found));
            }
            self.put_manifest(tag, bytes.clone(), media::MANIFEST).await?;
            Ok(own)
        })
        .await
    }

    fn pushing(&self, which: &str) -> String {
        format!("push the manifest of {}:{which}", self.name())
    }
}
