//! The form of the small files that the catalog writes once: canonical JSON with a digest of itself.

use pipeline_core::{CanonicalError, Digest, canonical_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the form on disk.
const FORMAT: u32 = 2;

/// Begins the last field. `content`, `format` and `seal` are in the order of canonical JSON.
const SEAL: &[u8] = br#","seal":""#;
/// Ends it.
const END: &[u8] = br#""}"#;

#[derive(Serialize)]
struct Written<'a, T> {
    content: &'a T,
    format: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found<T> {
    content: T,
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "seal")]
    _seal: Digest,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// The bytes of a file.
pub(super) fn write<T: Serialize>(content: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut bytes = canonical_json(&Written {
        content,
        format: FORMAT,
    })?;
    let seal = Digest::of(&bytes);
    // The closing brace makes room for the seal.
    bytes.pop();
    bytes.extend_from_slice(SEAL);
    bytes.extend_from_slice(seal.to_string().as_bytes());
    bytes.extend_from_slice(END);
    Ok(bytes)
}

/// Reads what [`write`] wrote, and nothing else: every changed byte is found.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if !is_sealed(bytes) {
        return Err(match serde_json::from_slice::<Head>(bytes) {
            Ok(head) if head.format != FORMAT => wrong_format(head.format),
            _ => "its seal does not fit its content".to_owned(),
        });
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if head.format != FORMAT {
        return Err(wrong_format(head.format));
    }
    let found: Found<T> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(found.content)
}

fn wrong_format(found: u32) -> String {
    format!("it has format {found}; this version reads format {FORMAT}")
}

/// Whether the bytes end in the digest of what is before it, closed with a brace.
fn is_sealed(bytes: &[u8]) -> bool {
    const SEAL_LEN: usize = 71;
    let Some(at) = bytes.len().checked_sub(SEAL.len() + SEAL_LEN + END.len()) else {
        return false;
    };
    let (before, seal) = bytes.split_at(at);
    let mut builder = pipeline_core::DigestBuilder::new();
    builder.update(before);
    builder.update(b"}");
    let expected = [SEAL, builder.finish().to_string().as_bytes(), END].concat();
    seal == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_found() {
        let bytes = write(&vec!["a", "ä"]).unwrap();
        assert_eq!(read::<Vec<String>>(&bytes).unwrap(), ["a", "ä"]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(read::<Vec<String>>(&flipped).is_err(), "byte {at}");
            assert!(read::<Vec<String>>(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(read::<Vec<String>>(&[&bytes[..], b" "].concat()).is_err());
    }

    #[test]
    fn another_format_is_named() {
        for text in [r#"{"artifact":{},"format":1,"seal":"x"}"#, r#"{"format":3}"#] {
            let error = read::<Vec<String>>(text.as_bytes()).unwrap_err();
            assert!(error.ends_with("this version reads format 2"), "{error}");
        }
        // One that is sealed as it should be, too.
        let body = r#"{"content":["a"],"format":3}"#;
        let seal = Digest::of(body);
        let sealed = format!("{},\"seal\":\"{seal}\"}}", body.trim_end_matches('}'));
        let error = read::<Vec<String>>(sealed.as_bytes()).unwrap_err();
        assert_eq!(error, "it has format 3; this version reads format 2");
    }
}
