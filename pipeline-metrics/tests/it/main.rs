//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod devlake_runs;
mod figures;
mod fixture;
mod synthetic;
mod table;
mod value_stream;
mod working_time;
