use std::ops::Range;

use super::standing::Standing;
use super::{Reason, Spell};

/// The facts of one component, linked; each list is sorted by the moment that it is windowed by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// The number of its name.
    pub(crate) component: u32,
    /// All its deployments, by finish, then by id.
    pub(crate) runs: Vec<Run>,
    /// For each revision that a deployment brought, by deployment: its lead time in microseconds, rounded, or a
    /// [`Missing`].
    pub(crate) times: Vec<i64>,
    /// The revision of each time.
    pub(crate) revisions: Vec<u32>,
    /// By the moment that the options say.
    pub(crate) spells: Vec<RawSpell>,
    /// Incidents of users, by opening: the moment and the row.
    pub(crate) opened: Vec<(i64, u32)>,
}

/// A deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) finished: i64,
    /// The number of its row.
    pub(crate) row: u32,
    /// Where its part of the times ends; it begins where that of the run before ends.
    pub(crate) delivered: u32,
    /// How many failures it has, or how many of its revisions incidents name, as the options say.
    pub(crate) weight: u32,
    pub(crate) standing: Standing,
    pub(crate) unplanned: bool,
    /// Whether it lists a revision whose change is known.
    pub(crate) with_changes: bool,
}

/// A time of recovery, or one that is not over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawSpell {
    /// Which window it belongs to.
    pub(crate) key: i64,
    pub(crate) start: i64,
    /// [`NEVER`](crate::facts::NEVER) when it is not over.
    pub(crate) end: i64,
    pub(crate) of: SpellOf,
    /// The deployment that failed, or [`NONE`](crate::facts::NONE).
    pub(crate) deployment: u32,
    /// An incident of the same deployment tells its recovery.
    pub(crate) told_by_incident: bool,
}

/// What a spell is the recovery of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SpellOf {
    /// An incident, by row.
    Incident(u32),
    /// A rollback, by its place among all.
    Rollback(u32),
    /// A failed or fixing deployment, by row.
    Deployment(u32),
}

/// Times that are none: what is in place of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missing;

impl Missing {
    pub(crate) const SKEWED: i64 = i64::MIN;
    pub(crate) const NO_START: i64 = i64::MIN + 1;
    pub(crate) const FIRST: i64 = i64::MIN + 2;
    pub(crate) const UNKNOWN: i64 = i64::MIN + 3;
    const LAST: i64 = Self::UNKNOWN;

    pub(crate) fn is_time(time: i64) -> bool {
        time > Self::LAST
    }

    pub(crate) fn reason(time: i64) -> Option<Reason> {
        match time {
            Self::SKEWED => Some(Reason::Skewed),
            Self::NO_START => Some(Reason::NoStart),
            Self::FIRST => Some(Reason::FirstDeployment),
            Self::UNKNOWN => Some(Reason::UnknownRevision),
            _ => None,
        }
    }
}

impl Line {
    /// The runs that finished in a span of time.
    pub(crate) fn within(&self, start: i64, end: i64) -> Range<usize> {
        let from = self.runs.partition_point(|run| run.finished < start);
        let to = self.runs.partition_point(|run| run.finished < end);
        from..to
    }

    /// The part of the times that some runs brought.
    pub(crate) fn delivered(&self, runs: &Range<usize>) -> Range<usize> {
        let before = |at: usize| match at.checked_sub(1) {
            Some(run) => self.runs[run].delivered as usize,
            None => 0,
        };
        before(runs.start)..before(runs.end)
    }

    pub(crate) fn spells_within(&self, start: i64, end: i64) -> &[RawSpell] {
        slice(&self.spells, start, end, |spell| spell.key)
    }

    pub(crate) fn opened_within(&self, start: i64, end: i64) -> &[(i64, u32)] {
        slice(&self.opened, start, end, |(at, _)| *at)
    }
}

fn slice<T>(sorted: &[T], start: i64, end: i64, at: impl Fn(&T) -> i64) -> &[T] {
    let from = sorted.partition_point(|item| at(item) < start);
    let to = sorted.partition_point(|item| at(item) < end);
    &sorted[from..to]
}

impl RawSpell {
    /// The time in microseconds, if it is over.
    pub(crate) fn micros(&self) -> Option<i64> {
        (self.end != crate::facts::NEVER).then(|| self.end.saturating_sub(self.start))
    }

    pub(crate) fn public(&self) -> Spell {
        Spell {
            since: crate::moment::timestamp(self.start),
            ms: self.micros().map(|micros| micros as f64 / 1000.0),
        }
    }
}
