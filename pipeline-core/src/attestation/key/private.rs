use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use async_trait::async_trait;
use ed25519_dalek::pkcs8::KeypairBytes;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use zeroize::Zeroizing;

use super::error::MOST_BYTES;
use super::public::Kind as PublicKind;
use super::{Algorithm, KeyError, PublicKey};
use crate::Entropy;
use crate::attestation::{SignError, Signature, Signer, Verifier};

/// A private key. Its bytes are wiped when it is dropped, its `Debug` shows its public key only, and it cannot be
/// serialised by accident.
///
/// ```
/// use pipeline_core::SystemEntropy;
/// use pipeline_core::attestation::{Algorithm, PrivateKey};
///
/// let folder = std::env::temp_dir().join(format!("key-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let key = PrivateKey::generate(Algorithm::Ed25519, &SystemEntropy);
/// key.write(folder.join("ci.pem"))?;
/// assert_eq!(PrivateKey::read(folder.join("ci.pem"))?.public(), key.public());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PrivateKey {
    kind: Kind,
    public: PublicKey,
}

enum Kind {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
}

const LABEL: &str = "PRIVATE KEY";

impl PrivateKey {
    fn new(kind: Kind) -> Option<Self> {
        let public = PublicKey::new(match &kind {
            Kind::Ed25519(key) => PublicKind::Ed25519(key.verifying_key()),
            Kind::EcdsaP256(key) => PublicKind::EcdsaP256(*key.verifying_key()),
        })?;
        Some(Self { kind, public })
    }

    /// A new key.
    pub fn generate(algorithm: Algorithm, entropy: &dyn Entropy) -> Self {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            for eight in bytes.chunks_exact_mut(8) {
                eight.copy_from_slice(&entropy.next_u64().to_be_bytes());
            }
            let kind = match algorithm {
                Algorithm::Ed25519 => Some(Kind::Ed25519(ed25519_dalek::SigningKey::from_bytes(&bytes))),
                // Not every number is below the order of the curve's group; one in four thousand million is not.
                Algorithm::EcdsaP256 => p256::ecdsa::SigningKey::from_slice(&bytes[..])
                    .ok()
                    .map(Kind::EcdsaP256),
            };
            if let Some(key) = kind.and_then(Self::new) {
                return key;
            }
        }
    }

    /// Reads a key: PKCS#8 in PEM, as `openssl genpkey` writes it.
    ///
    /// # Errors
    ///
    /// When the text is no such key, is encrypted, or is one whose algorithm is not among ours.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let ed25519 = ed25519_dalek::SigningKey::from_pkcs8_pem(text).map(Kind::Ed25519);
        ed25519
            .or_else(|_| p256::ecdsa::SigningKey::from_pkcs8_pem(text).map(Kind::EcdsaP256))
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| KeyError::form(text, LABEL))
    }

    /// The key in PEM, in memory that is wiped when it is dropped.
    ///
    /// # Errors
    ///
    /// Never in practice: a key that was read or made has this form.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pem = match &self.kind {
            // Without the public key, which other readers (OpenSSL 3.0) stumble over.
            Kind::Ed25519(key) => KeypairBytes {
                secret_key: key.to_bytes(),
                public_key: None,
            }
            .to_pkcs8_pem(LineEnding::LF),
            Kind::EcdsaP256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(|error| KeyError::Form {
            reason: error.to_string(),
        })
    }

    /// Reads a key from a file. On Unix, only its owner may have a right to the file. Blocks.
    ///
    /// # Errors
    ///
    /// When others may read or write the file, it cannot be read, or is no key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let io = KeyError::io("read", path);
        let file = fs::File::open(path).map_err(&io)?;
        let metadata = file.metadata().map_err(&io)?;
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            let reason = "it is not a file of a few kilobytes".to_owned();
            return Err(KeyError::NoKey {
                path: path.to_owned(),
                reason,
            });
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Exposed {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        // Room for all of it, so that no copy stays behind where the text had to grow.
        let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES as usize));
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(&io)?;
        Self::from_pem(&text).map_err(|error| error.in_file(path))
    }

    /// Writes the key to a new file, which on Unix only its owner may read and write. Blocks.
    ///
    /// # Errors
    ///
    /// When there is a file already, or it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), KeyError> {
        let path = path.as_ref();
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists {
                path: path.to_owned(),
            },
            _ => KeyError::io("write", path)(error),
        })?;
        file.write_all(self.to_pem()?.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(KeyError::io("write", path))
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, p256::ecdsa::Error> {
        Ok(match &self.kind {
            Kind::Ed25519(key) => key.try_sign(message)?.to_vec(),
            Kind::EcdsaP256(key) => {
                let signature: p256::ecdsa::DerSignature = key.try_sign(message)?;
                signature.as_bytes().to_vec()
            }
        })
    }
}

#[async_trait]
impl Signer for PrivateKey {
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let key_id = self.public.key_id().to_string();
        match self.signature(message) {
            Ok(bytes) => Ok(Signature {
                key_id: Some(key_id),
                bytes,
            }),
            Err(error) => Err(SignError {
                signer: format!("key {key_id}"),
                source: Box::new(error),
            }),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivateKey").field(&self.public.key_id()).finish()
    }
}
