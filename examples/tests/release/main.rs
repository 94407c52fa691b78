//! The host program as its users meet it: real processes, real files, and a `kill -9` wherever it hurts.
//!
//! `PIPELINE_LONG=1` kills at many more moments and flips every single byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

mod again;
mod approvals;
mod artifacts;
mod cancellation;
mod concurrency;
mod crash;
mod decisions;
mod definitions;
mod documents;
mod graphs;
mod interrupts;
mod metrics;
mod parked;
mod plans;
mod pools;
mod progress;
mod queues;
mod repetition;
mod reports;
mod revisions;
mod rollback;
mod rules;
mod secrets;
mod sources;
mod story;
mod tampering;
mod windows;
