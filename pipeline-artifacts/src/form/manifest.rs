use pipeline_core::{CanonicalError, Digest, canonical_json};
use serde::{Deserialize, Serialize};

/// What kind of OCI artifact ours is.
pub(crate) const ARTIFACT_TYPE: &str = "application/vnd.release-pipeline.artifact.v1";
/// The table of contents.
const TOC_LAYER: &str = "application/vnd.release-pipeline.toc.v1+json";
/// A tar, not compressed.
const TAR_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The content of the OCI empty descriptor.
pub(crate) const EMPTY_CONFIG: &[u8] = b"{}";

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Points to a blob: an OCI content descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// An OCI image manifest of ours. Its canonical JSON is stored as a blob, whose digest is the artifact's
/// identity; so nothing is in it but content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    config: Descriptor,
    /// The table of contents, then the tar.
    layers: Vec<Descriptor>,
}

impl Manifest {
    pub(crate) fn new(toc: (Digest, u64), tar: (Digest, u64)) -> Self {
        let layer = |media_type: &str, (digest, size)| Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
        };
        let config = (Digest::of(EMPTY_CONFIG), EMPTY_CONFIG.len() as u64);
        Self {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: ARTIFACT_TYPE.to_owned(),
            config: layer(EMPTY_TYPE, config),
            layers: vec![layer(TOC_LAYER, toc), layer(TAR_LAYER, tar)],
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }

    /// Reads a manifest that [`Manifest::to_bytes`] wrote, and nothing else.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let (toc, tar) = manifest
            .parts()
            .ok_or("expected two layers: the table of contents and the tar")?;
        let ours = Self::new((toc.digest, toc.size), (tar.digest, tar.size));
        if ours != manifest {
            return Err(format!(
                "expected a manifest of type {ARTIFACT_TYPE} with its media types"
            ));
        }
        match manifest.to_bytes() {
            Ok(canonical) if canonical == bytes => Ok(manifest),
            _ => Err("it is not canonical JSON".to_owned()),
        }
    }

    /// Whether some bytes begin as every manifest of ours does: the keys of canonical JSON are sorted.
    pub(crate) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(format!(r#"{{"artifactType":"{ARTIFACT_TYPE}""#).as_bytes())
    }

    /// The table of contents and the tar.
    pub(crate) fn parts(&self) -> Option<(&Descriptor, &Descriptor)> {
        match &self.layers[..] {
            [toc, tar] => Some((toc, tar)),
            _ => None,
        }
    }

    /// Every blob that the artifact needs besides its manifest.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}
