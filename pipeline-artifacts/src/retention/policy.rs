use std::collections::BTreeMap;

use pipeline_core::{ArtifactName, Digest, Timestamp};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::{Age, Fate, RetentionDecision, RetentionRules};
use crate::{CatalogEntry, InUse, Versions};

/// Which versions are kept, as data. What an environment runs or could go back to, and what is evidence, is kept whatever
/// the rules say: the host passes it as [`InUse`].
///
/// ```
/// use pipeline_artifacts::RetentionPolicy;
///
/// let policy = RetentionPolicy::parse(
///     r#"
///     keep-last = 20
///     keep-per-minor = 1
///     younger-than = "90d"
///
///     [pre-releases]              # judged apart; without this table they count like others
///     keep-last = 3
///     younger-than = "14d"
///
///     [names.shop]                # instead of what stands above, for one name
///     keep-last = 50
///     pinned = ["=1.4.0"]
///     "#,
///     "retention.toml",
/// )?;
/// assert_eq!(policy.rules.keep_last, Some(20));
///
/// let error = RetentionPolicy::parse("keep-lats = 20\n", "retention.toml").unwrap_err();
/// assert!(error.to_string().starts_with("retention.toml:1:1: unknown field `keep-lats`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table")]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// The rules for every name that has none of its own.
    #[serde(flatten)]
    pub rules: RetentionRules,
    /// The rules for pre-releases, when they are judged apart.
    #[serde(rename = "pre-releases", skip_serializing_if = "Option::is_none")]
    pub pre_releases: Option<RetentionRules>,
    /// Policies of names, instead of what stands above. They have no names themselves.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<ArtifactName, RetentionPolicy>,
}

/// The form of the text. (`flatten` and `deny_unknown_fields` do not go together.)
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    keep_last: Option<u32>,
    keep_per_major: Option<u32>,
    keep_per_minor: Option<u32>,
    younger_than: Option<Age>,
    #[serde(default)]
    pinned: Vec<VersionReq>,
    pre_releases: Option<RetentionRules>,
    #[serde(default)]
    names: BTreeMap<ArtifactName, RetentionPolicy>,
}

impl TryFrom<Table> for RetentionPolicy {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        if let Some((name, _)) = table.names.iter().find(|(_, policy)| !policy.names.is_empty()) {
            return Err(format!("the rules of `{name}` have `names` themselves"));
        }
        Ok(Self {
            rules: RetentionRules {
                keep_last: table.keep_last,
                keep_per_major: table.keep_per_major,
                keep_per_minor: table.keep_per_minor,
                younger_than: table.younger_than,
                pinned: table.pinned,
            },
            pre_releases: table.pre_releases,
            names: table.names,
        })
    }
}

impl RetentionPolicy {
    /// Reads a policy written in TOML.
    ///
    /// # Errors
    ///
    /// When the text is no TOML or no policy; the error names file, line and column.
    pub fn parse(text: &str, file: &str) -> Result<Self, RetentionPolicyError> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or(text);
            RetentionPolicyError {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
                message: error.message().to_owned(),
            }
        })
    }

    /// What becomes of every version of a name that is not removed yet, the oldest first. Pure: the same answer for the
    /// same question.
    pub fn decide(&self, versions: &Versions, in_use: &[InUse], now: Timestamp) -> Vec<RetentionDecision> {
        let policy = self.names.get(versions.name()).unwrap_or(self);
        let entries: Vec<&CatalogEntry> = versions.kept().collect();
        let apart = policy.pre_releases.is_some();
        let (pre, releases): (Vec<_>, Vec<_>) = entries
            .iter()
            .copied()
            .partition(|entry| apart && !entry.version.pre.is_empty());
        let pre_rules = policy.pre_releases.as_ref().unwrap_or(&policy.rules);
        let mut reasons: BTreeMap<&Version, Option<String>> = BTreeMap::new();
        for (rules, entries) in [(&policy.rules, releases), (pre_rules, pre)] {
            let judged = entries.iter().zip(rules.judge(&entries, now));
            reasons.extend(judged.map(|(entry, reason)| (&entry.version, reason)));
        }
        let needed = needed(in_use);
        let decide = |entry: &&CatalogEntry| {
            let needed = needed.get(&entry.digest).cloned();
            let kept = needed.or_else(|| reasons.get(&entry.version).cloned().flatten());
            RetentionDecision {
                artifact: entry.reference(versions.name()),
                bytes: entry.bytes,
                fate: if kept.is_some() { Fate::Kept } else { Fate::Removed },
                reason: kept.unwrap_or_else(|| "no rule keeps it, and nobody needs it".to_owned()),
            }
        };
        entries.iter().map(decide).collect()
    }
}

/// Why digests are needed, all reasons together.
fn needed(in_use: &[InUse]) -> BTreeMap<Digest, String> {
    let mut needed: BTreeMap<Digest, String> = BTreeMap::new();
    for used in in_use {
        needed
            .entry(used.digest)
            .and_modify(|reasons| *reasons = format!("{reasons}; {}", used.reason))
            .or_insert_with(|| used.reason.clone());
    }
    needed
}

/// A text that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct RetentionPolicyError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}
