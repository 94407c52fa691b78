//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod benchmarks;
mod journal;
mod log;
mod properties;
mod render;
mod synthetic;
mod window;
mod worked;
