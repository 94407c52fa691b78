use std::path::Path;

use pipeline_core::Drawing;
use serde_json::{Value, json};

use crate::answer::{Answer, Exit, Problem};
use crate::args::Notation;
use crate::commands::run_id;
use crate::host::Host;

/// `release graph --file FILE`
pub fn of_definition(store: &Path, file: &Path, notation: Notation) -> Result<Answer, Problem> {
    let scratch = tempfile::tempdir()?;
    let pipeline = Host::look_or_open(store, scratch.path())?.define(file)?;
    let data = json!({ "pipeline": pipeline.name() });
    Ok(answer(&Drawing::of_pipeline(&pipeline), notation, data))
}

/// `release graph [RUN]`
pub async fn of_run(host: &Host, run: Option<&str>, notation: Notation) -> Result<Answer, Problem> {
    let run = match run {
        Some(run) => run_id(run)?,
        None => {
            let runs = host.runs().await?;
            runs.into_iter().next().ok_or_else(|| {
                Problem::input("there is no run to draw: say --file FILE to draw a pipeline")
            })?
        }
    };
    let state = host.clerk().load(&run).await?;
    let data = json!({ "run": run, "pipeline": state.plan().pipeline, "status": state.status() });
    Ok(answer(&Drawing::of_run(&state), notation, data))
}

fn answer(drawing: &Drawing, notation: Notation, mut data: Value) -> Answer {
    let (name, text) = match notation {
        Notation::Dot => ("dot", drawing.to_dot()),
        Notation::Mermaid => ("mermaid", drawing.to_mermaid()),
    };
    data["notation"] = name.into();
    data["drawing"] = text.clone().into();
    Answer::new(Exit::Succeeded, data, text)
}
