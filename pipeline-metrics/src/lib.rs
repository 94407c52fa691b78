//! Delivery metrics out of release journals and logs, every number with the events behind it.
//!
//! A [`Facts`] collects what happened. A [`Delivery`] links it: which deployment brought a change to users, which one
//! an incident is the fault of. A [`Report`] tells the five numbers of DORA for a window of time, how far each can be
//! trusted, and what is behind it.
//!
//! # A week, worked by hand
//!
//! ```
//! use pipeline_metrics::{Delivery, Facts, LogReader, Metric, Options, Ratio, Reason, Report, ReportOptions, Scope};
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
//! let week = delivery.everything().ok_or("nothing went live")?;
//! let report = Report::of(&delivery, &ReportOptions::new(week));
//! let shop = report.part("shop").ok_or("no shop")?;
//!
//! // Two deployments, on Monday and on Tuesday.
//! assert_eq!((shop.measures.deployments, shop.measures.deployment_days), (2, 2));
//! // 4 hours for a, 2 for b, 1 for c: the one in the middle is 2 hours.
//! assert_eq!(shop.measures.lead_time.map(|time| time.median_ms), Some(2.0 * 3_600_000.0));
//! // d1 failed, as i1 came after it: 1 of 2; users waited from Monday, 12:00, to Tuesday, 15:00.
//! assert_eq!(shop.measures.change_fail_rate, Ratio::new(1, 2));
//! assert_eq!(shop.measures.recovery_time.map(|time| time.median_ms), Some(27.0 * 3_600_000.0));
//! // d2 was a hotfix: 1 of 2. So few tell little: anything from 9 % to 91 % would often look like this.
//! assert_eq!(shop.measures.rework_rate, Ratio::new(1, 2));
//! assert_eq!(shop.intervals.rework_rate.map(|rate| (rate.low * 100.0).round()), Some(9.0));
//!
//! // What is behind a number, and what is not.
//! let lead_time = delivery.select(&Scope::Component("shop"), week).explain(Metric::LeadTime);
//! let first = lead_time.counted.first().ok_or("no change")?;
//! assert_eq!(first.fact.to_string(), "change a (events.jsonl:2)");
//! assert_eq!(lead_time.left_out_for(Reason::NotDelivered), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The nouns
//!
//! | | |
//! |---|---|
//! | [`Change`], [`Deployment`], [`Incident`], [`Recovery`], [`Rollback`] | what is counted; each knows its [`FactSource`] |
//! | [`Facts`] | a set of them, whatever their order, with the [`Problem`]s of what could not be read |
//! | [`LogReader`], [`CdEvents`] | read the delivery log, the `CDEvents` of other systems |
//! | [`Options`], [`Preset`] | what is chosen where definitions differ |
//! | [`Delivery`], [`Selection`] | facts with their links; a part of them in a [`Window`] |
//! | [`Measures`], [`Explained`] | the five numbers; one with every fact that was counted or left out |
//! | [`Tally`] | the numbers kept up to date, fact by fact |
//! | [`Flow`], [`Figure`] | how work flows, and further numbers of it |
//! | [`Report`] | the numbers of a window with their intervals: [`render_text`], [`prometheus_text`], JSON |
//! | [`MetricTrend`] | a number over time, and whether it says that something changed |
//! | [`render_review`] | a month as Markdown |
//! | `page` (feature `report`) | one HTML file that a person looks at |
//! | [`stats`], [`benchmark`] | how far to trust a number; what others answered in DORA's survey |
//!
//! # Definitions
//!
//! They are in [`definitions`], with formulas, units and sources; [`reports`] says what reports hold.
//!
//! # Features
//!
//! | | |
//! |---|---|
//! | `journal` (on) | facts out of the journal of `pipeline-core` |
//! | `csv` (on) | tables with named columns |
//! | `report` | the page, with charts by plotters (SVG alone) |
//! | `git` | reads real repositories |
//! | `zones` | time zones by name |
//!
//! # What it does not do
//!
//! - It reads no clock, starts no task and needs no async runtime.
//! - It rates nobody: DORA's clusters describe survey answers, and a number may be in none.
//! - It blends no components, unless [asked](ReportOptions::with_overall).
//! - It stores nothing: facts are rebuilt from the journal or the logs.
#![forbid(unsafe_code)]

