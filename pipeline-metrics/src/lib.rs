//! Delivery metrics out of release journals, every number with the events behind it.
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
mod value_stream;
mod window;
mod working_time;

pub use calendar::Bucket;
pub use delivery::{
    Counted, Delivery, Explained, Frequency, LeftOut, Measures, Metric, PhaseTimes, Phased, Ratio, Reason,
    Scope, Selection, Spell, Week, weekly_csv,
};
pub use export::{json_schema, prometheus_text, render_explanation, render_text};
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
    Named, Options, Pace, Partial, Preset, Reach, RecoveredBy, RecoveryFrom, RecoveryOptions, Rounding, Skew,
    Span, Start, UnknownPreset, WeekStart,
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
pub use value_stream::{Block, ObservedStream, Totals, ValueStream};
pub use window::{Window, WindowError};
pub use working_time::{WorkingHoursError, WorkingTime, WorkingWeek};

#[doc = include_str!("../docs/definitions.md")]
pub mod definitions {}

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
