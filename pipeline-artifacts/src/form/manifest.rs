use std::collections::BTreeMap;

use pipeline_core::{CanonicalError, Digest, canonical_json};
use serde::{Deserialize, Serialize};

use super::media;
use crate::limits;

/// The content of the OCI empty descriptor.
pub(crate) const EMPTY_CONFIG: &[u8] = b"{}";

/// Points to a blob: an OCI content descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The configuration that says nothing.
    pub(crate) fn empty() -> Self {
        Self::new(media::EMPTY, Digest::of(EMPTY_CONFIG), EMPTY_CONFIG.len() as u64)
    }
}

/// An OCI image manifest. Ours are stored as canonical JSON; those of others as they are, so fields that are
/// not listed here are no loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default = "manifest_type")]
    pub(crate) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

fn manifest_type() -> String {
    media::MANIFEST.to_owned()
}

impl Manifest {
    /// The manifest of an artifact: nothing is in it but content, because its digest is the identity.
    pub(crate) fn artifact(toc: Descriptor, tar: impl IntoIterator<Item = Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: manifest_type(),
            artifact_type: Some(media::ARTIFACT.to_owned()),
            config: Descriptor::empty(),
            layers: std::iter::once(toc).chain(tar).collect(),
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The manifest of something that is attached to another manifest.
    #[allow(
        dead_code,
        reason = "for what is attached: provenance, lists of materials, results of tests"
    )]
    pub(crate) fn attachment(
        artifact_type: &str,
        subject: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: manifest_type(),
            artifact_type: Some(artifact_type.to_owned()),
            config: Descriptor::empty(),
            layers,
            subject: Some(subject),
            annotations,
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }

    /// Reads any image manifest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > limits::MAX_MANIFEST {
            return Err(format!("it is larger than {} bytes", limits::MAX_MANIFEST));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if (manifest.schema_version, &*manifest.media_type) != (2, media::MANIFEST) {
            return Err(format!("expected an image manifest of type {}", media::MANIFEST));
        }
        Ok(manifest)
    }

    /// Reads the manifest of an artifact of ours, as [`Manifest::artifact`] makes it, and nothing else: one
    /// content has one spelling, and so one digest.
    pub(crate) fn parse_artifact(bytes: &[u8]) -> Result<Self, String> {
        let manifest = Self::parse(bytes)?;
        let Some((toc, tar)) = manifest.parts() else {
            return Err("expected the table of contents and at least one layer".to_owned());
        };
        if manifest.artifact_type.as_deref() != Some(media::ARTIFACT) || toc.media_type != media::TOC {
            return Err(format!("expected an artifact of type {}", media::ARTIFACT));
        }
        if let Some(layer) = tar.iter().find(|layer| !is_tar(&layer.media_type)) {
            return Err(format!("a layer has the media type {:?}", layer.media_type));
        }
        if tar.len() > limits::MAX_LAYERS {
            return Err(format!("it has more than {} layers", limits::MAX_LAYERS));
        }
        let plain = |layer: &Descriptor| Descriptor::new(&layer.media_type, layer.digest, layer.size);
        let ours = Self::artifact(plain(toc), tar.iter().map(plain));
        match ours.to_bytes() {
            Ok(canonical) if canonical == bytes => Ok(manifest),
            _ => Err("it has more fields or another form than we write".to_owned()),
        }
    }

    /// Whether some bytes begin as the manifest of every artifact of ours does: the keys of canonical JSON
    /// are sorted.
    pub(crate) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(format!(r#"{{"artifactType":"{}""#, media::ARTIFACT).as_bytes())
    }

    /// The table of contents, and the layers of the tar.
    pub(crate) fn parts(&self) -> Option<(&Descriptor, &[Descriptor])> {
        self.layers.split_first().filter(|(_, tar)| !tar.is_empty())
    }

    /// The table of contents, when it is an artifact of ours.
    pub(crate) fn contents(&self) -> Option<&Descriptor> {
        let (toc, _) = self.parts()?;
        (self.artifact_type.as_deref() == Some(media::ARTIFACT) && toc.media_type == media::TOC)
            .then_some(toc)
    }

    /// Every blob that is needed besides the manifest itself. What it is attached to is not among them.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

fn is_tar(media_type: &str) -> bool {
    media_type == media::TAR || (cfg!(feature = "zstd") && media_type == media::TAR_ZSTD)
}
