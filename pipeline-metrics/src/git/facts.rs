use super::{Commit, CommitTime, GitHistory};
use crate::source::{DeploymentRecord, PhaseTimes};
use crate::{DeploymentKind, DeploymentResult, Facts, Origin};

/// How a repository's history becomes facts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
}

impl GitHistory {
    /// Adds the history's facts.
    ///
    /// | of the history | fact |
    /// |---|---|
    /// | a commit | a change; its source names the commit |
    /// | a tag | a planned deployment that succeeded, with the commits that no earlier tag contains |
    /// | a revert of a commit that a tag contains | an incident, opened when the revert was committed, the fault of that tag; over with the first tag that contains the revert. If that is the same tag, users never had it alone, and there is no incident |
    pub fn facts(&self, options: &GitOptions, facts: &mut Facts) {
        let origin = |kind: &str, name: &str| Origin::Event {
            stream: format!("{kind}/{name}").into(),
            position: 0,
        };
        let counts = |commit: &&Commit| options.merges || commit.parents.len() < 2;
        for commit in self.commits.iter().filter(counts) {
            let at = match options.clock {
                CommitTime::Authored => commit.authored,
                CommitTime::Committed => commit.committed,
            };
            let phases = PhaseTimes::default();
            let origin = origin("commit", &commit.sha);
            facts.put_change(&options.component, &commit.sha, at, phases, &origin);
        }
        for release in self.releases() {
            let changes = release.new.into_iter().filter(counts);
            let record = DeploymentRecord {
                id: &release.tag.name,
                component: &options.component,
                environment: &options.environment,
                started: None,
                finished: release.tag.at,
                result: DeploymentResult::Success,
                kind: DeploymentKind::Planned,
                version: Some(&release.tag.name),
                release: None,
                team: None,
                changes: changes.map(|commit| &*commit.sha).collect(),
            };
            facts.put_deployment(record, &origin("tag", &release.tag.name));
        }
        for one in self.reverted() {
            let Some(tag) = one
                .tag
                .filter(|tag| one.mended.is_none_or(|mended| mended.name != tag.name))
            else {
                continue;
            };
            let id = format!("revert {}", one.revert.sha);
            let origin = origin("commit", &one.revert.sha);
            facts.put_incident(
                &id,
                &options.component,
                Some(&options.environment),
                one.revert.committed,
                Some(&tag.name),
                &origin,
            );
            if let Some(mended) = one.mended {
                facts.put_recovery(&id, mended.at, &origin);
            }
        }
    }
}
