//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod benchmarks;
#[cfg(feature = "report")]
mod browser;
mod fixture;
#[cfg(feature = "report")]
mod page;
mod statistics;
mod synthetic;
mod week;
mod year;
