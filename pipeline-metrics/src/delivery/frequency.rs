use super::Selection;
use super::measures::{Frequency, Gathered};
use super::one_row::OneRow;
use crate::calendar::DAY;
use crate::reduce::aggregate_of;
use crate::{Aggregate, Bucket, Pace, Partial};

impl Selection<'_, '_> {
    /// How often users got something, in the form that the options ask for.
    pub(super) fn frequency(&self, gathered: &mut Gathered, one_row: Option<&OneRow>) -> Option<Frequency> {
        let counts = gathered.counts;
        let pace = self.delivery.options.frequency.pace;
        let plain = Frequency::plain(pace, &counts, self.window)?;
        let value = match pace {
            Pace::PerDay | Pace::Total | Pace::PerStartedDay => Some(plain.value),
            Pace::PerBucket { bucket, floor } => {
                let mut buckets = self.per_bucket(bucket, &mut gathered.finished);
                let mean = aggregate_of(&mut buckets, Aggregate::Mean);
                mean.map(|mean| if floor { mean.floor() } else { mean })
            }
            Pace::MedianDays { bucket, lower } => {
                let mut buckets = self.days_per_bucket(bucket, &gathered.days);
                let median = if lower {
                    Aggregate::LowerMedian
                } else {
                    Aggregate::Median
                };
                aggregate_of(&mut buckets, median)
            }
            Pace::MeanInterval => match one_row {
                Some(row) => {
                    let (start, end) = self.window.micros();
                    row.mean_interval(start, end)
                }
                None => self.mean_interval(&mut gathered.finished),
            },
        };
        Some(Frequency {
            value: value?,
            ..plain
        })
    }

    fn buckets(&self, bucket: Bucket) -> Vec<(i64, i64)> {
        let (start, end) = self.window.micros();
        let kept = self.delivery.options.calendar.partial == Partial::Kept;
        self.delivery
            .calendar
            .pieces(bucket, self.window)
            .filter(|piece| kept || start <= piece.start && piece.end <= end)
            .map(|piece| (piece.start, piece.end))
            .collect()
    }

    fn per_bucket(&self, bucket: Bucket, finished: &mut [i64]) -> Vec<f64> {
        finished.sort_unstable();
        let count = |(start, end): (i64, i64)| {
            let before = |moment| finished.partition_point(|&at| at < moment);
            (before(end) - before(start)) as f64
        };
        self.buckets(bucket).into_iter().map(count).collect()
    }

    /// Days with a deployment, by bucket.
    fn days_per_bucket(&self, bucket: Bucket, days: &[i64]) -> Vec<f64> {
        let calendar = &self.delivery.calendar;
        let count = |(start, end): (i64, i64)| {
            // A bucket begins and ends with a day.
            let (first, next) = (calendar.day(start), calendar.day(end));
            let before = |day| days.partition_point(|&at| at < day);
            (before(next) - before(first)) as f64
        };
        self.buckets(bucket).into_iter().map(count).collect()
    }

    /// The mean time from the deployment before, in days.
    fn mean_interval(&self, finished: &mut [i64]) -> Option<f64> {
        let (_, end) = self.window.micros();
        let runs = self.lines().flat_map(|line| &line.runs);
        let live = runs.filter(|run| run.finished < end && run.standing.is_live() && self.has(run.row));
        let mut all: Vec<_> = live.map(|run| run.finished).collect();
        all.sort_unstable();
        finished.sort_unstable();
        let (mut sum, mut count) = (0_i128, 0_u32);
        for same in finished.chunk_by(|a, b| a == b) {
            let at = same[0];
            let before = all.partition_point(|&other| other < at);
            // Of several at one moment, only the earliest has a time to the one before.
            if let Some(before) = before.checked_sub(1) {
                sum += i128::from(at - all[before]);
                count += same.len() as u32;
            } else {
                count += same.len() as u32 - 1;
            }
        }
        (count > 0).then(|| sum as f64 / f64::from(count) / DAY as f64)
    }
}
