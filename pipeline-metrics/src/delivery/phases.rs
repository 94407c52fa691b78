use jiff::Timestamp;
use serde::Serialize;

use crate::moment::micros;
use crate::{Change, Durations, Phases, Rounding};

/// The phases of one change's lead time, in microseconds, each rounded for itself; `None` where an end is unknown or
/// it ended before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PhaseTimes {
    /// From the first commit until it was offered for review.
    pub coding: Option<i64>,
    /// Until the first review.
    pub pickup: Option<i64>,
    /// From the first review until it came to the branch that is deployed.
    pub review: Option<i64>,
    /// Until it was deployed.
    pub deploy: Option<i64>,
    /// Coding, the time from the offer to the branch, and deploying, as far as they are known: not the time from the
    /// first commit to the deployment, where clocks disagree or a part is rounded.
    pub whole: Option<i64>,
}

impl PhaseTimes {
    /// The phases of a change that was, or was not yet, deployed. What is not known of merging is taken from the
    /// commit.
    ///
    /// ```
    /// use pipeline_metrics::{Change, FactSource, PhaseTimes, Phases, Rounding, Sha};
    ///
    /// let change = Change {
    ///     component: "shop",
    ///     sha: Sha::new("a"),
    ///     at: "2025-01-06T12:00:00Z".parse()?,
    ///     phases: Phases {
    ///         first_commit: Some("2025-01-06T08:00:00Z".parse()?),
    ///         opened: Some("2025-01-06T11:00:00Z".parse()?),
    ///         ..Phases::default()
    ///     },
    ///     source: FactSource::Line { file: "log", line: 1 },
    /// };
    /// let times = PhaseTimes::of(&change, Some("2025-01-06T13:00:00Z".parse()?), Rounding::Exact);
    /// let hour = 3_600_000_000;
    /// assert_eq!((times.coding, times.review, times.deploy), (Some(3 * hour), None, Some(hour)));
    /// assert_eq!(times.whole, Some(5 * hour));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(change: &Change<'_>, deployed: Option<Timestamp>, round: Rounding) -> Self {
        Self::between(micros(change.at), change.phases, deployed.map(micros), round)
    }

    pub(crate) fn between(at: i64, phases: Phases, deployed: Option<i64>, round: Rounding) -> Self {
        let time = |from: Option<i64>, to: Option<i64>| {
            let micros = to?.checked_sub(from?)?;
            (micros >= 0).then(|| round.apply(micros))
        };
        let moment = |at: Option<Timestamp>| at.map(micros);
        let (first, opened) = (moment(phases.first_commit), moment(phases.opened));
        let reviewed = moment(phases.reviewed);
        let merged = moment(phases.merged).or(Some(at));
        let coding = time(first, opened.or(merged));
        let deploy = time(merged, deployed);
        let parts = [coding, time(opened, merged), deploy];
        let known = parts.iter().any(Option::is_some);
        Self {
            coding,
            pickup: time(opened, reviewed),
            review: time(reviewed, merged),
            deploy,
            whole: known.then(|| parts.into_iter().flatten().sum()),
        }
    }

    /// The sum of the four phases, as far as they are known.
    pub(crate) fn steps(&self) -> Option<i64> {
        let steps = [self.coding, self.pickup, self.review, self.deploy];
        let known = steps.iter().any(Option::is_some);
        known.then(|| steps.into_iter().flatten().sum())
    }
}

impl Phased {
    /// The phases in their order, each with a name.
    pub fn named(&self) -> [(&'static str, Option<Durations>); 4] {
        [
            ("coding", self.coding),
            ("pickup", self.pickup),
            ("review", self.review),
            ("deploy", self.deploy),
        ]
    }
}

/// The phases of the lead time of many changes, each over the changes that have it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Phased {
    /// From the first commit until it was offered for review.
    pub coding: Option<Durations>,
    /// Until the first review.
    pub pickup: Option<Durations>,
    /// From the first review until it came to the branch that is deployed.
    pub review: Option<Durations>,
    /// Until it was deployed.
    pub deploy: Option<Durations>,
}
