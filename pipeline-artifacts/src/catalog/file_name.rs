//! The names of the catalog's files.

use pipeline_core::{ArtifactName, ArtifactRef};
use semver::Version;

use super::publication::plain;
use super::{Mark, Publication, sealed};

/// What a file is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileName {
    /// The record of a version.
    Record(Version),
    /// A mark of a version, with its number from 1.
    Mark(Version, u32),
}

/// Never part of a semantic version.
const BETWEEN: char = '~';

impl FileName {
    /// The name of a version's record.
    pub(crate) fn record(version: &Version) -> String {
        format!("{}.json", plain(version))
    }

    /// The name of a version's mark.
    pub(crate) fn mark(version: &Version, number: u32) -> String {
        format!("{}{BETWEEN}{number}.json", plain(version))
    }

    /// Reads a name that one of the above gives, and no other.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".json")?;
        let (version, number) = match stem.split_once(BETWEEN) {
            None => (stem, None),
            Some((version, number)) => (version, Some(number.parse::<u32>().ok().filter(|n| *n > 0)?)),
        };
        let version: Version = version.parse().ok()?;
        let (spelt, found) = match number {
            None => (Self::record(&version), Self::Record(version)),
            Some(number) => (Self::mark(&version, number), Self::Mark(version, number)),
        };
        (spelt == name).then_some(found)
    }

    /// What a record says that lies under a wrong name.
    pub(crate) fn misplaced(bytes: &[u8]) -> Option<ArtifactRef> {
        sealed::read::<Publication>(bytes)
            .ok()
            .map(|found| found.artifact)
    }

    /// Checks the bytes of a file of this name; the artifact, when it is a record.
    pub(crate) fn check(&self, bytes: &[u8], name: &ArtifactName) -> Result<Option<ArtifactRef>, String> {
        match self {
            Self::Record(version) => {
                Publication::read(bytes, name, version).map(|found| Some(found.artifact))
            }
            Self::Mark(version, number) => Mark::read(bytes, name, version, *number).map(|_| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_each_file() {
        let v = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(
            FileName::parse("1.0.0-a.1.json"),
            Some(FileName::Record(v("1.0.0-a.1")))
        );
        assert_eq!(
            FileName::parse("1.0.0~12.json"),
            Some(FileName::Mark(v("1.0.0"), 12))
        );
        assert_eq!(FileName::record(&v("1.0.0+b")), "1.0.0.json");
        for other in [
            "1.0.0",
            "1.0.json",
            "1.0.0~0.json",
            "1.0.0~01.json",
            "1.0.0~.json",
            "1.0.0~+1.json",
            "1.0.0+b.json",
            "01.0.0.json",
            ".json",
            "1.0.0~1~2.json",
            "1.0.0.json~",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
