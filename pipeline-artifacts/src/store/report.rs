use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use pipeline_core::{ArtifactName, Digest};
use semver::Version;

use super::blob::digest_of;
use crate::catalog::FileName;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreReport {
    /// How many blobs were hashed.
    pub blobs: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// How many records of the catalog were read.
    pub records: u64,
    /// Everything that is wrong, sorted by path; at most one problem for each.
    pub problems: Vec<Problem>,
}

impl StoreReport {
    /// Whether nothing is wrong. A view that is [outdated](ProblemKind::Outdated) is no damage: it is made anew.
    pub fn is_good(&self) -> bool {
        self.problems.len() == self.outdated().count()
    }

    /// The views that show less than there is, or what there was.
    pub fn outdated(&self) -> impl Iterator<Item = &Problem> {
        let outdated = |problem: &&Problem| problem.kind == ProblemKind::Outdated;
        self.problems.iter().filter(outdated)
    }

    /// The blobs whose bytes are not what they should be.
    pub(super) fn damaged_blobs(&self) -> impl Iterator<Item = Digest> {
        let damaged = self
            .problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Damaged);
        damaged.filter_map(Problem::blob)
    }
}

impl fmt::Display for StoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outdated = self.outdated().count();
        let blobs = counted(self.blobs, "blob");
        let records = counted(self.records, "record");
        let found = match self.problems.len() - outdated {
            0 => "no problem".to_owned(),
            found => counted(found as u64, "problem"),
        };
        write!(f, "{blobs} with {} bytes, {records}: {found}", self.bytes)?;
        if outdated > 0 {
            write!(f, ", {}", counted(outdated as u64, "outdated view"))?;
        }
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// So many of something.
fn counted(count: u64, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

/// Something that is wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where: relative to the root of the store.
    pub path: PathBuf,
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// What is wrong, in a sentence.
    pub what: String,
    /// The published artifacts that cannot be used because of it.
    pub breaks: BTreeSet<(ArtifactName, Version)>,
}

impl Problem {
    /// The blob that it is about, when it is about one: which storing it again heals.
    pub fn blob(&self) -> Option<Digest> {
        match self.kind {
            ProblemKind::Unexpected | ProblemKind::Outdated => None,
            ProblemKind::Damaged | ProblemKind::Missing | ProblemKind::Unreadable => {
                digest_of(self.path.strip_prefix("blobs/sha256").ok()?.as_os_str())
            }
        }
    }
}

impl Problem {
    /// The name and version whose record it is about, when it is about one: which
    /// [another store](crate::LocalStore::heal_records) may have.
    pub fn record(&self) -> Option<(ArtifactName, Version)> {
        match self.in_catalog()? {
            (name, FileName::Record(version)) => Some((name, version)),
            (_, FileName::Mark(..)) => None,
        }
    }

    /// The name, the version and the number of the [mark](crate::Mark) that it is about, when it is about one: which
    /// [a copy of this store](crate::LocalStore::heal_records) may have.
    pub fn mark(&self) -> Option<(ArtifactName, Version, u32)> {
        match self.in_catalog()? {
            (name, FileName::Mark(version, number)) => Some((name, version, number)),
            (_, FileName::Record(_)) => None,
        }
    }

    /// The file of the catalog that it is about.
    fn in_catalog(&self) -> Option<(ArtifactName, FileName)> {
        if self.kind == ProblemKind::Unexpected {
            return None;
        }
        let (name, file) = self
            .path
            .strip_prefix("catalog")
            .ok()?
            .to_str()?
            .split_once('/')?;
        Some((ArtifactName::new(name).ok()?, FileName::parse(file)?))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.path.display(), self.what)?;
        for (at, (name, version)) in self.breaks.iter().enumerate() {
            let before = if at == 0 { "; it breaks" } else { "," };
            write!(f, "{before} {name} {version}")?;
        }
        Ok(())
    }
}

/// The kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// Its content is not what was stored. Storing a blob again heals it; a view, which is in `layouts`,
    /// [is made anew](crate::LocalStore::write_layouts).
    Damaged,
    /// It is needed and is not there. Storing it again heals it.
    Missing,
    /// It does not belong there. Nothing reads it.
    Unexpected,
    /// The system does not let us read it; or the [limits](crate::Limits) of the store do not let it be unpacked.
    Unreadable,
    /// It is a view that shows less than there is, or what there was: its writer was killed, or a power cut came. Nothing is
    /// lost. The next publication of the name makes it anew, and
    /// [`write_layouts`](crate::LocalStore::write_layouts) does so at once.
    Outdated,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "damaged",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Unreadable => "unreadable",
            Self::Outdated => "outdated",
        })
    }
}
