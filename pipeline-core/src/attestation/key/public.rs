use std::fs;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};

use super::error::MOST_BYTES;
use super::{Algorithm, KeyError};
use crate::Digest;
use crate::attestation::Verifier;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    id: Digest,
    pem: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(p256::ecdsa::VerifyingKey),
}

const LABEL: &str = "PUBLIC KEY";

impl PublicKey {
    pub(super) fn new(kind: Kind) -> Option<Self> {
        let (der, pem) = match &kind {
            // Anybody can make signatures that a key of small order takes.
            Kind::Ed25519(key) if key.is_weak() => return None,
            Kind::Ed25519(key) => (key.to_public_key_der(), key.to_public_key_pem(LineEnding::LF)),
            Kind::EcdsaP256(key) => (key.to_public_key_der(), key.to_public_key_pem(LineEnding::LF)),
        };
        Some(Self {
            kind,
            id: Digest::of(der.ok()?.as_bytes()),
            pem: pem.ok()?,
        })
    }

    /// Reads a key: `SubjectPublicKeyInfo` in PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    ///
    /// When the text is no such key, or one whose algorithm is not among ours.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let ed25519 = ed25519_dalek::VerifyingKey::from_public_key_pem(text).map(Kind::Ed25519);
        ed25519
            .or_else(|_| p256::ecdsa::VerifyingKey::from_public_key_pem(text).map(Kind::EcdsaP256))
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| KeyError::form(text, LABEL))
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> &str {
        &self.pem
    }

    /// Reads a key from a file. Blocks.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let mut text = String::new();
        fs::File::open(path)
            .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
            .map_err(KeyError::io("read", path))?;
        Self::from_pem(&text).map_err(|error| error.in_file(path))
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        match self.kind {
            Kind::Ed25519(_) => Algorithm::Ed25519,
            Kind::EcdsaP256(_) => Algorithm::EcdsaP256,
        }
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_pem(text)
    }
}

impl Verifier for PublicKey {
    fn key_id(&self) -> Digest {
        self.id
    }

    /// Ed25519 strictly: no signature has a second form. ECDSA as ASN.1 DER or as 64 bytes, since the specification of
    /// envelopes does not say which, and both are about.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Kind::EcdsaP256(key) => {
                let fixed = p256::ecdsa::Signature::from_slice(signature);
                let asn1 = || p256::ecdsa::Signature::from_der(signature);
                fixed
                    .or_else(|_| asn1())
                    .is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }
}
