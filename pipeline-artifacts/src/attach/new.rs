use std::collections::BTreeMap;

use pipeline_core::StoreError;
use pipeline_core::attestation::{Envelope, STATEMENT_PAYLOAD};
use serde::Deserialize;

use super::annotation::{self, PREDICATE_TYPE, is_media_type};
use super::kind::{ENVELOPE, NOTE, TEST_RESULT};
use super::recognise::recognise;
use crate::form::media;
use crate::limits;

/// Something to attach to an artifact.
///
/// ```
/// use pipeline_artifacts::{AttachmentKind, LocalStore, NewAttachment, Packer, SbomForm};
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// # std::fs::write(tree.join("app"), "bytes")?;
/// # let store = LocalStore::open(dir.path().join("store"))?;
/// # let packed = Packer::new(&tree).pack(&store)?;
/// let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
/// let sbom = br#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}"#;
/// store.attach(&shop.digest, &NewAttachment::recognise(*sbom)?)?;
///
/// let attached = store.attachments(&shop.digest)?;
/// assert_eq!(attached[0].kind(), AttachmentKind::Sbom(SbomForm::CycloneDx));
/// assert_eq!(store.read_attachment(&attached[0])?, sbom);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    pub(super) artifact_type: String,
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Claim {
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

impl NewAttachment {
    /// Anything, under a type of one's own.
    pub fn new(
        artifact_type: impl Into<String>,
        media_type: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            artifact_type: artifact_type.into(),
            media_type: media_type.into(),
            bytes: bytes.into(),
            annotations: BTreeMap::new(),
        }
    }

    /// A signed statement, such as provenance. What kind of statement it holds is noted beside it, so that a list shows
    /// it; a policy does not believe that.
    pub fn envelope(envelope: &Envelope) -> Self {
        let new = Self::new(ENVELOPE, ENVELOPE, envelope.to_json());
        if envelope.payload_type() != STATEMENT_PAYLOAD {
            return new;
        }
        match serde_json::from_slice::<Claim>(envelope.unverified_payload()) {
            Ok(claim) => new.annotation(PREDICATE_TYPE, claim.predicate_type),
            Err(_) => new,
        }
    }

    /// A file that says itself what it is: an SBOM (CycloneDX or SPDX, in JSON, XML or lines), a signed statement (DSSE), a
    /// bundle of Sigstore, results of tests (JUnit). Its bytes are stored as they are.
    ///
    /// # Errors
    ///
    /// When it is none of these.
    pub fn recognise(bytes: impl Into<Vec<u8>>) -> Result<Self, StoreError> {
        let bytes = bytes.into();
        let Some(found) = recognise(&bytes) else {
            return Err(refused(
                "it is neither CycloneDX, SPDX, a DSSE envelope, a Sigstore bundle nor JUnit: say its type",
            ));
        };
        if found.artifact_type == ENVELOPE {
            let envelope = Envelope::parse(&bytes).map_err(|error| refused(error.to_string()))?;
            let annotations = Self::envelope(&envelope).annotations;
            return Ok(Self {
                annotations,
                ..Self::new(found.artifact_type, found.media_type, bytes)
            });
        }
        Ok(Self::new(found.artifact_type, found.media_type, bytes))
    }

    /// What tests found, in a form of their own.
    pub fn test_result(media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(TEST_RESULT, media_type, bytes)
    }

    /// A text for people, in Markdown.
    pub fn note(text: impl Into<String>) -> Self {
        Self::new(NOTE, "text/markdown", text.into())
    }

    /// With something said about it.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        for kind in [&self.artifact_type, &self.media_type] {
            if !is_media_type(kind) {
                return Err(refused(format!("{kind:?} is no media type such as `text/plain`")));
            }
        }
        if self.artifact_type == media::ARTIFACT {
            return Err(refused("it says to be an artifact of its own"));
        }
        if self.bytes.is_empty() {
            return Err(refused("it is empty"));
        }
        if self.bytes.len() as u64 > limits::MAX_ATTACHMENT_BYTES {
            let most = limits::MAX_ATTACHMENT_BYTES;
            return Err(refused(format!("it is larger than {most} bytes")));
        }
        annotation::check(&self.annotations).map_err(refused)
    }
}

fn refused(reason: impl Into<String>) -> StoreError {
    StoreError::Refused {
        what: "the attachment".to_owned(),
        reason: reason.into(),
    }
}
