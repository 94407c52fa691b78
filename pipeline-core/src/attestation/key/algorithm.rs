use std::fmt;
use std::str::FromStr;

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (RFC 8032): the choice where nothing asks for another.
    #[default]
    Ed25519,
    /// ECDSA over P-256 with SHA-256 (FIPS 186-5), deterministic (RFC 6979): what most key services have.
    EcdsaP256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::EcdsaP256];
}

impl fmt::Display for Algorithm {
    /// `ed25519` or `ecdsa-p256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
        })
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmParseError;

    fn from_str(text: &str) -> Result<Self, AlgorithmParseError> {
        let mut all = Self::ALL.into_iter();
        all.find(|algorithm| algorithm.to_string() == text)
            .ok_or_else(|| AlgorithmParseError {
                text: text.chars().take(100).collect(),
            })
    }
}

/// A text that names no algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an algorithm: expected `ed25519` or `ecdsa-p256`")]
pub struct AlgorithmParseError {
    text: String,
}
