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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::form::media;

    #[test]
    fn what_others_attach_is_bounded() {
        let subject = Digest::of("artifact");
        let check = |sizes: &[u64]| {
            let part = |size: &u64| Descriptor::new("text/plain", Digest::of("part"), *size);
            let of = Descriptor::new(media::MANIFEST, subject, 8);
            let parts = sizes.iter().map(part).collect();
            let manifest = Manifest::attachment("text/plain", of, parts, BTreeMap::new());
            check_attachment(&manifest.to_bytes().unwrap(), &subject).map(|_| ())
        };
        // The empty configuration is a part, too.
        let most = limits::MAX_ATTACHMENT - 2;
        assert_eq!(check(&[most]), Ok(()));
        assert_eq!(check(&[most, 1]).unwrap_err(), "it is larger than 67108864 bytes");
        assert!(check(&[u64::MAX, u64::MAX]).is_err());
        assert_eq!(check(&[1; limits::MAX_ATTACHMENT_PARTS]), Ok(()));
        assert_eq!(check(&[1; 65]).unwrap_err(), "it has 65 parts; expected 1 to 64");
        assert_eq!(check(&[]).unwrap_err(), "it has 0 parts; expected 1 to 64");
    }
}
