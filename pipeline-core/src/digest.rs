//! SHA-256 digests of bytes and of data.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::text_form::from_text;

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
///
/// ```
/// use pipeline_core::Digest;
///
/// let digest = Digest::of(b"hello");
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// assert_eq!(digest.short(), "2cf24dba5fb0");
/// # Ok::<(), pipeline_core::DigestParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Digest([u8; 32]);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What each hexadecimal digit stands for; more than 15 for all that is none.
const NIBBLES: [u8; 256] = {
    let (mut table, mut nibble) = ([u8::MAX; 256], 0);
    while nibble < 16 {
        table[DIGITS[nibble as usize] as usize] = nibble;
        nibble += 1;
    }
    table
};

/// The prefix that names the algorithm.
const PREFIX: &str = "sha256:";

impl Digest {
    /// The digest of nothing chained: 32 zero bytes, the predecessor of the first link of every chain.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The digest of some bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }

    /// The digest of everything a reader yields, and how many bytes that were. Reads in pieces.
    ///
    /// # Errors
    ///
    /// When reading fails.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = DigestBuilder::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok((hasher.finish(), total)),
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    total += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest of data: of its canonical JSON (RFC 8785), so equal data has an equal digest whatever
    /// the order of its keys.
    ///
    /// ```
    /// use pipeline_core::Digest;
    /// use serde_json::json;
    ///
    /// let a = Digest::of_data(&json!({"a": 1, "b": 2.0}))?;
    /// let b = Digest::of_data(&json!({"b": 2, "a": 1}))?;
    /// assert_eq!(a, b);
    /// # Ok::<(), pipeline_core::CanonicalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the data has no JSON form, such as a map whose keys are not text.
    pub fn of_data<T: Serialize + ?Sized>(data: &T) -> Result<Self, CanonicalError> {
        Ok(Self::of(canonical_json(data)?))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest as 64 hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(DIGITS[usize::from(nibble)]));
            }
        }
        text
    }

    /// The first twelve hexadecimal digits: for people, never for identity.
    pub fn short(&self) -> String {
        let mut text = self.hex();
        text.truncate(12);
        text
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestParseError;

    fn try_from(text: String) -> Result<Self, DigestParseError> {
        text.parse()
    }
}

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, DigestParseError> {
        let refuse = || DigestParseError {
            text: text.chars().take(100).collect(),
        };
        let hex = text.strip_prefix(PREFIX).ok_or_else(refuse)?.as_bytes();
        if hex.len() != 64 {
            return Err(refuse());
        }
        // Digits are as good as random: a table is several times faster than asking what each one is.
        let (mut bytes, mut seen) = ([0; 32], 0);
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            *byte = high << 4 | low & 15;
            seen |= high | low;
        }
        if seen > 15 {
            return Err(refuse());
        }
        Ok(Self(bytes))
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct DigestParseError {
    text: String,
}

/// Data that has no canonical JSON form.
#[derive(Debug, thiserror::Error)]
#[error("the data has no canonical JSON form")]
pub struct CanonicalError(#[source] serde_json::Error);

/// The canonical JSON (RFC 8785) of some data: sorted keys, no white space, one way to write a number.
///
/// # Errors
///
/// When the data has no JSON form.
pub fn canonical_json<T: Serialize + ?Sized>(data: &T) -> Result<Vec<u8>, CanonicalError> {
    serde_json_canonicalizer::to_vec(&data).map_err(CanonicalError)
}

/// Computes a digest piece by piece.
#[derive(Clone, Default)]
pub struct DigestBuilder(Sha256);

impl DigestBuilder {
    /// A builder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes.as_ref());
    }

    /// Adds a field with its length before it, so that no two lists of fields run together.
    pub fn field(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// The digest of all that was added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for DigestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestBuilder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vectors() {
        // FIPS 180-4, the examples "abc" and the empty message.
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of("abc").to_string(), abc);
        assert_eq!(Digest::of("").to_string(), empty);
        assert_eq!(Digest::of_reader(&b"abc"[..]).unwrap(), (Digest::of("abc"), 3));
    }

    #[test]
    fn only_one_spelling_is_read() {
        let good = Digest::of("abc").to_string();
        let upper = good.to_uppercase();
        for bad in [
            "",
            "abc",
            "sha256:",
            "sha256:ba",
            "sha512:ba",
            &upper,
            &good[7..],
            &format!("{good}0"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?} was taken");
        }
        assert!(
            "sha256:+a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                .parse::<Digest>()
                .is_err()
        );
    }

    #[test]
    fn fields_do_not_run_together() {
        let digest = |fields: &[&str]| {
            let mut builder = DigestBuilder::new();
            for field in fields {
                builder.field(field);
            }
            builder.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["ab"]), digest(&["ab", ""]));
    }
}
