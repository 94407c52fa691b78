//! A run that another program created, with a type of stage that this one lacks.

use std::sync::Arc;

use pipeline_core::testing::{MemoryArtifacts, ScriptedStage};
use pipeline_core::{Actor, Effect, FileJournal, Pipeline, RunRequest, Runner, StageSpec, SystemEntropy};

use crate::support::{TestSpace, text};

#[tokio::test]
async fn a_run_whose_types_are_missing_is_parked_and_names_them() {
    let space = TestSpace::with_app("\n[stages.fine]\ntype = \"command\"\nprogram = \"true\"\n");
    space.run(0);
    let pipeline = Pipeline::builder("estate")
        .stage(StageSpec::new(
            "plan-network",
            ScriptedStage::new(Effect::Idempotent),
        ))
        .build()
        .unwrap();
    let run = {
        let directory = space.store().join("journal");
        let (journal, _) = FileJournal::open(directory, Arc::new(SystemEntropy)).unwrap();
        let runner = Runner::new(Arc::new(journal), Arc::new(MemoryArtifacts::new()));
        let request = RunRequest::new(Actor::person("carol").unwrap());
        runner.create(&pipeline, request).await.unwrap().to_string()
    };

    let parked = space.json(&["resume", &run]).expect(4);
    assert_eq!(parked.document["status"], "parked", "{parked}");
    let missing = text(&parked.document["parked"][0]);
    assert!(
        missing.contains("`plan-network`") && missing.contains("scripted@1"),
        "{missing}"
    );
    // Said again, it is not written again.
    let length = space.journal_length();
    let told = space.release(&["resume", &run]).expect(4);
    assert!(
        told.stdout.contains("the run is parked: stage `plan-network`"),
        "{told}"
    );
    assert_eq!(space.journal_length(), length);
    let status = space.json(&["status"]).expect(0);
    assert_eq!(status.document["runs"][0]["status"], "parked", "{status}");
    assert_eq!(
        text(&status.document["runs"][0]["parked"][0]),
        missing,
        "{status}"
    );
    let why = space.release(&["why", &run]).expect(0);
    assert!(why.stdout.contains("scripted@1"), "{why}");
    // It keeps no other run from going on.
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["failed"].as_array().unwrap().len(), 0, "{tick}");
    space.assert_verifies();
}
