//! Delivery metrics out of release journals, every number with the events behind it.
//!
//! A [`Facts`] collects what happened, out of the events of a journal or the lines of a delivery log. A
//! [`Delivery`] links it: which deployment brought a change to users, which one an incident is the fault of.
//! A [`Report`] tells the five numbers of DORA for a window of time, by component.
//!
//! # A week, worked by hand
//!
//! ```
//! use pipeline_metrics::{Delivery, Facts, LogReader, Ratio, Reason, ReportOptions, Window};
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
//! let delivery = Delivery::of(&facts);
//! let week = Window::week_of("2025-01-06T00:00:00Z".parse()?);
//! let report = delivery.report(&ReportOptions::new(week));
//! let shop = report.component("shop").ok_or("no shop")?;
//!
//! // Two deployments, on Monday and on Tuesday.
//! let frequency = shop.deployment_frequency.value.ok_or("nothing went live")?;
//! assert_eq!((frequency.deployments, frequency.days), (2, 2));
//! // 4 hours for a, 2 for b, 1 for c: the one in the middle is 2 hours.
//! assert_eq!(shop.lead_time.value.map(|time| time.median_ms), Some(2.0 * 3_600_000.0));
//! // d1 failed, as i1 came after it: 1 of 2; users waited from Monday, 12:00, to Tuesday, 15:00.
//! assert_eq!(shop.change_fail_rate.value, Ratio::new(1, 2));
//! assert_eq!(shop.recovery_time.value.map(|time| time.median_ms), Some(27.0 * 3_600_000.0));
//! // d2 was a hotfix: 1 of 2.
//! assert_eq!(shop.rework_rate.value, Ratio::new(1, 2));
//!
//! // What is behind a number, and what is not.
//! let first = shop.lead_time.counted.first().ok_or("no change")?;
//! assert_eq!(first.fact.to_string(), "change a (events.jsonl:2)");
//! assert_eq!(shop.lead_time.left_out_for(&Reason::NotDelivered), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From a journal, the facts come with [`Facts::add_events`]: follow
//! [`read_all`](pipeline_core::Journal) and add each page; to read an event twice does no harm.
//!
//! # The nouns
//!
//! | | |
//! |---|---|
//! | [`Change`], [`Deployment`], [`Incident`], [`Recovery`], [`Rollback`] | what is counted; each knows its [`FactSource`] |
//! | [`Facts`] | a set of them, whatever their order, with the [`Problem`]s of what could not be read |
//! | [`LogReader`] | reads the delivery log of another system |
//! | [`Delivery`] | facts with their links |
//! | [`Window`] | a half-open span of time; an ISO week is one |
//! | [`Report`], [`Week`] | the [`Measures`] of a window, of a week |
//! | [`Explained`] | a number, what was counted, what was [left out](LeftOut) with the [`Reason`], and the definition |
//! | [`render_text`], [`weekly_csv`] | for a terminal, for a spreadsheet; a [`Report`] is also JSON |
//!
//! # Definitions
//!
//! They are in [`definitions`], with formulas, units and sources.
//!
//! # What it does not do
//!
//! - It reads no clock and no files, starts no task and needs no async runtime.
//! - It rates nobody: DORA's clusters describe survey answers, and a number has no level.
//! - It blends no components, unless [asked](ReportOptions::with_overall).
//! - It stores nothing: facts are rebuilt from the journal or the logs.
#![forbid(unsafe_code)]

mod change_fail_rate;
mod delivery;
mod deployment_frequency;
mod explained;
mod fact;
mod facts;
mod figure;
mod figures;
mod flow;
mod git;
mod history;
mod journal;
mod lead_time;
mod log;
mod median;
mod pipeline_runs;
mod recovery_time;
mod report;
mod rework_rate;
mod source;
mod spread;
mod text;
mod value_stream;
mod weekly;
mod window;
mod working_time;

pub use delivery::{Delivery, Measures, Week};
pub use deployment_frequency::Frequency;
pub use explained::{Counted, Durations, Explained, LeftOut, Ratio, Reason};
pub use fact::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactId, FactRef, FactSource, Incident,
    Recovery, Rollback,
};
pub use facts::{Facts, Problem};
pub use figure::{Cell, Figure, FigureColumn, FigureItem, FigureLeftOut, FigureTable, FigureValue, Unit};
pub use figures::{FigureOptions, LagBy, figures};
pub use flow::{
    ChangeKind, EnvironmentChange, EnvironmentFact, Flow, FlowFact, Hold, JournalFlow, ManualWork, Origin,
    Removal, StageTime, Wait, WaitCause,
};
pub use git::{
    Commit, CommitGraph, CommitTime, GitHistory, GitOptions, Reverted, Tag, TaggedRelease, revert_in_message,
};
#[cfg(feature = "git")]
pub use git::{ReadGitError, read_history};
pub use log::{LineError, LogError, LogErrorKind, LogReader, LogSummary};
pub use pipeline_runs::{PipelineRun, RunDeployment, RunResult, TaskRun, deployments_of_runs};
pub use report::{ComponentReport, Report, ReportOptions};
pub use source::{CdEvents, CdEventsOptions, RecordError, SourceError, SourceErrorKind, SourceSummary};
#[cfg(feature = "csv")]
pub use source::{
    CsvError, CsvField, CsvHeaderError, CsvHeaderProblem, CsvReader, CsvRows, CsvTime, MissingColumn,
};
pub use text::render_text;
pub use value_stream::{Block, ObservedStream, Totals, ValueStream};
pub use weekly::weekly_csv;
pub use window::{Window, WindowError};
pub use working_time::{WorkingHoursError, WorkingTime, WorkingWeek};

#[doc = include_str!("../docs/definitions.md")]
pub mod definitions {}

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
