//! Definitions: reading never panics; what is wrong is said with its place; what is right has a plan that builds the
//! same pipeline again.

use async_trait::async_trait;
use pipeline_core::{
    Definition, DeployRequest, Digest, Effect, Environment, EnvironmentDescriptor, EnvironmentError,
    EvidenceSet, Fence, Gate, GateRequest, Observation, Outcome, Pipeline, Registry, RunPlan, Stage,
    StageContext, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    program: String,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    retries: Option<u8>,
}

impl Stage for Command {
    const TYPE: &'static str = "command";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::AtMostOnce
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        Ok(Outcome::succeeded())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Deploy {
    strategy: String,
    #[serde(default)]
    weight: f64,
}

impl Stage for Deploy {
    const TYPE: &'static str = "deploy";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        Ok(Outcome::succeeded())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Approval {
    count: u32,
}

impl Gate for Approval {
    const TYPE: &'static str = "approval";

    fn decide(&self, _: &GateRequest, _: &EvidenceSet, _: Timestamp) -> Verdict {
        Verdict::wait("always")
    }
}

#[derive(Debug)]
struct Directory {
    descriptor: EnvironmentDescriptor,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read")]
struct DirectorySettings {
    path: String,
}

#[async_trait]
impl Environment for Directory {
    fn descriptor(&self) -> &EnvironmentDescriptor {
        &self.descriptor
    }

    async fn observe(&self) -> Result<Observation, EnvironmentError> {
        Ok(Observation::default())
    }

    async fn deploy(&self, _: &DeployRequest) -> Result<(), EnvironmentError> {
        Ok(())
    }

    async fn retire(&self, _: &Digest, _: Option<Fence>) -> Result<(), EnvironmentError> {
        Ok(())
    }
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .stage::<Command>()
        .stage::<Deploy>()
        .gate::<Approval>()
        .environment("directory", |descriptor, _: DirectorySettings| {
            Ok::<_, std::convert::Infallible>(Directory { descriptor })
        });
    registry
}

/// The input is TOML.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let registry = registry();
    let pipeline = Definition::parse(text, "pipeline.toml").and_then(|read| read.pipeline(&registry));
    let plan = match &pipeline {
        Ok(pipeline) => pipeline.plan(),
        Err(error) => {
            assert!(!error.diagnostics().is_empty(), "an error says what is wrong");
            let lines: Vec<_> = text.split('\n').collect();
            for found in error.diagnostics() {
                assert!(
                    (1..=lines.len()).contains(&found.line),
                    "{found}: there are {} lines",
                    lines.len()
                );
                let columns = lines[found.line - 1].chars().count() + 1;
                assert!(
                    (1..=columns).contains(&found.column),
                    "{found}: there are {columns} columns"
                );
            }
            return;
        }
    };
    let json = serde_json::to_string(&plan).expect("a plan has a JSON form");
    let read: RunPlan = serde_json::from_str(&json).expect("a plan is read back");
    assert_eq!(read, *plan);
    assert_eq!(read.digest().expect("a digest"), plan.digest().expect("a digest"));
    let again = Pipeline::from_plan(&read, &registry).expect("a plan builds its pipeline");
    assert_eq!(again.plan(), plan);
}
