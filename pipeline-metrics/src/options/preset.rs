use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{
    Aggregate, Attribution, Blend, Bound, CalendarOptions, Choice, Deliveries, DeploymentOptions, FailShare,
    FailedOf, FailedRuns, FailureOptions, FrequencyOptions, LeadTimeOptions, Named, Options, Pace, RateBlend,
    Reach, RecoveredBy, RecoveryFrom, RecoveryOptions, Rounding, Several, Skew, Span, Start, WeekStart,
};
use crate::Bucket;

/// Options that reproduce the numbers of a known program, from the same facts.
///
/// | name | lead time | change fail rate | recovery | frequency |
/// |---|---|---|---|---|
/// | `dora` | median, commit to first deployment | failed deployments | failed deployment to end of incident, median | per day |
/// | `four_keys` | median of whole minutes, each deployment that contains the commit, above 0 | changes that an incident names, over deployments | median of whole hours, cause or opening to end | median of days with a deployment a week from Sunday |
/// | `devlake` | lower median of phases in begun minutes, first commit to deployment, without the first deployment | failed deployments, incidents to the last deployment strictly before in the project | lower median, failed deployment to end | lower median of days a week |
/// | `gitlab` | median of each component's daily medians, merge to deployment | incidents opened, over deployments (at least 1) | median of each component's daily medians, opening to end, by end | per day |
/// | `metrik` | mean, commits since the last success | failed runs, over all runs | mean, first failed run to next success | total |
/// | `pelorus` | mean of components' means, commit to the first deployment of each release | mean of components' rates of incidents opened over deployments with a known commit | mean of components' means, opening to end | total |
/// | `middleware` | mean of coding, pickup, review and deploying | failed deployments | mean, opening to end, by end | whole deployments per day, cut |
/// | `redgate` | median, commit to release | fix releases | mean, last good release to last fix of a row; several components are one row, in which fixes that overlap are one failure | mean interval |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// DORA's definitions; where they are silent, ours.
    Dora,
    /// dora-team/fourkeys.
    FourKeys,
    /// apache/devlake, plugin `dora` with its main dashboard of 2023.
    #[serde(rename = "devlake")]
    DevLake,
    /// GitLab, since 16.0.
    #[serde(rename = "gitlab")]
    GitLab,
    /// thoughtworks/metrik.
    Metrik,
    /// dora-metrics/pelorus.
    Pelorus,
    /// middlewarehq/middleware.
    Middleware,
    /// red-gate/RedGate.Metrics.
    Redgate,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Dora,
        Self::FourKeys,
        Self::DevLake,
        Self::GitLab,
        Self::Metrik,
        Self::Pelorus,
        Self::Middleware,
        Self::Redgate,
    ];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dora => "dora",
            Self::FourKeys => "four_keys",
            Self::DevLake => "devlake",
            Self::GitLab => "gitlab",
            Self::Metrik => "metrik",
            Self::Pelorus => "pelorus",
            Self::Middleware => "middleware",
            Self::Redgate => "redgate",
        }
    }

    /// Where its rules were read.
    pub fn source(self) -> &'static str {
        match self {
            Self::Dora => "dora.dev, guide \"DORA's software delivery performance metrics\", January 2026",
            Self::FourKeys => "dora-team/fourkeys 6cc642e, METRICS.md and queries/",
            Self::DevLake => "apache/incubator-devlake 420e494, backend/plugins/dora and its dashboards",
            Self::GitLab => "GitLab EE 16.0, lib Dora::*Metric",
            Self::Metrik => "thoughtworks/metrik def6a52, metrics/calculator",
            Self::Pelorus => "dora-metrics/pelorus f0010df, exporters and rules",
            Self::Middleware => "middlewarehq/middleware 5471e35, backend/analytics_server/mhq/service",
            Self::Redgate => "red-gate/RedGate.Metrics 67e4608, Public/FourKeyMetrics.ps1",
        }
    }

    /// What the facts must tell beyond changes, deployments and incidents, so that its numbers are the peer's.
    pub fn needs(self) -> &'static str {
        match self {
            Self::Dora => "nothing",
            Self::FourKeys => "the revisions that caused an incident",
            Self::DevLake => "first commit, opening and merge of each change",
            Self::GitLab => "the merge of each change",
            Self::Metrik => "failed deployments, with the revisions that they listed",
            Self::Pelorus => "the release of each deployment",
            Self::Middleware => "first commit, opening, first review and merge of each change",
            Self::Redgate => "the kind of each deployment",
        }
    }

    /// The options.
    pub fn options(self) -> Options {
        match self {
            Self::Dora => Options::default(),
            Self::FourKeys => four_keys(),
            Self::DevLake => devlake(),
            Self::GitLab => gitlab(),
            Self::Metrik => metrik(),
            Self::Pelorus => pelorus(),
            Self::Middleware => middleware(),
            Self::Redgate => redgate(),
        }
    }
}

