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
fn archives() {
    run("archive", 1, targets::archive::run);
}

#[test]
fn manifests() {
    run("manifest", 2, targets::manifest::run);
}

#[test]
fn layouts() {
    run("layout", 1, targets::layout::run);
}

#[test]
fn paths() {
    run("path", 1, targets::path::run);
}
