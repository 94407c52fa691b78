use serde::{Deserialize, Serialize};

use super::{Aggregate, Blend, Choice, Rounding, Skew};

/// How long a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeadTimeOptions {
    /// Where the clock starts.
    pub start: Start,
    /// A change that lacks that moment: counted from its commit, or left out.
    pub without_start: Choice,
    /// Whether the time is taken as a whole or put together from its phases.
    pub span: Span,
    /// Which deployments deliver a change.
    pub deliveries: Deliveries,
    /// The changes of the first deployment of a component's environment, which come from before the facts begin.
    pub first_deployment: Choice,
    /// Whether what a failed deployment listed is delivered by the next successful one.
    pub failed_runs_roll_forward: bool,
    /// What ended before it began.
    pub skew: Skew,
    /// Each time, before it is aggregated.
    pub round: Rounding,
    /// One number out of many.
    pub aggregate: Aggregate,
    /// How the times of several days or components become one number.
    pub blend: Blend,
}

impl Default for LeadTimeOptions {
    fn default() -> Self {
        Self {
            start: Start::Commit,
            without_start: Choice::LeftOut,
            span: Span::Whole,
            deliveries: Deliveries::First,
            first_deployment: Choice::Counted,
            failed_runs_roll_forward: false,
            skew: Skew::LeftOut,
            round: Rounding::Exact,
            aggregate: Aggregate::Median,
            blend: Blend::Values,
        }
    }
}

/// Where the clock of lead time starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The commit of the change itself.
    Commit,
    /// The first commit of the work that became the change.
    FirstCommit,
    /// The change was offered for review.
    Opened,
    /// The first review.
    Reviewed,
    /// The change came to the branch that is deployed.
    Merged,
}

/// Which deployments deliver a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deliveries {
    /// The first one that lists it.
    First,
    /// Each one that lists it, so that a change may count more than once.
    Every,
    /// The first one of each release (or version) that lists it: a change counts once for each release that it is in.
    /// Deployments that name none are taken for those of one.
    EachRelease,
}

/// How the time of a change is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// From the start to the end.
    Whole,
    /// The sum of its [phases](crate::PhaseTimes), each rounded for itself, without those that ended before they began.
    Phases,
    /// The sum of coding, pickup, review and deploying, each as with [`Phases`](Self::Phases): what nobody reviewed was
    /// merged as soon as it was offered.
    Steps,
}
