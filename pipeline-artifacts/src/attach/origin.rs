use std::fmt;

use pipeline_core::attestation::{Envelope, Policy, Report, Subject};
use pipeline_core::{ArtifactRef, ChainDisplay, Digest, Timestamp};
use serde::Serialize;

use super::kind::ENVELOPE;
use crate::LocalStore;

/// What a policy says of an artifact, by what is attached to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[must_use = "an artifact is believed only if the report allows it"]
pub struct OriginReport {
    /// What the policy found in the envelopes.
    #[serde(flatten)]
    pub report: Report,
    /// The attachment that each envelope of the report came from, in the same order.
    pub envelopes: Vec<Digest>,
    /// The attachments that could not be read. They prove nothing.
    pub unreadable: Vec<Unreadable>,
}

/// An attachment that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unreadable {
    /// Which one.
    pub attachment: Digest,
    /// Why not.
    pub reason: String,
}

impl OriginReport {
    /// Whether everything that the policy asks for is proven.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.report.allowed()
    }
}

impl fmt::Display for OriginReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        for Unreadable { attachment, reason } in &self.unreadable {
            write!(f, "\n\nattachment {attachment} cannot be read: {reason}")?;
        }
        Ok(())
    }
}

impl LocalStore {
    /// Holds what is attached to an artifact against a policy, with the keys that are valid at a time. It denies unless
    /// proven: a store that cannot be read, an attachment that is damaged, and one that is missing prove nothing.
    ///
    /// That the bytes of the artifact are those of its digest is not asked here; every read does.
    pub fn check_origin(&self, artifact: &ArtifactRef, policy: &Policy, at: Timestamp) -> OriginReport {
        let (mut envelopes, mut from, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let mut note = |attachment, reason| unreadable.push(Unreadable { attachment, reason });
        let referrers = self.attached_to(&artifact.digest).unwrap_or_else(|error| {
            note(artifact.digest, ChainDisplay(&error).to_string());
            Vec::new()
        });
        for digest in referrers {
            match self.read_envelope(&artifact.digest, &digest) {
                Ok(Some(envelope)) => {
                    envelopes.push(envelope);
                    from.push(digest);
                }
                Ok(None) => {}
                Err(reason) => note(digest, reason),
            }
        }
        OriginReport {
            report: policy.verify(&envelopes, &Subject::artifact(artifact), at),
            envelopes: from,
            unreadable,
        }
    }

    /// The envelopes that are attached to an artifact, whoever signed them; those that cannot be read are left out.
    pub(crate) fn envelopes(&self, artifact: &Digest) -> Vec<Envelope> {
        let referrers = self.attached_to(artifact).unwrap_or_default();
        let read = |digest: &Digest| self.read_envelope(artifact, digest).ok().flatten();
        referrers.iter().filter_map(read).collect()
    }

    /// The envelope of an attachment, if it is one.
    fn read_envelope(&self, artifact: &Digest, digest: &Digest) -> Result<Option<Envelope>, String> {
        let text = |error| ChainDisplay(&error).to_string();
        let attachment = self.attachment(artifact, digest).map_err(text)?;
        if attachment.artifact_type != ENVELOPE {
            return Ok(None);
        }
        let bytes = self.read_attachment(&attachment).map_err(text)?;
        Envelope::parse(&bytes)
            .map(Some)
            .map_err(|error| error.to_string())
    }
}
