//! The crate from outside, one file for each noun.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::clone_on_ref_ptr,
    reason = "tests"
)]

mod attestation;
mod conformance;
mod definition;
mod drawing;
mod environments;
mod faults;
mod faults_files;
mod faults_guarantees;
mod faults_model;
mod faults_processes;
mod faults_world;
mod fuzz;
mod journal;
mod journal_erasure;
mod journal_files;
mod journal_folds;
mod journal_index;
mod journal_model;
mod journal_processes;
mod observing;
mod pipeline;
mod registry;
mod run;
mod runner;
mod scheduler;
mod snapshots;
mod spans;
mod support;
