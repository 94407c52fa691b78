use std::fmt;
use std::str::FromStr;

use pipeline_core::{ArtifactName, Digest};
use semver::{Version, VersionReq};

use super::Selection;

/// The beginning of a digest: 4 to 64 lower-case hexadecimal digits, with or without `sha256:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestPrefix(String);

/// Fewer hexadecimal digits than this name nothing.
const MIN_DIGITS: usize = 4;

impl DigestPrefix {
    /// Whether a digest begins so.
    pub fn is_of(&self, digest: &Digest) -> bool {
        digest
            .as_bytes()
            .iter()
            .zip(self.0.as_bytes().chunks(2))
            .all(|(byte, digits)| {
                let nibble = |digit: u8| match digit {
                    b'0'..=b'9' => digit - b'0',
                    _ => digit.wrapping_sub(b'a' - 10),
                };
                byte >> 4 == nibble(digits[0]) && digits.get(1).is_none_or(|low| byte & 15 == nibble(*low))
            })
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl FromStr for DigestPrefix {
    type Err = QueryParseError;

    fn from_str(text: &str) -> Result<Self, QueryParseError> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if (MIN_DIGITS..=64).contains(&hex.len()) && hex.chars().all(digit) {
            Ok(Self(hex.to_owned()))
        } else {
            Err(QueryParseError::new(
                text,
                "expected 4 to 64 lower-case hexadecimal digits of a digest",
            ))
        }
    }
}

/// What to look for in a catalog. Written as people type it:
///
/// | text | what |
/// |---|---|
/// | `shop` | the newest release |
/// | `shop@1.4.0`, `shop@1.5.0-rc.1` | that version, also when it was yanked |
/// | `shop@^1.2`, `shop@>=1, <3` | the newest that the requirement allows |
/// | `shop@sha256:9e37`, `sha256:9e37` | what has a digest that begins so |
/// | `shop@revision:1f3a`, `revision:1f3a` | what was built from a revision whose id begins so |
///
/// Three numbers are one version, not Cargo's `^`: what people copy out of a list is what they get.
///
/// ```
/// use pipeline_artifacts::ArtifactQuery;
///
/// let query: ArtifactQuery = "shop@^1.2".parse()?;
/// assert_eq!(query.to_string(), "shop@^1.2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactQuery {
    /// One version.
    Exact(ArtifactName, Version),
    /// The newest of a selection.
    Newest(ArtifactName, Selection),
    /// By the digest of the manifest, under one name or all.
    Digest(Option<ArtifactName>, DigestPrefix),
    /// By the revision that it was built from, under one name or all.
    Revision(Option<ArtifactName>, String),
}

impl ArtifactQuery {
    /// Lets the newest be a pre-release.
    #[must_use]
    pub fn with_pre_releases(self) -> Self {
        match self {
            Self::Newest(name, selection) => Self::Newest(name, selection.with_pre_releases()),
            other => other,
        }
    }
}

const SHA256: &str = "sha256:";
const REVISION: &str = "revision:";

impl FromStr for ArtifactQuery {
    type Err = QueryParseError;

    fn from_str(text: &str) -> Result<Self, QueryParseError> {
        let wrong = |what: &dyn fmt::Display| QueryParseError::new(text, what);
        let (name, what) = match text.split_once('@') {
            Some((name, what)) => (Some(name), what),
            None if text.starts_with(SHA256) || text.starts_with(REVISION) => (None, text),
            None => (Some(text), "*"),
        };
        let name: Option<ArtifactName> = name.map(str::parse).transpose().map_err(|error| wrong(&error))?;
        if what.starts_with(SHA256) {
            return Ok(Self::Digest(name, what.parse()?));
        }
        if let Some(id) = what.strip_prefix(REVISION) {
            return match id.is_empty() || id.contains(char::is_whitespace) {
                true => Err(wrong(
                    &"expected the beginning of a revision's id behind `revision:`",
                )),
                false => Ok(Self::Revision(name, id.to_owned())),
            };
        }
        // Only digests and revisions come without a name.
        let name = name.ok_or_else(|| wrong(&"expected a name"))?;
        if let Ok(version) = what.trim().parse() {
            return Ok(Self::Exact(name, version));
        }
        if what.trim().is_empty() {
            return Err(wrong(&"there is nothing behind `@`"));
        }
        let requirement: VersionReq = what.parse().map_err(|error| {
            wrong(&format!(
                "expected a version, a requirement such as `^1.2`, `sha256:…` or `revision:…` behind `@`: {error}"
            ))
        })?;
        Ok(Self::Newest(name, Selection::range(requirement)))
    }
}

