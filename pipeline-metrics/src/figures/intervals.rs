use jiff::{SignedDuration, Timestamp};

use crate::WorkingTime;

/// Spans of time as a set of moments: what overlaps counts once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intervals(Vec<(Timestamp, Timestamp)>);

impl Intervals {
    pub(crate) fn of(spans: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().filter(|(from, to)| from < to).collect();
        spans.sort_unstable();
        let mut joined: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match joined.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    pub(crate) fn total(&self, time: &WorkingTime) -> SignedDuration {
        self.0.iter().fold(SignedDuration::ZERO, |sum, (from, to)| {
            sum + time.between(*from, *to)
        })
    }

    pub(crate) fn into_spans(self) -> Vec<(Timestamp, Timestamp)> {
        self.0
    }

    /// What is in this set and not in the other one.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(from, to) in &self.0 {
            let mut from = from;
            let first = other.0.partition_point(|(_, end)| *end <= from);
            for &(start, end) in other.0[first..].iter().take_while(|(start, _)| *start < to) {
                if from < start {
                    left.push((from, start));
                }
                from = from.max(end);
            }
            if from < to {
                left.push((from, to));
            }
        }
        Self(left)
    }
}
