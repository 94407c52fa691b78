use std::fmt;

use pipeline_core::{Actor, ArtifactName, StoreError, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::publication::plain;
use super::sealed;

/// The longest reason, in bytes.
const MAX_REASON: usize = 1024;

/// What happened to a version after it was published: one small file, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Mark {
    /// The name.
    pub name: ArtifactName,
    /// The version, without build metadata.
    pub version: Version,
    /// Which mark of this version it is, from 1.
    pub number: u32,
    /// What happened.
    pub kind: MarkKind,
    /// Why.
    pub reason: String,
    /// Who did it; `None` when the catalog did it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What happened to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MarkKind {
    /// It is not selected any more, and stays readable.
    Yanked,
    /// It is selected again.
    Unyanked,
    /// Retention gave it up: its bytes may be gone. Its version stays taken.
    Removed,
    /// The same bytes were published again.
    Restored,
}

impl fmt::Display for MarkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yanked => "yanked",
            Self::Unyanked => "unyanked",
            Self::Removed => "removed",
            Self::Restored => "restored",
        })
    }
}

/// How a version stands: what its marks come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Why it is not selected.
    pub yanked: Option<Mark>,
    /// Why its bytes may be gone.
    pub removed: Option<Mark>,
    /// How many marks it has.
    pub marks: u32,
}

impl Standing {
    /// The one place where the standing changes.
    pub(crate) fn apply(&mut self, mark: Mark) {
        self.marks = mark.number;
        match mark.kind {
            MarkKind::Yanked => self.yanked = Some(mark),
            MarkKind::Unyanked => self.yanked = None,
            MarkKind::Removed => self.removed = Some(mark),
            MarkKind::Restored => self.removed = None,
        }
    }

    /// Whether a mark of this kind would change nothing.
    pub(super) fn is_already(&self, kind: MarkKind) -> bool {
        match kind {
            MarkKind::Yanked => self.yanked.is_some(),
            MarkKind::Unyanked => self.yanked.is_none(),
            MarkKind::Removed => self.removed.is_some(),
            MarkKind::Restored => self.removed.is_none(),
        }
    }
}

/// Why, who and when: what the author of a mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    pub(super) reason: String,
    pub(super) by: Option<Actor>,
    pub(super) at: Option<Timestamp>,
}

impl Because {
    /// A reason, and whose it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the reason is empty, longer than 1024 bytes, or has control characters.
    pub fn new(reason: &str, by: Actor, at: Timestamp) -> Result<Self, StoreError> {
        let fault = if reason.trim().is_empty() {
            "it is empty: say why, for those who look for the version"
        } else if reason.len() > MAX_REASON {
            "it is longer than 1024 bytes"
        } else if reason.contains(char::is_control) {
            "it has control characters"
        } else {
            return Ok(Self {
                reason: reason.to_owned(),
                by: Some(by),
                at: Some(at),
            });
        };
        Err(StoreError::Refused {
            what: "the reason".to_owned(),
            reason: fault.to_owned(),
        })
    }

    /// What the catalog does by itself.
    pub(super) fn itself(reason: &str, at: Option<Timestamp>) -> Self {
        Self {
            reason: reason.to_owned(),
            by: None,
            at,
        }
    }
}

impl Mark {
    pub(super) fn new(
        name: &ArtifactName,
        version: &Version,
        number: u32,
        kind: MarkKind,
        why: &Because,
    ) -> Self {
        Self {
            name: name.clone(),
            version: plain(version),
            number,
            kind,
            reason: why.reason.clone(),
            by: why.by.clone(),
            at: why.at,
        }
    }

    /// The bytes of its file.
    pub(super) fn record(&self) -> Result<Vec<u8>, StoreError> {
        sealed::write(self).map_err(|error| StoreError::Other(Box::new(error)))
    }

    /// Reads a mark, which must be this one of this name and version.
    pub(super) fn read(
        bytes: &[u8],
        name: &ArtifactName,
        version: &Version,
        number: u32,
    ) -> Result<Self, String> {
        let found: Self = sealed::read(bytes)?;
        if found.name == *name && found.version == plain(version) && found.number == number {
            Ok(found)
        } else {
            Err(format!(
                "it is mark {} of {} {}",
                found.number, found.name, found.version
            ))
        }
    }
}
