use std::collections::{BTreeMap, BTreeSet};

use pipeline_core::{Digest, StoreError};
use serde::Serialize;

use super::annotation::PREDICATE_TYPE;
use super::check::{artifact_type, check_attachment};
use super::{AttachmentKind, NewAttachment};
use crate::form::{Descriptor, EMPTY_CONFIG, Manifest, media};
use crate::limits;
use crate::{BlobId, LocalStore};

/// Something that is attached to an artifact, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The digest of its manifest: its identity.
    pub digest: Digest,
    /// The digest of the manifest that it is attached to.
    pub subject: Digest,
    /// What it is: a media type.
    pub artifact_type: String,
    /// Where its bytes are; those that this crate attaches have one part.
    pub parts: Vec<AttachmentPart>,
    /// What is said about it.
    pub annotations: BTreeMap<String, String>,
}

/// Some bytes of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AttachmentPart {
    /// The form of the bytes.
    pub media_type: String,
    /// Their digest.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

impl Attachment {
    fn new(digest: Digest, subject: Digest, manifest: &Manifest) -> Self {
        let part = |part: &Descriptor| AttachmentPart {
            media_type: part.media_type.clone(),
            digest: part.digest,
            size: part.size,
        };
        Self {
            digest,
            subject,
            artifact_type: artifact_type(manifest).to_owned(),
            parts: manifest.layers.iter().map(part).collect(),
            annotations: manifest.annotations.clone(),
        }
    }

    /// What it is, as far as its types say.
    pub fn kind(&self) -> AttachmentKind {
        AttachmentKind::of(&self.artifact_type, self.predicate_type())
    }

    /// What kind of statement it says to hold, if it is one.
    pub fn predicate_type(&self) -> Option<&str> {
        self.annotations.get(PREDICATE_TYPE).map(String::as_str)
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}

/// What is attached to artifacts. An attachment names its artifact; the artifact knows nothing of it, so its digest stays.
impl LocalStore {
    /// Attaches something to an artifact, for ever, and tells the digest of the attachment's manifest. Attaching the same
    /// again changes nothing. When this returns, it is on disk.
    ///
    /// # Errors
    ///
    /// When the artifact is not in the store with all its blobs, what is attached has no sound types, is empty or larger than
    /// [`limits::MAX_ATTACHMENT_BYTES`], or it cannot be written.
    pub fn attach(&self, artifact: &Digest, new: &NewAttachment) -> Result<Attachment, StoreError> {
        new.check()?;
        let subject = self.read_blob_up_to(artifact, limits::MAX_MANIFEST)?;
        let part = Descriptor::new(&new.media_type, Digest::of(&new.bytes), new.bytes.len() as u64);
        let manifest = Manifest::attachment(
            &new.artifact_type,
            Descriptor::new(media::MANIFEST, *artifact, subject.len() as u64),
            vec![part],
            new.annotations.clone(),
        );
        let bytes = manifest
            .to_bytes()
            .map_err(|error| StoreError::Other(Box::new(error)))?;
        // Nothing of it is collected before the last word is written.
        let _lease = self.lease()?;
        self.add_blob(EMPTY_CONFIG)?;
        self.add_blob(&new.bytes)?;
        self.attach_manifest(artifact, &bytes)
    }

    /// Attaches what has its blobs in the store already, to what its manifest names.
    pub(crate) fn attach_to_subject(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let subject = Manifest::parse(bytes).and_then(|manifest| {
            let subject = manifest.subject.as_ref();
            subject.map_or_else(
                || Err("it is attached to nothing".to_owned()),
                |subject| Ok(subject.digest),
            )
        });
        let subject = subject.map_err(|reason| StoreError::Refused {
            what: format!("attachment {}", Digest::of(bytes)),
            reason,
        })?;
        self.attach_manifest(&subject, bytes).map(drop)
    }

    /// Attaches what has its blobs in the store already.
    pub(crate) fn attach_manifest(&self, artifact: &Digest, bytes: &[u8]) -> Result<Attachment, StoreError> {
        let refused = |reason| StoreError::Refused {
            what: format!("an attachment of {artifact}"),
            reason,
        };
        let manifest = check_attachment(bytes, artifact).map_err(refused)?;
        let digest = self.add_blob(bytes)?;
        let needs = |digest, size| BlobId { digest, size };
        let mut needed: BTreeSet<_> = manifest
            .blobs()
            .map(|blob| needs(blob.digest, blob.size))
            .collect();
        needed.insert(needs(digest, bytes.len() as u64));
        // An artifact of which only the manifest stayed would be none.
        needed.append(&mut self.needed(artifact)?);
        let attaching = self.begin_attaching(artifact, &digest)?;
        {
            // Until it is noted, nothing is taken away of what it needs.
            let _gate = self.commit_lock()?;
            self.keep(&needed)?;
            self.add_referrer(artifact, &digest)?;
        }
        self.write_layouts_of(artifact)?;
        attaching.done()?;
        self.finish_attaching()?;
        Ok(Attachment::new(digest, *artifact, &manifest))
    }

    /// What is attached to an artifact, sorted by digest. Reads what is attached to it and nothing else.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged.
    pub fn attachments(&self, artifact: &Digest) -> Result<Vec<Attachment>, StoreError> {
        let referrers = self.attached_to(artifact)?;
        referrers
            .iter()
            .map(|digest| self.attachment(artifact, digest))
            .collect()
    }

    pub(super) fn attachment(&self, artifact: &Digest, digest: &Digest) -> Result<Attachment, StoreError> {
        let bytes = self.read_blob_up_to(digest, limits::MAX_MANIFEST)?;
        match check_attachment(&bytes, artifact) {
            Ok(manifest) => Ok(Attachment::new(*digest, *artifact, &manifest)),
            Err(reason) => Err(StoreError::Damaged {
                what: format!("attachment {digest}"),
                reason,
            }),
        }
    }

    /// The bytes of an attachment, verified: those of its parts, one behind the other.
    ///
    /// # Errors
    ///
    /// When one is missing or damaged.
    pub fn read_attachment(&self, attachment: &Attachment) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        for part in &attachment.parts {
            bytes.append(&mut self.read_blob_up_to(&part.digest, limits::MAX_ATTACHMENT)?);
        }
        Ok(bytes)
    }
}
