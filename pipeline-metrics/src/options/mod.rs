//! What a number means, as data.

mod calendar;
mod deployments;
mod failures;
mod frequency;
mod lead_time;
mod preset;
mod recovery;
mod reduce;
mod set;

pub use calendar::{CalendarError, CalendarOptions, Partial, WeekStart};
pub use deployments::{DeploymentOptions, FailedRuns, Several};
pub use failures::{Attribution, Bound, FailShare, FailedOf, FailureOptions, Named, RateBlend, Reach};
pub use frequency::{FrequencyOptions, Pace};
pub use lead_time::{Deliveries, LeadTimeOptions, Span, Start};
pub use preset::{Preset, UnknownPreset};
pub use recovery::{RecoveredBy, RecoveryFrom, RecoveryOptions};
pub use reduce::{Aggregate, Blend, Rounding, Skew};
pub use set::{Choice, Options};
