//! How a stage of one's own is tested: alone, with a context; no runner, no journal.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../custom_stage/count_lines.rs"]
mod count_lines;

use std::sync::Arc;

use pipeline_core::testing::conformance::{StageSuite, StageWorld};
use pipeline_core::testing::{ManualClock, MemoryArtifacts, TestCall, services};
use pipeline_core::{DirectorySource, NoSecrets, Outcome, Services, Stage, StageContext};

use count_lines::CountLines;

fn worker(directory: &tempfile::TempDir) -> Services {
    let source = Arc::new(DirectorySource::new(directory.path()));
    let clock = ManualClock::at("2026-11-20T12:00:00Z");
    services(
        clock,
        Arc::new(MemoryArtifacts::new()),
        source,
        Arc::new(NoSecrets),
    )
}

fn context(directory: &tempfile::TempDir) -> StageContext {
    TestCall::new("count").context(worker(directory))
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

/// Whether it is as pure as it says: called twice, dropped and stopped at each await point, it reports the same and
/// leaves the checkout alone.
#[tokio::test]
async fn it_keeps_what_a_stage_promises() {
    let fresh = || async {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("notes.txt"), "one\ntwo\n").unwrap();
        let stage = CountLines {
            file: "notes.txt".parse().unwrap(),
        };
        let path = directory.path().to_owned();
        StageWorld::new(stage, TestCall::new("count"), worker(&directory))
            .probe(move || {
                let entries = std::fs::read_dir(&path).unwrap();
                let files: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
                let text = std::fs::read_to_string(path.join("notes.txt")).unwrap();
                async move { format!("{files:?} {text}") }
            })
            .keep(directory)
    };
    let report = StageSuite::new(fresh).run().await;
    report.assert_kept();
    assert_eq!(report.not_tried_names(), [""; 0], "{report}");
}
