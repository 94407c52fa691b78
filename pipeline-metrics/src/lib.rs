//! Delivery metrics out of release journals, every number with the events behind it.
#![forbid(unsafe_code)]

mod calendar;
mod delivery;
mod fact;
mod facts;
#[cfg(feature = "journal")]
mod journal;
mod log;
mod moment;
mod options;
mod reduce;
mod tally;
mod window;

pub use calendar::Bucket;
pub use delivery::{
    Counted, Delivery, Explained, Frequency, LeftOut, Measures, Metric, PhaseTimes, Phased, Ratio, Reason,
    Scope, Selection, Spell, Week, weekly_csv,
};
pub use fact::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactRef, FactSource, Incident, Phases,
    Recovery, Rollback, Sha,
};
pub use facts::{Facts, Problem};
pub use log::{LineError, LogError, LogErrorKind, LogReader, LogSummary};
pub use options::{
    Aggregate, Attribution, Blend, Bound, CalendarError, CalendarOptions, Choice, Deliveries,
    DeploymentOptions, FailShare, FailedOf, FailedRuns, FailureOptions, FrequencyOptions, LeadTimeOptions,
    Named, Options, Pace, Partial, Preset, Reach, RecoveredBy, RecoveryFrom, RecoveryOptions, Rounding, Skew,
    Span, Start, UnknownPreset, WeekStart,
};
pub use reduce::Durations;
pub use tally::Tally;
pub use window::{Window, WindowError};

#[doc = include_str!("../docs/definitions.md")]
pub mod definitions {}

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
