//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod benchmarks;
#[cfg(feature = "report")]
mod browser;
mod cdevents;
mod choices;
#[cfg(feature = "csv")]
mod csv_tables;
mod devlake;
mod devlake_runs;
mod exports;
mod figure_edges;
mod figure_forms;
mod figures;
mod fixture;
#[cfg(feature = "journal")]
mod flow_journal;
mod flow_properties;
mod git_history;
#[cfg(feature = "git")]
mod git_repository;
#[cfg(feature = "journal")]
mod journal;
mod log;
mod middleware;
#[cfg(feature = "report")]
mod page;
mod peers;
mod presets;
mod properties;
mod review;
mod statistics;
mod synthetic;
mod table;
mod value_stream;
mod week;
mod window;
mod worked;
mod working_time;
mod year;
