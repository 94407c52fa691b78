use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::CommitGraph;

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub sha: Arc<str>,
    /// When it was written: the author's time.
    pub authored: Timestamp,
    /// When it came into the history: the committer's time. A rebase changes it.
    pub committed: Timestamp,
    /// The ids of its parents; more than one is a merge.
    pub parents: Vec<Arc<str>>,
    /// The commit that it takes back, if its message says so.
    pub reverts: Option<Arc<str>>,
}

/// A tag of a repository: a deployment, if tags are deployments there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: Arc<str>,
    /// The commit.
    pub sha: Arc<str>,
    /// When it was created; of a tag without a message, the time of its commit.
    pub at: Timestamp,
}

/// Which of the two times of a commit starts the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitTime {
    /// When it was written.
    #[default]
    Authored,
    /// When it came into the history.
    Committed,
}

/// A repository's history as a source of deliveries: a tag is a deployment, and brings the commits that no
/// earlier tag contains; a revert is a failure.
///
/// Tags are taken in the order of their time, those of one time by name, so a tag for an old branch that was
/// made late contains what it contains first only if no other tag did. A tag without new commits is a
/// deployment that brings nothing new: of the 310 tags of Apache `DevLake` 31 are.
///
/// ```
/// use pipeline_metrics::{Commit, GitHistory, Tag};
///
/// let commit = |sha: &str, parents: &[&str], hour: i64| Commit {
///     sha: sha.into(),
///     authored: jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(hour),
///     committed: jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(hour),
///     parents: parents.iter().map(|sha| (*sha).into()).collect(),
///     reverts: None,
/// };
/// let tag = |name: &str, sha: &str, hour: i64| Tag {
///     name: name.into(),
///     sha: sha.into(),
///     at: jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(hour),
/// };
/// let history = GitHistory {
///     commits: vec![commit("c", &["b"], 3), commit("b", &["a"], 2), commit("a", &[], 1)],
///     tags: vec![tag("v2", "c", 9), tag("v1", "b", 5), tag("v1-again", "b", 6)],
/// };
/// let releases = history.releases();
/// let brought: Vec<_> = releases.iter().map(|one| (&*one.tag.name, one.new.len())).collect();
/// assert_eq!(brought, [("v1", 2), ("v1-again", 0), ("v2", 1)]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitHistory {
    /// The commits, in any order.
    pub commits: Vec<Commit>,
    /// The tags that are deployments, in any order.
    pub tags: Vec<Tag>,
}

/// A tag and what it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedRelease<'g> {
    /// The tag.
    pub tag: &'g Tag,
    /// The commits that no earlier tag contains, nearest first.
    pub new: Vec<&'g Commit>,
}

/// A commit that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reverted<'g> {
    /// The commit that takes it back.
    pub revert: &'g Commit,
    /// The commit; `None` when the history does not hold it, as after a squash.
    pub reverted: Option<&'g Commit>,
    /// The first tag that contains the commit: it delivered something that had to be taken back.
    pub tag: Option<&'g Tag>,
    /// The first tag that contains the revert.
    pub mended: Option<&'g Tag>,
}

impl GitHistory {
    /// The commits and their parents.
    pub fn graph(&self) -> CommitGraph {
        let mut graph = CommitGraph::new();
        for commit in &self.commits {
            graph.add(&commit.sha, commit.parents.iter().map(|sha| &**sha));
        }
        graph
    }

    /// The tags by time, with what each brought first.
    pub fn releases(&self) -> Vec<TaggedRelease<'_>> {
        let commits: HashMap<&str, &Commit> = self.commits.iter().map(|one| (&*one.sha, one)).collect();
        let mut tags: Vec<_> = self.tags.iter().collect();
        tags.sort_by_key(|tag| (tag.at, &tag.name));
        let graph = self.graph();
        let found = graph.first_heads(tags.iter().map(|tag| &*tag.sha));
        let releases = tags.into_iter().zip(found).map(|(tag, shas)| TaggedRelease {
            tag,
            new: shas
                .into_iter()
                .filter_map(|sha| commits.get(&**sha).copied())
                .collect(),
        });
        releases.collect()
    }

    /// The commits that were taken back, by the time of the first revert. One that several commits take back, on
    /// branches of their own, is there once with each.
    pub fn reverted(&self) -> Vec<Reverted<'_>> {
        let releases = self.releases();
        let mut tags: HashMap<&str, &Tag> = HashMap::new();
        for release in &releases {
            tags.extend(release.new.iter().map(|commit| (&*commit.sha, release.tag)));
        }
        let commits: BTreeMap<&str, &Commit> = self.commits.iter().map(|one| (&*one.sha, one)).collect();
        let mut reverted: Vec<_> = self
            .commits
            .iter()
            .filter_map(|revert| {
                let reverted = find(&commits, revert.reverts.as_deref()?);
                Some(Reverted {
                    revert,
                    reverted,
                    tag: reverted.and_then(|one| tags.get(&*one.sha).copied()),
                    mended: tags.get(&*revert.sha).copied(),
                })
            })
            .collect();
        reverted.sort_by_key(|one| (one.revert.committed, &one.revert.sha));
        reverted
    }
}

/// A message may shorten the id. What is short for two commits is none of them.
fn find<'g>(commits: &BTreeMap<&str, &'g Commit>, sha: &str) -> Option<&'g Commit> {
    const SHORTEST: usize = 7;
    if let Some(commit) = commits.get(sha) {
        return Some(commit);
    }
    if sha.len() < SHORTEST {
        return None;
    }
    let mut alike = commits
        .range(sha..)
        .take_while(|(other, _)| other.starts_with(sha));
    let (_, commit) = alike.next()?;
    alike.next().is_none().then_some(*commit)
}

/// The commit that a message says it takes back: `This reverts commit SHA`, as `git revert` writes it.
pub fn revert_in_message(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("This reverts commit ")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    let sha = &rest[..end];
    (sha.len() >= 7).then_some(sha)
}
