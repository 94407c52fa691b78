//! The fuzz targets, bounded: every seed, and mutants of them that are the same each time. `PROPTEST_CASES` says how
//! many.

use std::path::Path;

use pipeline_core::testing::Seeds;
use proptest::test_runner::Config;

mod targets;

/// Runs a target `share` times as often as a property is tried.
fn run(name: &str, share: u32, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let seeds = Seeds::read(&folder).unwrap();
    if let Err(found) = seeds.feed((Config::default().cases * share) as usize, target) {
        panic!("{name}: {found}");
    }
}

#[test]
fn definitions() {
    run("definition", 8, targets::definition::run);
}

#[test]
fn envelopes() {
    run("envelope", 4, targets::envelope::run);
}

#[test]
fn journals() {
    run("journal", 4, targets::journal::run);
}

#[test]
fn indexes() {
    run("index", 4, targets::index::run);
}

#[test]
fn payloads() {
    run("payload", 16, targets::payload::run);
}

#[test]
fn folds() {
    run("fold", 4, targets::fold::run);
}

#[test]
fn names() {
    run("name", 16, targets::name::run);
}
