//! Statistics that say how much a number can be trusted: pure functions of numbers, with their sources.
//!
//! Nothing here knows facts or reads a clock. Chance enters as a seed, so equal input gives equal output.

mod behaviour;
mod bootstrap;
mod confidence;
mod quantile;
mod random;
mod survival;
mod wilson;

pub use behaviour::{BehaviourChart, Bounds, Limits, Point, Signal, Verdict};
pub use bootstrap::{DEFAULT_RESAMPLES, bootstrap_median};
pub use confidence::{Confidence, Interval};
pub use quantile::{interpolated_quantile, lower_quantile};
pub use survival::{Observation, Step, Survival, SurvivalMedian};
pub use wilson::wilson;
