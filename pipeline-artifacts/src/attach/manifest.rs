use std::collections::BTreeMap;

use pipeline_core::{CanonicalError, Digest, canonical_json};
use serde::{Deserialize, Serialize};

use super::annotation::is_media_type;
use crate::form::{EMPTY_CONFIG, EMPTY_TYPE, MANIFEST_TYPE};
use crate::limits;

/// An OCI image manifest that is attached to another one: the guidelines of the image specification 1.1 for artifacts.
///
/// Others write them with fields that we do not, so reading is not strict; the bytes are kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachmentManifest {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Part,
    layers: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    schema_version: u32,
    subject: Option<Part>,
}

/// Points to a blob. Where else it could be had is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Part {
    pub(super) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
        }
    }
}

impl AttachmentManifest {
    pub(super) fn new(
        subject: (Digest, u64),
        artifact_type: &str,
        part: Part,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            annotations,
            artifact_type: Some(artifact_type.to_owned()),
            config: Part::new(EMPTY_TYPE, Digest::of(EMPTY_CONFIG), EMPTY_CONFIG.len() as u64),
            layers: vec![part],
            media_type: Some(MANIFEST_TYPE.to_owned()),
            schema_version: 2,
            subject: Some(Part::new(MANIFEST_TYPE, subject.0, subject.1)),
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }

    /// Reads the manifest of an attachment of some artifact.
    pub(crate) fn parse(bytes: &[u8], subject: &Digest) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let kind = manifest.media_type.as_deref().unwrap_or(MANIFEST_TYPE);
        if manifest.schema_version != 2 || kind != MANIFEST_TYPE {
            return Err(format!("it is not of type {MANIFEST_TYPE}"));
        }
        match &manifest.subject {
            Some(found) if found.digest == *subject => {}
            Some(found) => return Err(format!("it is attached to {}", found.digest)),
            None => return Err("it is attached to nothing".to_owned()),
        }
        if !is_media_type(manifest.artifact_type()) {
            return Err("its type is no media type".to_owned());
        }
        if manifest.layers.is_empty() || manifest.layers.len() > limits::MAX_ATTACHMENT_PARTS {
            let found = manifest.layers.len();
            return Err(format!(
                "it has {found} parts; expected 1 to {}",
                limits::MAX_ATTACHMENT_PARTS
            ));
        }
        let size = manifest
            .blobs()
            .try_fold(0_u64, |sum, part| sum.checked_add(part.size));
        if size.is_none_or(|size| size > limits::MAX_ATTACHMENT) {
            return Err(format!("it is larger than {} bytes", limits::MAX_ATTACHMENT));
        }
        Ok(manifest)
    }

    /// What kind of thing is attached. Manifests from before the specification said where have it in the configuration.
    pub(super) fn artifact_type(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }

    /// The parts that hold what is attached.
    pub(super) fn parts(&self) -> &[Part] {
        &self.layers
    }

    /// Every blob that the attachment needs besides its manifest.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}
