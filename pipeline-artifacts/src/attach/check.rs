use pipeline_core::Digest;

use super::annotation::is_media_type;
use crate::form::{Descriptor, Manifest};
use crate::limits;

/// What kind of thing is attached. Manifests from before the specification said where have it in the configuration.
pub(crate) fn artifact_type(manifest: &Manifest) -> &str {
    manifest
        .artifact_type
        .as_deref()
        .unwrap_or(&manifest.config.media_type)
}

/// Reads the manifest of an attachment of some artifact. Others write them with fields that we do not, so the bytes are
/// kept as they came.
pub(crate) fn check_attachment(bytes: &[u8], subject: &Digest) -> Result<Manifest, String> {
    let manifest = Manifest::parse(bytes)?;
    match &manifest.subject {
        Some(found) if found.digest == *subject => {}
        Some(found) => return Err(format!("it is attached to {}", found.digest)),
        None => return Err("it is attached to nothing".to_owned()),
    }
    if !is_media_type(artifact_type(&manifest)) {
        return Err("its type is no media type".to_owned());
    }
    let (found, most) = (manifest.layers.len(), limits::MAX_ATTACHMENT_PARTS);
    if found == 0 || found > most {
        return Err(format!("it has {found} parts; expected 1 to {most}"));
    }
    let sizes = manifest.blobs().map(|part: &Descriptor| part.size);
    let size = sizes.fold(0, u64::saturating_add);
    if size > limits::MAX_ATTACHMENT {
        return Err(format!("it is larger than {} bytes", limits::MAX_ATTACHMENT));
    }
    Ok(manifest)
}
