//! How a stage of one's own is tested: alone, with a context; no runner, no journal.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../custom_stage/count_lines.rs"]
mod count_lines;

use std::sync::Arc;

use pipeline_core::testing::{ManualClock, MemoryArtifacts, TestCall, services};
use pipeline_core::{DirectorySource, NoSecrets, Outcome, Stage, StageContext};

use count_lines::CountLines;

fn context(directory: &tempfile::TempDir) -> StageContext {
    let source = Arc::new(DirectorySource::new(directory.path()));
    let clock = ManualClock::at("2026-11-20T12:00:00Z");
    TestCall::new("count").context(services(
        clock,
        Arc::new(MemoryArtifacts::new()),
        source,
        Arc::new(NoSecrets),
    ))
}

async fn count(text: &str) -> (Outcome, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), text).unwrap();
    let cx = context(&directory);
    let outcome = CountLines {
        file: "notes.txt".parse().unwrap(),
    }
    .run(&cx)
    .await
    .unwrap();
    (outcome, cx.output_log().to_string())
}

#[tokio::test]
async fn it_counts_lines_and_says_so() {
    let (outcome, said) = count("one\ntwo\n").await;
    assert_eq!(outcome, Outcome::succeeded().fact("lines", 2));
    assert_eq!(said, "#notes.txt has 2 lines\n");
}

#[tokio::test]
async fn an_empty_file_is_a_no() {
    let (outcome, _) = count("").await;
    assert!(!outcome.is_success());
    assert_eq!(outcome.reason, "notes.txt is empty");
}

#[tokio::test]
async fn a_missing_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let error = CountLines {
        file: "gone".parse().unwrap(),
    }
    .run(&context(&directory))
    .await
    .unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
}
