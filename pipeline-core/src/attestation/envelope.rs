use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{SignError, Signature, Signer, Statement, Verifier, base64};
use crate::Digest;
use crate::digest::CanonicalError;

/// The type of a payload that is an in-toto statement.
pub const STATEMENT_PAYLOAD: &str = "application/vnd.in-toto+json";

/// An envelope with more bytes is refused unread.
pub const MAX_ENVELOPE_BYTES: usize = 16 * 1024 * 1024;

/// An envelope with more signatures is refused: each is tried with each key.
pub const MAX_SIGNATURES: usize = 50;

/// Some bytes, their type, and signatures over both: a
/// [DSSE envelope](https://github.com/secure-systems-lab/dsse) (Dead Simple Signing Envelope, version 1).
///
/// What is signed is the payload's bytes and never a reading of them. So [`verify`](Self::verify) gives the bytes, and
/// only those are to be read. The payload of an envelope that was not verified is anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// The bytes that are signed: payload and type with their lengths before them, so that neither runs into the other (the
/// *pre-authentication encoding* of DSSE).
///
/// ```
/// use pipeline_core::attestation::pae;
///
/// assert_eq!(pae("text/plain", b"hello"), b"DSSEv1 10 text/plain 5 hello");
/// ```
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// A text that is no envelope.
#[derive(Debug, thiserror::Error)]
#[error("the envelope is refused: {reason}")]
pub struct EnvelopeError {
    reason: String,
}

/// An envelope whose payload is not proven to be what its keys signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It holds something else.
    #[error("the payload is of type `{found}`; expected `{expected}`")]
    PayloadType {
        /// What was expected.
        expected: String,
        /// What it says, shortened.
        found: String,
    },
    /// Not enough of the keys signed it.
    #[error("{found} of the keys signed it, {needed} must have ({signatures} signatures)")]
    Threshold {
        /// How many keys must have signed.
        needed: usize,
        /// How many did; a key counts once.
        found: usize,
        /// How many signatures there are, by whomever.
        signatures: usize,
    },
}

/// A payload that the keys signed which had to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The bytes that were signed.
    pub payload: &'a [u8],
    /// The keys that signed them.
    pub keys: BTreeSet<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureForm>,
}

#[derive(Serialize, Deserialize)]
struct SignatureForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

impl Envelope {
    /// An envelope that nobody has signed yet.
    pub fn new(payload_type: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            payload_type: payload_type.into(),
            payload: payload.into(),
            signatures: Vec::new(),
        }
    }

    /// An envelope around a statement, that nobody has signed yet.
    ///
    /// # Errors
    ///
    /// Never in practice: a statement has a canonical form.
    pub fn of(statement: &Statement) -> Result<Self, CanonicalError> {
        Ok(Self::new(STATEMENT_PAYLOAD, statement.to_bytes()?))
    }

    /// Reads an envelope. Fields that the specification does not know are left out.
    ///
    /// # Errors
    ///
    /// When the bytes are no JSON of this form, are more than [`MAX_ENVELOPE_BYTES`], hold more than [`MAX_SIGNATURES`],
    /// or something is not padded base64 of one of its two alphabets.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let refuse = |reason: String| EnvelopeError { reason };
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(refuse(format!("it has more than {MAX_ENVELOPE_BYTES} bytes")));
        }
        let form: Form = serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
        if form.payload_type.is_empty() {
            return Err(refuse("`payloadType` is empty".to_owned()));
        }
        if form.signatures.len() > MAX_SIGNATURES {
            return Err(refuse(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let decode = |field: &dyn Fn() -> String, text: &str| {
            base64::decode(text).ok_or_else(|| refuse(format!("`{}` is not padded base64", field())))
        };
        let signature = |(index, form): (usize, SignatureForm)| {
            Ok(Signature {
                bytes: decode(&|| format!("signatures[{index}].sig"), &form.sig)?,
                key_id: form.keyid.filter(|id| !id.is_empty()),
            })
        };
        Ok(Self {
            payload: decode(&|| "payload".to_owned(), &form.payload)?,
            payload_type: form.payload_type,
            signatures: form
                .signatures
                .into_iter()
                .enumerate()
                .map(signature)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The envelope as JSON on one line.
    pub fn to_json(&self) -> String {
        let signature = |signature: &Signature| SignatureForm {
            keyid: signature.key_id.clone(),
            sig: base64::encode(&signature.bytes),
        };
        let form = Form {
            payload: base64::encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        #[expect(clippy::expect_used, reason = "three fields of text are always JSON")]
        serde_json::to_string(&form).expect("text has a JSON form")
    }

    /// What kind of payload it says that it holds. Signed, but not yet by whom.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload, whoever signed it: for those who copy or show it, never for those who act on it.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature.
    ///
    /// # Errors
    ///
    /// When the signer cannot sign; the envelope is as it was then.
    pub async fn sign(&mut self, signer: &dyn Signer) -> Result<(), SignError> {
        let signature = signer.sign(&pae(&self.payload_type, &self.payload)).await?;
        self.signatures.push(signature);
        Ok(())
    }

    /// Which of some keys signed it. Every signature is tried with every key, since what a signature says of its key may
    /// be wrong; a key counts once, however often it signed.
    pub fn signed_by<'k>(&self, keys: impl IntoIterator<Item = &'k dyn Verifier>) -> BTreeSet<Digest> {
        let message = pae(&self.payload_type, &self.payload);
        keys.into_iter()
            .filter(|key| {
                let mut signatures = self.signatures.iter();
                signatures.any(|signature| key.verify(&message, &signature.bytes))
            })
            .map(Verifier::key_id)
            .collect()
    }

    /// The payload, if it is of a type and enough of some keys signed it.
    ///
    /// # Errors
    ///
    /// When the type is another, or fewer different keys signed it.
    pub fn verify<'k>(
        &self,
        payload_type: &str,
        keys: impl IntoIterator<Item = &'k dyn Verifier>,
        threshold: NonZeroUsize,
    ) -> Result<Verified<'_>, VerifyError> {
        if self.payload_type != payload_type {
            return Err(VerifyError::PayloadType {
                expected: payload_type.to_owned(),
                found: self.payload_type.escape_debug().take(140).collect(),
            });
        }
        let keys = self.signed_by(keys);
        if keys.len() < threshold.get() {
            return Err(VerifyError::Threshold {
                needed: threshold.get(),
                found: keys.len(),
                signatures: self.signatures.len(),
            });
        }
        Ok(Verified {
            payload: &self.payload,
            keys,
        })
    }
}
