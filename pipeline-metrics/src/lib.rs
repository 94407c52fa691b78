//! Delivery metrics out of release journals and delivery logs, every number with the events behind it.
//!
//! A [`Facts`] collects what happened. A [`Delivery`] links it as the [`Options`] say: which deployment brought a
//! change to users, which one an incident is the fault of. A [`Selection`] of it has the five numbers of DORA for a
//! window of time, cheaply, and explains each when asked.
//!
//! # A week, worked by hand
//!
//! ```
//! use pipeline_metrics::{Delivery, Facts, LogReader, Metric, Options, Ratio, Reason, Scope, Window};
//!
//! let log = r#"
//! {"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
//! {"type":"change","ts":"2025-01-06T10:00:00Z","service":"shop","sha":"b"}
//! {"type":"change","ts":"2025-01-07T13:00:00Z","service":"shop","sha":"c"}
//! {"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned","changes":["a","b"]}
//! {"type":"incident_opened","ts":"2025-01-06T13:00:00Z","service":"shop","id":"i1"}
//! {"type":"incident_resolved","ts":"2025-01-07T15:00:00Z","service":"shop","id":"i1"}
//! {"type":"deployment","ts":"2025-01-07T14:00:00Z","service":"shop","id":"d2","environment":"production","result":"success","kind":"hotfix","changes":["c"]}
//! {"type":"change","ts":"2025-01-08T09:00:00Z","service":"shop","sha":"waits"}
//! "#;
//! let mut facts = Facts::new();
//! LogReader::new("events.jsonl").read(log.as_bytes(), &mut facts)?;
//!
//! let delivery = Delivery::of(&facts, &Options::default())?;
//! let week = Window::week_of("2025-01-06T00:00:00Z".parse()?);
//! let shop = delivery.select(&Scope::Component("shop"), week);
//! let measures = shop.measures();
//!
//! // Two deployments, on Monday and on Tuesday.
//! assert_eq!((measures.deployments, measures.deployment_days), (2, 2));
//! // 4 hours for a, 2 for b, 1 for c: the one in the middle is 2 hours.
//! assert_eq!(measures.lead_time.map(|time| time.ms), Some(2.0 * 3_600_000.0));
//! // d1 failed, as i1 came after it: 1 of 2; users waited from Monday, 12:00, to Tuesday, 15:00.
//! assert_eq!(measures.change_fail_rate, Ratio::new(1, 2));
//! assert_eq!(measures.recovery_time.map(|time| time.ms), Some(27.0 * 3_600_000.0));
//! // d2 was a hotfix: 1 of 2.
//! assert_eq!(measures.rework_rate, Ratio::new(1, 2));
//!
//! // What is behind a number, and what is not.
//! let lead_time = shop.explain(Metric::LeadTime);
//! assert_eq!(lead_time.counted[0].fact.to_string(), "change a (events.jsonl:2)");
//! assert_eq!(lead_time.left_out_for(Reason::NotDelivered), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From a journal of `pipeline-core`, the facts come with `Facts::add_events` (feature `journal`, on by default): add
//! each page of its events; to read an event twice does no harm.
//!
//! # The nouns
//!
//! | | |
//! |---|---|
//! | [`Change`], [`Deployment`], [`Incident`], [`Recovery`], [`Rollback`] | what is counted; each knows its [`FactSource`] |
//! | [`Facts`] | a set of them, whatever their order, with the [`Problem`]s of what could not be read |
//! | [`LogReader`] | reads the delivery log of another system |
//! | [`Options`], [`Preset`] | what the numbers mean |
//! | [`Delivery`], [`Selection`] | facts with their links; a [`Scope`] of them in a [`Window`] |
//! | [`Measures`], [`Explained`] | the numbers; one of them with what was counted, what was [left out](LeftOut) and the [`Reason`] |
//! | [`Tally`] | the numbers kept up to date, fact by fact |
//! | [`weekly_csv`] | every week of every component, for a spreadsheet |
//!
//! # Definitions
//!
//! They are in [`definitions`], with formulas, units and sources.
//!
//! # What it does not do
//!
//! - It reads no clock and opens no files, starts no task and needs no async runtime.
//! - It rates nobody: DORA's clusters describe survey answers, and a number has no level.
//! - It blends no components, unless [asked](Scope::Overall).
//! - It stores nothing: facts are rebuilt from the journal or the logs.
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
