use std::fmt;
use std::ops::RangeInclusive;

use serde::Serialize;

use crate::benchmark::{Answer, BENCHMARKS};

/// The clusters of one year's survey.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Benchmark {
    /// The year of the report.
    pub year: i16,
    /// Where the numbers were read.
    pub source: &'static str,
    /// Whether that is the report itself. Otherwise it is a text about the report.
    pub primary: bool,
    /// The clusters, from the highest level.
    pub clusters: &'static [Cluster],
}

/// A group of answers that resemble each other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Cluster {
    /// What the report calls it.
    pub level: Level,
    /// The share of those asked, in percent.
    pub share: u8,
    /// The answers to deployment frequency that it is described by.
    pub frequency: RangeInclusive<u8>,
    /// The answers to lead time.
    pub lead_time: RangeInclusive<u8>,
    /// The change fail rate.
    pub fail_rate: FailRate,
    /// The answers to time to restore, since 2023 to failed deployment recovery time.
    pub recovery_time: RangeInclusive<u8>,
}

/// The name of a cluster, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Elite; there is none in 2022.
    Elite,
    /// High.
    High,
    /// Medium.
    Medium,
    /// Low.
    Low,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elite => "elite",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        })
    }
}

/// How a report gives a cluster's change fail rate, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailRate {
    /// A band of the survey; until 2022.
    Band(u8, u8),
    /// The typical answer of the group; since 2023. It is no band: what lies between two of them is in none.
    Typical(u8),
}

/// Where a value lies among the clusters of a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Within what these clusters are described by: often one, sometimes several, the best first.
    Within(Vec<Level>),
    /// In no cluster of that year.
    NoCluster,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Within(levels) = self else {
            return f.write_str("no cluster");
        };
        for (place, level) in levels.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{level}")?;
        }
        Ok(())
    }
}

impl Benchmark {
    /// The clusters of a year; `None` where there are none: 2020 had no report, and 2025 has no clusters.
    ///
    /// ```
    /// use pipeline_metrics::benchmark::{Benchmark, DAY_MS, HOUR_MS, Level, Placement};
    ///
    /// let benchmark = Benchmark::of(2021).ok_or("no clusters")?;
    /// assert_eq!(benchmark.lead_time(0.5 * HOUR_MS), Placement::Within(vec![Level::Elite]));
    /// // Nobody is described by a lead time of a few hours in 2021.
    /// assert_eq!(benchmark.lead_time(0.5 * DAY_MS), Placement::NoCluster);
    /// // In 2021 three of four clusters have the same change fail rate.
    /// let rate = benchmark.change_fail_rate(0.2);
    /// assert_eq!(rate, Placement::Within(vec![Level::High, Level::Medium, Level::Low]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(year: i16) -> Option<&'static Self> {
        BENCHMARKS.iter().find(|benchmark| benchmark.year == year)
    }

    /// The newest clusters: those of 2024.
    pub fn newest() -> Option<&'static Self> {
        BENCHMARKS.last()
    }

    /// Where a number of deployments per day lies.
    pub fn deployment_frequency(&self, per_day: f64) -> Placement {
        self.answered(Answer::of_frequency(per_day), |cluster| &cluster.frequency)
    }

    /// Where a lead time in milliseconds lies.
    pub fn lead_time(&self, milliseconds: f64) -> Placement {
        self.answered(Answer::of_time(milliseconds), |cluster| &cluster.lead_time)
    }

    /// Where a recovery time in milliseconds lies.
    pub fn recovery_time(&self, milliseconds: f64) -> Placement {
        self.answered(Answer::of_time(milliseconds), |cluster| &cluster.recovery_time)
    }

    /// Where a change fail rate of 0 to 1 lies. It is rounded to the whole percent that the reports print.
    pub fn change_fail_rate(&self, share: f64) -> Placement {
        let percent = (share * 100.0).round();
        self.placed(|cluster| match cluster.fail_rate {
            FailRate::Band(from, to) => (f64::from(from)..=f64::from(to)).contains(&percent),
            FailRate::Typical(typical) => percent == f64::from(typical),
        })
    }

    fn answered(&self, answer: Option<Answer>, of: impl Fn(&Cluster) -> &RangeInclusive<u8>) -> Placement {
        self.placed(|cluster| answer.is_some_and(|answer| of(cluster).contains(&answer.number())))
    }

    fn placed(&self, within: impl Fn(&Cluster) -> bool) -> Placement {
        let within = self.clusters.iter().filter(|cluster| within(cluster));
        let levels: Vec<_> = within.map(|cluster| cluster.level).collect();
        if levels.is_empty() {
            Placement::NoCluster
        } else {
            Placement::Within(levels)
        }
    }
}
