//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod devlake;
mod fixture;
#[cfg(feature = "journal")]
mod journal;
mod log;
mod middleware;
mod presets;
mod properties;
mod synthetic;
mod window;
mod worked;
