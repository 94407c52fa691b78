use std::fmt::Debug;

use async_trait::async_trait;

use crate::Digest;

/// What a signer gives: the bytes, and which key made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What the signer calls its key. A hint for those who look for the key; it decides nothing.
    pub key_id: Option<String>,
    /// The signature in the form of its algorithm: 64 bytes for ed25519, ASN.1 DER for ECDSA.
    pub bytes: Vec<u8>,
}

/// Signs with one key: from a file, in a key service, in a token.
///
/// # Contract
///
/// The whole message is signed. Where a service only signs digests, the implementer hashes the message as the algorithm
/// says (SHA-256 for ECDSA over P-256); it may be megabytes long. A signer that changes to another version of its key
/// says which one signed. Neither `Debug` nor an error shows anything of the secret.
#[async_trait]
pub trait Signer: Debug + Send + Sync {
    /// Signs a message.
    ///
    /// # Errors
    ///
    /// When the key cannot be used or reached.
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError>;
}

/// Says of one public key whether it signed something.
///
/// # Contract
///
/// The identity is that of the key and not of the object, so that no key counts twice: two verifiers of one key have the
/// same, two keys never have.
pub trait Verifier: Debug + Send + Sync {
    /// Which key this is: the digest of its `SubjectPublicKeyInfo` in DER (RFC 5280).
    fn key_id(&self) -> Digest;

    /// Whether the key made this signature of this message. Whatever is not a sound signature is a no.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A message that was not signed.
#[derive(Debug, thiserror::Error)]
#[error("{signer} did not sign")]
pub struct SignError {
    /// Who should have: the key, as people know it.
    pub signer: String,
    /// Why not.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