fn four_keys() -> Options {
    Options {
        deployments: DeploymentOptions {
            without_changes: Choice::LeftOut,
            ..DeploymentOptions::default()
        },
        frequency: FrequencyOptions {
            pace: Pace::MedianDays {
                bucket: Bucket::Week,
                lower: false,
            },
        },
        lead_time: LeadTimeOptions {
            deliveries: Deliveries::Every,
            skew: Skew::NotPositive,
            round: Rounding::Floor(SignedDuration::from_mins(1)),
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            share: FailShare::Changes,
            rollbacks: Choice::LeftOut,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            from: RecoveryFrom::CauseOrOpened,
            skew: Skew::Kept,
            round: Rounding::Floor(SignedDuration::from_hours(1)),
            ..RecoveryOptions::default()
        },
        calendar: CalendarOptions {
            week_start: WeekStart::Sunday,
            ..CalendarOptions::default()
        },
    }
}

fn devlake() -> Options {
    Options {
        frequency: FrequencyOptions {
            pace: Pace::MedianDays {
                bucket: Bucket::Week,
                lower: true,
            },
        },
        lead_time: LeadTimeOptions {
            start: Start::FirstCommit,
            without_start: Choice::Counted,
            span: Span::Phases,
            first_deployment: Choice::LeftOut,
            round: Rounding::Ceil(SignedDuration::from_mins(1)),
            aggregate: Aggregate::LowerMedian,
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            attribution: Attribution {
                named: Named::Ignored,
                reach: Reach::Project,
                bound: Bound::Strict,
                within: None,
            },
            rollbacks: Choice::LeftOut,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            aggregate: Aggregate::LowerMedian,
            ..RecoveryOptions::default()
        },
        ..Options::default()
    }
}

fn gitlab() -> Options {
    Options {
        frequency: FrequencyOptions { pace: Pace::PerDay },
        lead_time: LeadTimeOptions {
            start: Start::Merged,
            without_start: Choice::Counted,
            skew: Skew::Kept,
            blend: Blend::Days,
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            share: FailShare::Opened,
            of: FailedOf::AtLeastOne,
            rollbacks: Choice::LeftOut,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            from: RecoveryFrom::Opened,
            by: RecoveredBy::End,
            skew: Skew::Kept,
            blend: Blend::Days,
            ..RecoveryOptions::default()
        },
        ..Options::default()
    }
}

fn metrik() -> Options {
    Options {
        deployments: DeploymentOptions {
            failed_runs: FailedRuns::Failures,
            ..DeploymentOptions::default()
        },
        frequency: FrequencyOptions { pace: Pace::Total },
        lead_time: LeadTimeOptions {
            failed_runs_roll_forward: true,
            skew: Skew::Kept,
            aggregate: Aggregate::Mean,
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            share: FailShare::Runs,
            rollbacks: Choice::LeftOut,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            from: RecoveryFrom::FailedRun,
            by: RecoveredBy::End,
            skew: Skew::Kept,
            aggregate: Aggregate::Mean,
            ..RecoveryOptions::default()
        },
        ..Options::default()
    }
}

fn pelorus() -> Options {
    Options {
        frequency: FrequencyOptions { pace: Pace::Total },
        lead_time: LeadTimeOptions {
            deliveries: Deliveries::EachRelease,
            skew: Skew::Kept,
            aggregate: Aggregate::Mean,
            blend: Blend::ComponentMeans,
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            share: FailShare::Opened,
            of: FailedOf::WithChanges,
            rollbacks: Choice::LeftOut,
            blend: RateBlend::ComponentMeans,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            from: RecoveryFrom::Opened,
            by: RecoveredBy::End,
            skew: Skew::Kept,
            aggregate: Aggregate::Mean,
            blend: Blend::ComponentMeans,
            ..RecoveryOptions::default()
        },
        ..Options::default()
    }
}

fn middleware() -> Options {
    Options {
        frequency: FrequencyOptions {
            pace: Pace::PerBucket {
                bucket: Bucket::Day,
                floor: true,
            },
        },
        lead_time: LeadTimeOptions {
            start: Start::FirstCommit,
            without_start: Choice::Counted,
            span: Span::Steps,
            aggregate: Aggregate::Mean,
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            attribution: Attribution {
                named: Named::Ignored,
                ..Attribution::default()
            },
            rollbacks: Choice::LeftOut,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            from: RecoveryFrom::Opened,
            by: RecoveredBy::End,
            skew: Skew::Kept,
            aggregate: Aggregate::Mean,
            ..RecoveryOptions::default()
        },
        ..Options::default()
    }
}

fn redgate() -> Options {
    Options {
        deployments: DeploymentOptions {
            without_changes: Choice::LeftOut,
            first: Choice::LeftOut,
            several: Several::OneRow,
            ..DeploymentOptions::default()
        },
        frequency: FrequencyOptions {
            pace: Pace::MeanInterval,
        },
        lead_time: LeadTimeOptions {
            skew: Skew::Kept,
            ..LeadTimeOptions::default()
        },
        failures: FailureOptions {
            share: FailShare::Fixes,
            rollbacks: Choice::LeftOut,
            ..FailureOptions::default()
        },
        recovery: RecoveryOptions {
            from: RecoveryFrom::LastGood,
            by: RecoveredBy::End,
            aggregate: Aggregate::Mean,
            ..RecoveryOptions::default()
        },
        ..Options::default()
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| UnknownPreset {
            name: name.to_owned(),
        })
    }
}

/// A name that no preset has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPreset {
    /// The name.
    pub name: String,
}

impl fmt::Display for UnknownPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Preset::ALL.map(Preset::name).join(", ");
        write!(f, "there is no preset `{}`; known are {known}", self.name)
    }
}

impl std::error::Error for UnknownPreset {}
