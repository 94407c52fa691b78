use std::collections::HashMap;

use super::{Commit, CommitTime, GitHistory};
use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Facts, Incident, Phases,
    Recovery, Sha,
};

/// How a repository's history becomes facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOptions {
    /// The component that the repository is.
    pub component: String,
    /// The environment that its tags are deployed to.
    pub environment: String,
    /// Which time of a commit starts the clock.
    pub clock: CommitTime,
    /// Whether merges are changes too. They mostly bring nothing of their own.
    pub merges: bool,
}

impl GitOptions {
    /// A component in production, from the author's time, without merges.
    pub fn new(component: impl Into<String>) -> Self {
        Self {
            component: component.into(),
            environment: "production".to_owned(),
            clock: CommitTime::Authored,
            merges: false,
        }
    }

    /// The id of the deployment that a tag is. Repositories have tags of the same name.
    fn deployment(&self, tag: &str) -> String {
        format!("{}@{tag}", self.component)
    }
}

impl GitHistory {
    /// Adds the history's facts.
    ///
    /// | of the history | fact |
    /// |---|---|
    /// | a commit | a change; its source is its number, by time |
    /// | a tag | a planned deployment that succeeded, `COMPONENT@TAG`, with the commits that no earlier tag contains |
    /// | a revert of a commit that a tag contains | an incident, opened when the revert was committed, the fault of that tag; over with the first tag that contains the revert. If that is the same tag, users never had it alone, and there is no incident |
    pub fn facts(&self, options: &GitOptions, facts: &mut Facts) {
        let stream = format!("commits/{}", options.component);
        let tags = format!("tags/{}", options.component);
        let counts = |commit: &&Commit| options.merges || commit.parents.len() < 2;
        let mut commits: Vec<_> = self.commits.iter().collect();
        commits.sort_by_key(|commit| (commit.committed, &commit.sha));
        let numbers: HashMap<&str, u64> = commits.iter().map(|commit| &*commit.sha).zip(1..).collect();
        let source = |sha: &str| FactSource::Event {
            stream: &stream,
            position: numbers.get(sha).copied().unwrap_or(0),
        };
        for commit in commits.into_iter().filter(counts) {
            facts.add(Fact::Change(Change {
                component: &options.component,
                sha: Sha::new(&commit.sha),
                at: match options.clock {
                    CommitTime::Authored => commit.authored,
                    CommitTime::Committed => commit.committed,
                },
                phases: Phases::default(),
                source: source(&commit.sha),
            }));
        }
        for (release, position) in self.releases().into_iter().zip(1..) {
            let changes = release.new.into_iter().filter(counts);
            let id = options.deployment(&release.tag.name);
            facts.add(Fact::Deployment(Deployment {
                id: &id,
                component: &options.component,
                environment: &options.environment,
                production: Some(true),
                started: None,
                finished: release.tag.at,
                result: DeploymentResult::Success,
                kind: DeploymentKind::Planned,
                version: Some(&release.tag.name),
                release: None,
                team: None,
                changes: changes.map(|commit| Sha::new(&commit.sha)).collect(),
                source: FactSource::Event {
                    stream: &tags,
                    position,
                },
            }));
        }
        for one in self.reverted() {
            let alone = |tag: &&super::Tag| one.mended.is_none_or(|mended| mended.name != tag.name);
            let Some(tag) = one.tag.filter(alone) else {
                continue;
            };
            let id = format!("{} revert {}", options.component, one.revert.sha);
            let deployment = options.deployment(&tag.name);
            facts.add(Fact::Incident(Incident {
                id: &id,
                component: &options.component,
                environment: Some(&options.environment),
                opened: one.revert.committed,
                deployment: Some(&deployment),
                changes: Vec::new(),
                source: source(&one.revert.sha),
            }));
            if let Some(mended) = one.mended {
                facts.add(Fact::Recovery(Recovery {
                    incident: &id,
                    at: mended.at,
                    source: source(&one.revert.sha),
                }));
            }
        }
    }
}
