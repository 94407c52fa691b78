use jiff::Timestamp;
use serde::Serialize;

use crate::stats::{BehaviourChart, Bounds, Verdict};
use crate::{Bucket, Delivery, Metric, Scope, Unit, Window};

/// One of the five numbers over time, and whether it says that something changed.
///
/// ```
/// use pipeline_metrics::stats::Verdict;
/// use pipeline_metrics::{Bucket, Delivery, Facts, Metric, MetricTrend, Options, Scope};
///
/// let facts = Facts::new();
/// let delivery = Delivery::of(&facts, &Options::default())?;
/// let week = delivery.bucket(Bucket::Week, "2025-01-08T00:00:00Z".parse()?);
/// let trend = MetricTrend::of(&delivery, &Scope::Overall, Metric::LeadTime, Bucket::Week, week);
/// assert_eq!(trend.chart.verdict(), Verdict::TooFew { values: 0, needed: 10 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MetricTrend {
    /// Which number.
    pub metric: Metric,
    /// What a value is of.
    pub bucket: Bucket,
    /// The whole buckets, in order.
    pub windows: Vec<Window>,
    /// Their values and limits: deployments in the bucket, times in milliseconds, rates from 0 to 1.
    pub chart: BehaviourChart,
}

impl MetricTrend {
    /// The values of all whole buckets of a window, with limits that come from all of them.
    ///
    /// Buckets before the first and after the last deployment are not taken for buckets without one: what is known may
    /// begin and end there.
    pub fn of(
        delivery: &Delivery<'_>,
        scope: &Scope<'_>,
        metric: Metric,
        bucket: Bucket,
        window: Window,
    ) -> Self {
        Self::judged_from(delivery, scope, metric, bucket, window, window.end())
    }

    /// As [`of`](Self::of), but what begins at `from` or later is judged by what was usual before.
    pub fn judged_from(
        delivery: &Delivery<'_>,
        scope: &Scope<'_>,
        metric: Metric,
        bucket: Bucket,
        window: Window,
        from: Timestamp,
    ) -> Self {
        let whole = |piece: &Window| delivery.bucket(bucket, piece.start()) == *piece;
        let mut windows: Vec<_> = delivery
            .series(bucket, window)
            .into_iter()
            .filter(whole)
            .collect();
        let measures: Vec<_> = windows
            .iter()
            .map(|window| delivery.select(scope, *window).measures())
            .collect();
        let used = |measures: &crate::Measures| measures.deployments > 0;
        let first = measures.iter().position(used).unwrap_or(measures.len());
        let next = measures.iter().rposition(used).map_or(first, |last| last + 1);
        windows = windows[first..next].to_vec();
        let values: Vec<_> = measures[first..next]
            .iter()
            .map(|measures| match metric {
                Metric::DeploymentFrequency => Some(measures.deployments as f64),
                metric => measures.value(metric),
            })
            .collect();
        let baseline = windows.partition_point(|window| window.start() < from);
        Self {
            metric,
            bucket,
            chart: BehaviourChart::judged_by(&values, baseline, bounds(metric)),
            windows,
        }
    }

    /// The unit of its values.
    pub fn unit(&self) -> Unit {
        match self.metric {
            Metric::DeploymentFrequency => Unit::Count,
            Metric::LeadTime | Metric::RecoveryTime => Unit::Milliseconds,
            Metric::ChangeFailRate | Metric::ReworkRate => Unit::Share,
        }
    }

    /// Whether a point says that something changed, and how many do.
    pub fn has_signal(&self) -> bool {
        matches!(self.chart.verdict(), Verdict::Signals { .. })
    }
}

fn bounds(metric: Metric) -> Bounds {
    match metric {
        Metric::DeploymentFrequency | Metric::LeadTime | Metric::RecoveryTime => Bounds::NOT_NEGATIVE,
        Metric::ChangeFailRate | Metric::ReworkRate => Bounds::SHARE,
    }
}