pub mod benchmark;
mod calendar;
mod delivery;
mod export;
mod fact;
mod facts;
mod figure;
mod figure_text;
mod figures;
mod flow;
mod git;
mod instant;
#[cfg(feature = "journal")]
mod journal;
mod log;
mod metric_trend;
mod moment;
mod options;
#[cfg(feature = "report")]
pub mod page;
mod pipeline_runs;
mod reduce;
mod report;
mod review;
mod show;
mod source;
mod spread;
pub mod stats;
mod tally;
mod value_stream;
mod window;
mod working_time;

pub use calendar::Bucket;
pub use delivery::{
    Counted, Delivery, Explained, Frequency, LeftOut, Measures, Metric, PhaseTimes, Phased, Ratio, Reason,
    Scope, Selection, Spell, Week, weekly_csv,
};
pub use export::{
    figure_json_schema, json_schema, prometheus_text, render_explanation, render_figures, render_text,
};
pub use fact::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactRef, FactSource, Incident, Phases,
    Recovery, Rollback, Sha,
};
pub use facts::{Facts, Problem};
pub use figure::{Cell, Figure, FigureColumn, FigureItem, FigureLeftOut, FigureTable, FigureValue, Unit};
pub use figures::{FigureOptions, LagBy, figures};
#[cfg(feature = "journal")]
pub use flow::JournalFlow;
pub use flow::{
    ChangeKind, EnvironmentChange, EnvironmentFact, Flow, FlowFact, Hold, ManualWork, Origin, Removal,
    StageTime, Wait, WaitCause,
};
pub use git::{
    Commit, CommitGraph, CommitTime, GitHistory, GitOptions, Reverted, Tag, TaggedRelease, revert_in_message,
};
#[cfg(feature = "git")]
pub use git::{ReadGitError, read_history};
pub use log::{LineError, LogError, LogErrorKind, LogReader, LogSummary};
pub use metric_trend::MetricTrend;
pub use options::{
    Aggregate, Attribution, Blend, Bound, CalendarError, CalendarOptions, Choice, Deliveries,
    DeploymentOptions, FailShare, FailedOf, FailedRuns, FailureOptions, FrequencyOptions, LeadTimeOptions,
    Named, Options, Pace, Partial, Preset, RateBlend, Reach, RecoveredBy, RecoveryFrom, RecoveryOptions,
    Rounding, Several, Skew, Span, Start, UnknownPreset, WeekStart,
};
pub use pipeline_runs::{PipelineRun, RunDeployment, RunResult, TaskRun, deployments_of_runs};
pub use reduce::Durations;
pub use report::{Confident, LeftOutCount, Report, ReportOptions, ReportPart};
pub use review::{ReviewOptions, render_review};
pub use source::{CdEvents, CdEventsOptions, RecordError, SourceError, SourceErrorKind, SourceSummary};
#[cfg(feature = "csv")]
pub use source::{
    CsvError, CsvField, CsvHeaderError, CsvHeaderProblem, CsvReader, CsvRows, CsvTime, MissingColumn,
};
pub use tally::Tally;
pub use value_stream::{Block, ObservedStream, Totals, ValueStream};
pub use window::{Window, WindowError};
pub use working_time::{WorkingHoursError, WorkingTime, WorkingWeek};

#[doc = include_str!("../docs/definitions.md")]
#[doc = include_str!("../docs/figures.md")]
pub mod definitions {}

#[doc = include_str!("../docs/report.md")]
pub mod reports {}

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
