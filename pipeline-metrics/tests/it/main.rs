//! What the crate promises, tested from outside.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint allows it in tests only"
)]

mod fixture;
mod synthetic;
