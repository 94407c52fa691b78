use std::collections::BTreeMap;

use pipeline_core::Timestamp;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

use super::Age;
use crate::{CatalogEntry, Selection};

/// Which versions of a name are kept. A version is kept when one rule keeps it; without any rule all are.
///
/// Versions that were yanked do not count among the last, so that they do not push good ones out; they are kept by their
/// age, by pins, and by who needs them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct RetentionRules {
    /// So many of the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// So many of the newest of each major version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_per_major: Option<u32>,
    /// So many of the newest of each minor version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_per_minor: Option<u32>,
    /// What was published no longer ago than this. What has no known time of publication is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub younger_than: Option<Age>,
    /// What one of these requirements allows, yanked or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<VersionReq>,
}

impl RetentionRules {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why versions are kept, for each of these, the oldest first; `None` where no rule does.
    pub(super) fn judge(&self, entries: &[&CatalogEntry], now: Timestamp) -> Vec<Option<String>> {
        let mut reasons = vec![None; entries.len()];
        if self.is_empty() {
            reasons.fill(Some("there is no rule for it".to_owned()));
            return reasons;
        }
        let youngest = self.younger_than.map(|age| (age, age.before(now)));
        let mut counts = Counts::default();
        // The newest first, so that counting counts the newest.
        for (entry, reason) in entries.iter().zip(&mut reasons).rev() {
            let counted = counts.count(entry);
            *reason = self
                .pin(entry)
                .or_else(|| self.among_the_last(entry, counted))
                .or_else(|| youngest.and_then(|(age, since)| young(entry, age, since)));
        }
        reasons
    }

    fn pin(&self, entry: &CatalogEntry) -> Option<String> {
        let pinned = |pin: &&VersionReq| Selection::range((*pin).clone()).includes(&entry.version);
        self.pinned
            .iter()
            .find(pinned)
            .map(|pin| format!("it is pinned by `{pin}`"))
    }

    fn among_the_last(&self, entry: &CatalogEntry, counted: Option<Counted>) -> Option<String> {
        let counted = counted?;
        let (major, minor) = (entry.version.major, entry.version.minor);
        let rules = [
            (self.keep_last, counted.all, "".to_owned()),
            (self.keep_per_major, counted.major, format!(" of {major}")),
            (self.keep_per_minor, counted.minor, format!(" of {major}.{minor}")),
        ];
        rules.into_iter().find_map(|(most, at, of)| match most {
            Some(1) if at == 1 => Some(format!("it is the last{of}")),
            Some(most) if at <= most => Some(format!("it is among the last {most}{of}")),
            _ => None,
        })
    }
}

/// How many versions there are from the newest to this one.
#[derive(Debug, Clone, Copy)]
struct Counted {
    all: u32,
    major: u32,
    minor: u32,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    majors: BTreeMap<u64, u32>,
    minors: BTreeMap<(u64, u64), u32>,
}

impl Counts {
    fn count(&mut self, entry: &CatalogEntry) -> Option<Counted> {
        if entry.yanked {
            return None;
        }
        let version = &entry.version;
        self.all += 1;
        let major = self.majors.entry(version.major).or_default();
        *major += 1;
        let minor = self.minors.entry((version.major, version.minor)).or_default();
        *minor += 1;
        Some(Counted {
            all: self.all,
            major: *major,
            minor: *minor,
        })
    }
}

fn young(entry: &CatalogEntry, age: Age, since: Timestamp) -> Option<String> {
    match entry.published_at {
        None => Some("nobody knows when it was published".to_owned()),
        Some(at) if at > since => Some(format!("it is younger than {age}")),
        Some(_) => None,
    }
}
