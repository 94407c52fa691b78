use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::base64;
use crate::Digest;

/// Describes something: a file, a source, a tool. As in-toto's
/// [`ResourceDescriptor`](https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md).
///
/// One of `uri`, `digest` and `content` must say what it is. Fields that the specification does not know are left
/// out when it is read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// What people call it; unique among its neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests by algorithm, such as `sha256` or `gitCommit`: lower-case hexadecimal digits, without a prefix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// Its bytes, if they are few; base64 in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64::optional")]
    pub content: Option<Vec<u8>>,
    /// Where it can be had, if not at `uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// The type of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

/// How many hexadecimal digits the digests have whose algorithm is known.
const LENGTHS: [(&str, &[usize]); 15] = [
    ("gitBlob", &[40, 64]),
    ("gitCommit", &[40, 64]),
    ("gitTag", &[40, 64]),
    ("gitTree", &[40, 64]),
    ("md5", &[32]),
    ("sha1", &[40]),
    ("sha224", &[56]),
    ("sha256", &[64]),
    ("sha384", &[96]),
    ("sha512", &[128]),
    ("sha512_224", &[56]),
    ("sha512_256", &[64]),
    ("sha3_256", &[64]),
    ("sha3_384", &[96]),
    ("sha3_512", &[128]),
];

impl ResourceDescriptor {
    /// Something with a name and a SHA-256 digest.
    pub fn sha256(name: impl Into<String>, digest: Digest) -> Self {
        Self {
            name: Some(name.into()),
            digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]),
            ..Self::default()
        }
    }

    /// Something with a name and an identifier.
    pub fn uri(name: impl Into<String>, uri: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            uri: Some(uri.into()),
            ..Self::default()
        }
    }

    /// Whether it has this SHA-256 digest.
    pub fn has_sha256(&self, digest: &Digest) -> bool {
        self.digest.get("sha256").is_some_and(|hex| *hex == digest.hex())
    }

    /// What the specification asks of every descriptor.
    pub(super) fn check(&self) -> Result<(), String> {
        let says = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        if !says(&self.uri) && self.digest.is_empty() && self.content.is_none() {
            return Err("it needs a `uri`, a `digest` or a `content`".to_owned());
        }
        self.digest
            .iter()
            .try_for_each(|(name, value)| check_digest(name, value))
    }
}

fn check_digest(name: &str, value: &str) -> Result<(), String> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let good = match LENGTHS.iter().find(|(known, _)| *known == name) {
        Some((_, lengths)) => lengths.contains(&value.len()) && value.chars().all(hex),
        // Another algorithm, with its own way of writing.
        None => !name.is_empty() && !value.is_empty(),
    };
    if good {
        return Ok(());
    }
    let shown = |text: &str| text.escape_debug().take(140).collect::<String>();
    Err(format!(
        "`{}` is no digest of kind `{}`",
        shown(value),
        shown(name)
    ))
}

pub(super) fn check_all(field: &str, list: &[ResourceDescriptor]) -> Result<(), String> {
    for (index, resource) in list.iter().enumerate() {
        resource
            .check()
            .map_err(|reason| format!("`{field}[{index}]`: {reason}"))?;
    }
    Ok(())
}
