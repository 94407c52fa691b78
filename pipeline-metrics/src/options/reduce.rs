use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// One number out of many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// The middle one, or the mean of the two in the middle (`PERCENTILE_CONT(0.5)` of SQL).
    Median,
    /// The middle one, or the lower of the two (`PERCENTILE_DISC(0.5)` of SQL).
    LowerMedian,
    /// The sum over the count.
    Mean,
    /// That which so many of a hundred are below, 0 to 100, with interpolation between neighbours
    /// (`PERCENTILE_CONT` of SQL).
    Percentile(f64),
}

/// How the times of several days or components become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blend {
    /// All times together are aggregated.
    Values,
    /// The times of each day of each component's environment, by the end of the window's clock, are aggregated; then
    /// these.
    Days,
    /// The times of each component are aggregated; the mean of these is the number.
    ComponentMeans,
}

/// What happens to something that ended before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skew {
    /// It is left out as skewed.
    LeftOut,
    /// It is left out as skewed, and so is what took no time at all.
    NotPositive,
    /// It counts, with its negative time.
    Kept,
}

/// What happens to a time before it is aggregated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// Nothing.
    Exact,
    /// It is cut to whole units, towards the past.
    Floor(SignedDuration),
    /// It is raised to whole units.
    Ceil(SignedDuration),
}

impl Rounding {
    /// A time in microseconds, rounded. A unit that is not positive rounds nothing.
    pub(crate) fn apply(self, micros: i64) -> i64 {
        let unit = |unit: SignedDuration| i64::try_from(unit.as_micros()).unwrap_or(i64::MAX).max(1);
        match self {
            Self::Exact => micros,
            Self::Floor(by) => micros.div_euclid(unit(by)).saturating_mul(unit(by)),
            Self::Ceil(by) => {
                let whole = micros.div_euclid(unit(by)) + i64::from(micros.rem_euclid(unit(by)) > 0);
                whole.saturating_mul(unit(by))
            }
        }
    }
}

impl Skew {
    /// Whether a time in microseconds is left out.
    pub(crate) fn leaves_out(self, micros: i64) -> bool {
        match self {
            Self::LeftOut => micros < 0,
            Self::NotPositive => micros <= 0,
            Self::Kept => false,
        }
    }
}
