//! Checked names.
//!
//! Names become parts of paths, stream ids and reports, so all of them obey one rule: 1 to 64 bytes of
//! lower-case ASCII letters, digits, `-`, `_` and `.`, starting with a letter or a digit. A name that
//! breaks the rule cannot be built, not even by deserialising it.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text_form::from_text;

/// The longest name, in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{name}` is not a name: {reason}")]
pub struct NameError {
    what: &'static str,
    name: String,
    reason: &'static str,
}

impl NameError {
    /// The text that was refused.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    let refuse = |reason| {
        let mut shown: String = name.chars().take(MAX_NAME_LEN + 1).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        Err(NameError {
            what,
            name: shown,
            reason,
        })
    };
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > MAX_NAME_LEN {
        return refuse("it is longer than 64 bytes");
    }
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !name.as_bytes().first().is_some_and(plain) {
        return refuse("it must start with a lower-case letter or a digit");
    }
    let allowed = |byte: &u8| plain(byte) || matches!(byte, b'-' | b'_' | b'.');
    if !name.as_bytes().iter().all(allowed) {
        return refuse("only lower-case letters, digits, `-`, `_` and `.` are allowed");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// See the [module](crate::name) for the rule. Cloning is cheap.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and keeps a name.
            ///
            /// # Errors
            ///
            /// When the text breaks the rule for names.
            pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
                let name = name.as_ref();
                check($what, name)?;
                Ok(Self(Arc::from(name)))
            }

            /// Checks a text that somebody has already, and keeps it without a copy.
            #[allow(dead_code, reason = "few kinds of names come so")]
            pub(crate) fn shared(name: Arc<str>) -> Result<Self, NameError> {
                check($what, &name)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<&str> for $type {
            type Error = NameError;

            fn try_from(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }
    };
}

name! {
    /// The name of a pipeline.
    PipelineName, "pipeline"
}
name! {
    /// The name of a stage, unique in its pipeline.
    StageName, "stage"
}
name! {
    /// The name of an environment. Its deployments are one stream, so the name is unique in a journal.
    EnvironmentName, "environment"
}
name! {
    /// The name of an artifact; with a semantic version it names one manifest for ever.
    ArtifactName, "artifact"
}
name! {
    /// The name of a component: what is deployed and measured as one thing ("service" in DORA's words).
    ComponentName, "component"
}
name! {
    /// The name of a fact: a small value that a stage reports, or that an environment declares of itself.
    FactName, "fact"
}
name! {
    /// The name of a fold whose state is kept beside a journal.
    FoldName, "fold"
}
name! {
    /// The name of a pool: something of which there is only so much.
    PoolName, "pool"
}
name! {
    /// The type of a stage, gate or environment, such as `command`; a registry maps it to code.
    TypeName, "type"
}
name! {
    /// The kind of a piece of evidence, such as `change` or `test-result`.
    EvidenceKind, "evidence kind"
}
name! {
    /// Identifies a run. Made by [`RunId::generate`], or by a host that has ids of its own.
    RunId, "run"
}

impl RunId {
    /// Makes an id that sorts by time: `20261120-230145-1f3a9c`, UTC, then 24 bits of chance.
    ///
    /// ```
    /// use pipeline_core::{RunId, Timestamp};
    ///
    /// let at: Timestamp = "2026-11-20T23:01:45Z".parse()?;
    /// assert_eq!(RunId::generate(at, 0x1f3a9c).as_str(), "20261120-230145-1f3a9c");
    /// # Ok::<(), jiff::Error>(())
    /// ```
    pub fn generate(at: crate::Timestamp, entropy: u64) -> Self {
        let date = at.to_string();
        let digits: String = date.chars().filter(char::is_ascii_digit).take(14).collect();
        let (day, time) = digits.split_at(8.min(digits.len()));
        Self(format!("{day}-{time}-{:06x}", entropy & 0xff_ffff).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_obey_one_rule() {
        for good in ["a", "0", "deploy-production", "a.b_c-1", &"x".repeat(64)] {
            assert_eq!(StageName::new(good).unwrap(), *good);
        }
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "_a",
            "A",
            "a/b",
            "a b",
            "ä",
            "a\n",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(StageName::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_name_that_breaks_the_rule_cannot_be_deserialised() {
        assert!(serde_json::from_str::<StageName>(r#""../x""#).is_err());
        assert_eq!(serde_json::from_str::<StageName>(r#""x""#).unwrap(), "x");
    }

    #[test]
    fn a_refused_name_is_shown_shortened() {
        let error = StageName::new("x".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
