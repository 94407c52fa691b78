//! The page of guarantees: each row names tests that exist, and here are those that no other file has.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pipeline_core::testing::{MemoryArtifacts, ScriptedStage, Step};
use pipeline_core::{
    DirectorySource, Effect, Failure, MemoryJournal, NEWER_DEPLOYMENT, Pipeline, Revision, RunError, RunId,
    RunRequest, RunState, RunStatus, Runner, Source, SourcePath, StageEnd, StageSpec,
};

use crate::faults_world::{Part, World, alice, pipeline, runner};

const PAGE: &str = include_str!("../../docs/guarantees.md");

/// All functions of the tests' sources, and of the crate's own.
fn functions(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut test = false;
            for line in text.lines().map(str::trim) {
                test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let name = line.trim_start_matches("async ").strip_prefix("fn ");
                if let Some(name) = name.and_then(|name| name.split('(').next()) {
                    if test {
                        found.push(name.to_owned());
                    }
                    test = false;
                }
            }
        }
    }
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    functions(&root.join("tests"), &mut found);
    functions(&root.join("src"), &mut found);
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let mut count = 0;
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing shows: {row}");
        for name in names {
            assert!(found.iter().any(|test| test == name), "no test `{name}`: {row}");
        }
        count += 1;
    }
    assert!(count >= 20, "{count} rows");
}

fn revision(id: &str, at: &str) -> Revision {
    Revision {
        id: id.to_owned(),
        at: at.parse().unwrap(),
        summary: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_revision_goes_over_a_newer_one_only_when_asked() {
    let world = World::new(Arc::new(MemoryJournal::new()));
    let (older, newer) = (
        revision("one", "2026-11-01T00:00:00Z"),
        revision("two", "2026-11-02T00:00:00Z"),
    );
    let runner = runner(&world, Arc::clone(&world.journal));
    let pipeline = pipeline(&world, &[Part::new("deploy", Effect::Idempotent, &[]).in_place()]);
    let deploy = async |id: &str, revision: &Revision, rollback: bool| -> RunState {
        world.state().process += 1;
        let request = RunRequest {
            id: Some(RunId::new(id).unwrap()),
            revision: Some(revision.clone()),
            rollback,
            ..RunRequest::new(alice())
        };
        let run = runner.create(&pipeline, request).await.unwrap();
        runner.drive(&pipeline, &run).await.unwrap()
    };
    assert_eq!(
        deploy("newer", &newer, false).await.status(),
        RunStatus::Succeeded
    );
    let denied = deploy("older", &older, false).await;
    assert_eq!((denied.status(), world.calls().len()), (RunStatus::Failed, 1));
    let stage = denied.stages().next().unwrap();
    assert!(matches!(
        stage.end(),
        Some(StageEnd::Skipped { denied: true, .. })
    ));
    let mut verdicts = stage.gates().unwrap().verdicts.iter();
    assert!(verdicts.any(|gate| gate.gate == NEWER_DEPLOYMENT && !gate.verdict.allows()));
    let asked = deploy("back", &older, true).await;
    assert_eq!((asked.status(), world.calls().len()), (RunStatus::Succeeded, 2));
    assert!(asked.is_rollback());
    assert_eq!(*asked.requested_by(), alice());
    assert_eq!(runner.load(asked.id()).await.unwrap().requested_by(), &alice());
}

#[tokio::test(start_paused = true)]
async fn a_fix_enters_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(directory.path().join("code"), text).unwrap();
    write("broken");
    let source = DirectorySource::new(directory.path());
    let journal = Arc::new(MemoryJournal::new());
    let runner = Runner::new(journal, Arc::new(MemoryArtifacts::new())).source(source.clone());
    let runner = Arc::new(runner);
    let stage = ScriptedStage::new(Effect::Idempotent).then(Step::Error(Failure::Failed));
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage.clone()))
        .build()
        .unwrap();
    let digest = source.digest(&[SourcePath::root()]).await.unwrap();
    let request = || RunRequest {
        source: Some(digest),
        revision: Some(revision("broken", "2026-11-01T00:00:00Z")),
        ..RunRequest::new(alice())
    };
    let failed = runner.create(&pipeline, request()).await.unwrap();
    let state = runner.drive(&pipeline, &failed).await.unwrap();
    assert_eq!(state.status(), RunStatus::Failed);
    let late = runner.create(&pipeline, request()).await.unwrap();

    write("fixed");
    let fixed = RunRequest {
        source: Some(source.digest(&[SourcePath::root()]).await.unwrap()),
        revision: Some(revision("fixed", "2026-11-02T00:00:00Z")),
        ..RunRequest::new(alice())
    };
    // Neither a run that was created before, nor one that begins an old one again, takes the fix in.
    let again = runner
        .create_again(&pipeline, &failed, fixed.clone())
        .await
        .unwrap();
    let state = runner.load(&again).await.unwrap();
    assert_eq!(
        (state.source(), state.revision().unwrap().id.as_str()),
        (Some(digest), "broken")
    );
    for run in [late, again] {
        let refused = runner.drive(&pipeline, &run).await;
        assert!(
            matches!(refused, Err(RunError::OtherSource { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(stage.keys().len(), 1, "nothing began");
    let run = runner.create(&pipeline, fixed).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
}
