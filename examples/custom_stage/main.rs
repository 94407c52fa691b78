//! A stage of one's own, in thirty lines (`count_lines.rs`), named in a definition and run. Its test is
//! `tests/custom_stage.rs`, with the conformance suite. Nothing here is private to the crates.

mod count_lines;

use std::sync::Arc;

use pipeline_artifacts::LocalStore;
use pipeline_core::{Actor, Definition, DirectorySource, MemoryJournal, Registry, RunRequest, Runner};

use crate::count_lines::CountLines;

const DEFINITION: &str = r#"
[pipeline]
name = "custom"

[stages.count]
type = "count-lines"
file = "notes.txt"
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("notes.txt"), "one\ntwo\n")?;

    let mut registry = Registry::new();
    registry.stage::<CountLines>();
    let pipeline = Definition::parse(DEFINITION, "pipeline.toml")?.pipeline(&registry)?;

    let store = Arc::new(LocalStore::open(directory.path().join("store"))?);
    let runner =
        Runner::new(Arc::new(MemoryJournal::new()), store).source(DirectorySource::new(directory.path()));
    let runner = Arc::new(runner);
    let run = runner
        .create(&pipeline, RunRequest::new(Actor::person("alice")?))
        .await?;
    let state = runner.drive(&pipeline, &run).await?;
    for stage in state.stages() {
        let facts = stage
            .end()
            .and_then(|end| end.outcome())
            .map(|outcome| &outcome.facts);
        println!("{}: {} {facts:?}", stage.planned().name, stage.state().word());
    }
    Ok(())
}
