//! Delivery metrics out of release journals, every number with the events behind it.
#![forbid(unsafe_code)]

mod calendar;
mod delivery;
mod fact;
mod facts;
mod figure;
mod figures;
mod flow;
mod git;
#[cfg(feature = "journal")]
mod journal;
mod log;
mod moment;
mod options;
mod pipeline_runs;
mod reduce;
mod source;
mod spread;
mod tally;
mod value_stream;
mod window;
mod working_time;

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
pub use options::{
    Aggregate, Attribution, Blend, Bound, CalendarError, CalendarOptions, Choice, Deliveries,
    DeploymentOptions, FailShare, FailedOf, FailedRuns, FailureOptions, FrequencyOptions, LeadTimeOptions,
    Named, Options, Pace, Partial, Preset, Reach, RecoveredBy, RecoveryFrom, RecoveryOptions, Rounding, Skew,
    Span, Start, UnknownPreset, WeekStart,
};
pub use pipeline_runs::{PipelineRun, RunDeployment, RunResult, TaskRun, deployments_of_runs};
pub use reduce::Durations;
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

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
