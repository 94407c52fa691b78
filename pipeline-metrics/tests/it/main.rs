//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod devlake_runs;
mod figures;
mod folder;
mod journal;
mod log;
mod properties;
mod render;
mod synthetic;
mod value_stream;
mod window;
mod worked;
mod working_time;