impl fmt::Display for ArtifactQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Exact(name, _) | Self::Newest(name, _) => Some(name),
            Self::Digest(name, _) | Self::Revision(name, _) => name.as_ref(),
        };
        if let Some(name) = name {
            write!(f, "{name}@")?;
        }
        match self {
            Self::Exact(_, version) => write!(f, "{version}"),
            Self::Newest(_, selection) => write!(f, "{}", selection.requirement()),
            Self::Digest(_, prefix) => write!(f, "{prefix}"),
            Self::Revision(_, id) => write!(f, "{REVISION}{id}"),
        }
    }
}

/// A text that is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no artifact: {reason}")]
pub struct QueryParseError {
    text: String,
    reason: String,
}

impl QueryParseError {
    fn new(text: &str, reason: impl fmt::Display) -> Self {
        Self {
            text: text.chars().take(100).collect(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_written_as_they_are_read() {
        for text in [
            "shop@*",
            "shop@1.4.0",
            "shop@1.5.0-rc.1+b",
            "shop@^1.2",
            "shop@>=1, <3",
            "shop@sha256:9e37",
            "sha256:9e37",
            "revision:1f3a",
            "shop@revision:1f3a",
        ] {
            let query: ArtifactQuery = text.parse().unwrap();
            assert_eq!(query.to_string(), text);
        }
        assert_eq!("shop".parse::<ArtifactQuery>().unwrap().to_string(), "shop@*");
        // Three numbers are one version, however they were copied.
        let query: ArtifactQuery = "shop@ 1.4.0 ".parse().unwrap();
        assert!(matches!(query, ArtifactQuery::Exact(..)), "{query:?}");
    }

    #[test]
    fn other_texts_say_what_is_expected() {
        let errors: Vec<_> = [
            "",
            "Shop",
            "shop@",
            "shop@newest",
            "sha256:abc",
            "shop@sha256:WXYZ",
            "@1.0.0",
            "revision:",
            "revision:a b",
        ]
        .iter()
        .map(|text| text.parse::<ArtifactQuery>().unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(errors.join("\n"), @r"
            `` names no artifact: artifact `` is not a name: it is empty
            `Shop` names no artifact: artifact `Shop` is not a name: it must start with a lower-case letter or a digit
            `shop@` names no artifact: there is nothing behind `@`
            `shop@newest` names no artifact: expected a version, a requirement such as `^1.2`, `sha256:…` or `revision:…` behind `@`: unexpected character 'n' while parsing major version number
            `sha256:abc` names no artifact: expected 4 to 64 lower-case hexadecimal digits of a digest
            `sha256:WXYZ` names no artifact: expected 4 to 64 lower-case hexadecimal digits of a digest
            `@1.0.0` names no artifact: artifact `` is not a name: it is empty
            `revision:` names no artifact: expected the beginning of a revision's id behind `revision:`
            `revision:a b` names no artifact: expected the beginning of a revision's id behind `revision:`
            ");
    }

    #[test]
    fn a_prefix_may_end_within_a_byte() {
        let digest = Digest::of("abc"); // ba7816bf…
        for (text, is) in [
            ("ba78", true),
            ("ba781", true),
            ("ba782", false),
            ("sha256:ba7816bf", true),
            ("aa78", false),
            ("ba79", false),
        ] {
            assert_eq!(text.parse::<DigestPrefix>().unwrap().is_of(&digest), is, "{text}");
        }
        assert!(digest.to_string().parse::<DigestPrefix>().unwrap().is_of(&digest));
    }
}
