use std::fmt;

use serde::{Deserialize, Serialize};

/// What the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CsvRows {
    /// Source changes.
    Changes,
    /// Deployments that ended.
    Deployments,
    /// Incidents, with their ends.
    Incidents,
    /// Passes through stages.
    StageTimes,
    /// Times in which work stood still.
    Waits,
    /// Exclusive uses of environments.
    Holds,
    /// Work by hand.
    ManualWork,
}

/// A field of a row, which a column is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CsvField {
    /// Names the row's fact. Where it may be absent, what else there is names it.
    Id,
    /// The component.
    Component,
    /// The revision of a change.
    Sha,
    /// When a change was committed, or work by hand was done.
    At,
    /// When work on a change began.
    FirstCommit,
    /// When the review of a change was opened.
    Opened,
    /// When it was first reviewed.
    Reviewed,
    /// When it was merged.
    Merged,
    /// The environment.
    Environment,
    /// When something began: a deployment, a pass, a wait, a hold; when an incident was opened.
    Started,
    /// When it ended; of an incident, when it was over for users.
    Finished,
    /// When a stage could have begun.
    Ready,
    /// `success` or `failure`.
    Result,
    /// `planned`, `rework`, `hotfix` or `rollback`; planned, where there is no such column.
    Kind,
    /// The version that was deployed.
    Version,
    /// The digest of the release that was deployed.
    Release,
    /// The team.
    Team,
    /// The revisions that a deployment brought: separated by `;`, `,`, `|` or white space.
    Changes,
    /// The deployment that caused an incident.
    Deployment,
    /// The piece of work.
    Item,
    /// The stage.
    Stage,
    /// How much of a pass was work, or how long work by hand took: `1h 30m`, `PT90M`, or a number of hours.
    Spent,
    /// Who did it or has it; of a wait, who could end it.
    By,
    /// Whether what a stage handed off could be used as it was: `true` or `false`.
    Accurate,
    /// What a wait was for: `queue`, `approval`, `window`, `environment`, `decision`, `retry` or any other word.
    Cause,
    /// What was done by hand.
    Task,
    /// Whether a machine could do it: `true` or `false`.
    Automatable,
}

impl CsvField {
    /// The name, as in a stored mapping.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Component => "component",
            Self::Sha => "sha",
            Self::At => "at",
            Self::FirstCommit => "first-commit",
            Self::Opened => "opened",
            Self::Reviewed => "reviewed",
            Self::Merged => "merged",
            Self::Environment => "environment",
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Ready => "ready",
            Self::Result => "result",
            Self::Kind => "kind",
            Self::Version => "version",
            Self::Release => "release",
            Self::Team => "team",
            Self::Changes => "changes",
            Self::Deployment => "deployment",
            Self::Item => "item",
            Self::Stage => "stage",
            Self::Spent => "spent",
            Self::By => "by",
            Self::Accurate => "accurate",
            Self::Cause => "cause",
            Self::Task => "task",
            Self::Automatable => "automatable",
        }
    }
}

impl fmt::Display for CsvRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for CsvField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl CsvRows {
    /// The name, as in a stored mapping.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Deployments => "deployments",
            Self::Incidents => "incidents",
            Self::StageTimes => "stage-times",
            Self::Waits => "waits",
            Self::Holds => "holds",
            Self::ManualWork => "manual-work",
        }
    }

    /// What a row has to have, and what it may have.
    pub(super) fn fields(self) -> (&'static [CsvField], &'static [CsvField]) {
        use CsvField::*;
        match self {
            Self::Changes => (&[Component, Sha, At], &[FirstCommit, Opened, Reviewed, Merged]),
            Self::Deployments => (
                &[Id, Component, Environment, Finished, Result],
                &[Started, Kind, Version, Release, Team, Changes],
            ),
            Self::Incidents => (&[Id, Component, Started], &[Finished, Environment, Deployment]),
            Self::StageTimes => (
                &[Item, Stage, Started, Finished],
                &[Id, Component, Ready, Spent, By, Accurate],
            ),
            Self::Waits => (&[Item, Cause, Started], &[Id, Component, Stage, By, Finished]),
            Self::Holds => (&[Environment, Started], &[Id, By, Finished]),
            Self::ManualWork => (&[Task, At], &[Id, Component, By, Spent, Automatable]),
        }
    }

    /// What a row is, for people.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Changes => "change",
            Self::Deployments => "deployment",
            Self::Incidents => "incident",
            Self::StageTimes => "stage time",
            Self::Waits => "wait",
            Self::Holds => "hold",
            Self::ManualWork => "work by hand",
        }
    }
}
