use serde::{Deserialize, Serialize};

use crate::Bucket;

/// How deployment frequency is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrequencyOptions {
    /// The form of the number. The counts of deployments and of days with one stand beside it whatever the form.
    pub pace: Pace,
}

/// The form of deployment frequency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Deployments for each 24 hours of the window.
    #[default]
    PerDay,
    /// Deployments of the window: a volume.
    Total,
    /// Deployments for each calendar bucket that the window touches, buckets without one included.
    PerBucket {
        /// The bucket.
        bucket: Bucket,
        /// Whether the quotient is cut to a whole number, as an integer division does.
        floor: bool,
    },
    /// Deployments for each day of the window, where the last day counts even if it is incomplete: whole days and 1.
    PerStartedDay,
    /// The median, over the calendar buckets that the window touches, of days with a deployment.
    MedianDays {
        /// The bucket.
        bucket: Bucket,
        /// Whether the median is the lower of the two in the middle.
        lower: bool,
    },
    /// The mean time from the deployment before, in days, of the window's deployments that have one.
    MeanInterval,
}
