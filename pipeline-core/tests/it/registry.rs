//! The registry: what it builds, and all that it says of settings that are wrong.

use std::convert::Infallible;
use std::io;

use async_trait::async_trait;
use pipeline_core::{
    Abilities, AnyStage, BuildError, DeployRequest, Digest, Effect, Environment, EnvironmentDescriptor,
    EnvironmentError, EvidenceSet, Fence, Gate, GateRequest, Inspect, Inspection, Observation, Outcome,
    Registry, Stage, StageContext, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A stage with settings of many kinds, which denies unknown ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    pub(crate) program: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) arguments: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retries: Option<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<Host>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Command {
    pub(crate) fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            retries: None,
            hosts: Vec::new(),
        }
    }
}

impl Stage for Command {
    const TYPE: &'static str = "command";
    type Error = io::Error;

    fn effect(&self) -> Effect {
        Effect::AtMostOnce
    }

    async fn run(&self, _: &StageContext) -> io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }
}

/// A stage that takes unknown settings without a word, if serde is all that looks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Deploy {
    pub(crate) strategy: String,
    #[serde(default)]
    pub(crate) weight: f64,
}

impl Stage for Deploy {
    const TYPE: &'static str = "deploy";
    const VERSION: u32 = 2;
    type Error = io::Error;

    fn effect(&self) -> Effect {
        Effect::Inspectable
    }

    async fn run(&self, _: &StageContext) -> io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().inspect()
    }
}

impl Inspect for Deploy {
    async fn inspect(&self, _: &StageContext) -> io::Result<Inspection> {
        Ok(Inspection::DidNotHappen)
    }
}

/// A stage without settings.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Smoke;

impl Stage for Smoke {
    const TYPE: &'static str = "smoke";
    type Error = io::Error;

    fn effect(&self) -> Effect {
        Effect::Pure
    }

    async fn run(&self, _: &StageContext) -> io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub(crate) count: u32,
}

impl Gate for Approval {
    const TYPE: &'static str = "approval";

    fn decide(&self, _: &GateRequest, _: &EvidenceSet, _: Timestamp) -> Verdict {
        Verdict::wait("always")
    }
}

#[derive(Debug)]
pub(crate) struct Directory {
    descriptor: EnvironmentDescriptor,
}

impl Directory {
    pub(crate) fn new(descriptor: EnvironmentDescriptor) -> Self {
        Self { descriptor }
    }
}

#[derive(Debug, Deserialize)]
struct DirectorySettings {
    path: String,
    #[serde(default)]
    share: f64,
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not absolute")]
struct NotAbsolute(String);

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

/// All of the above.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .stage::<Command>()
        .stage::<Deploy>()
        .stage::<Smoke>()
        .gate::<Approval>()
        .environment("directory", |descriptor, settings: DirectorySettings| {
            if settings.path.starts_with('/') && settings.share >= 0.0 {
                Ok(Directory::new(descriptor))
            } else {
                Err(NotAbsolute(settings.path))
            }
        });
    registry
}

fn problems(result: Result<AnyStage, BuildError>) -> String {
    let mut text = String::new();
    for problem in result.unwrap_err().problems {
        text.push_str(&format!("{}: {problem}\n", problem.path()));
        if let Some(hint) = problem.hint() {
            text.push_str(&format!("  hint: {hint}\n"));
        }
    }
    text
}

#[test]
fn registered_names_are_sorted() {
    let registry = registry();
    assert_eq!(
        registry.stage_types().collect::<Vec<_>>(),
        ["command", "deploy", "smoke"]
    );
    assert_eq!(registry.gate_types().collect::<Vec<_>>(), ["approval"]);
    assert_eq!(registry.environment_types().collect::<Vec<_>>(), ["directory"]);
    assert_eq!(registry.stage_version("deploy"), Some(2));
    assert_eq!(registry.gate_version("approval"), Some(1));
    assert_eq!(registry.stage_version("approval"), None);
}

#[test]
fn a_second_registration_overrides_the_first() {
    let mut registry = registry();
    registry.stage_with(|_: Value| Ok::<_, Infallible>(Command::new("true")));
    let stage = registry
        .build_stage("command", &json!({"anything": "goes"}))
        .unwrap();
    assert_eq!(
        format!("{stage:?}"),
        format!("{:?}", AnyStage::new(Command::new("true")))
    );
}

#[test]
fn absent_settings_are_an_empty_table() {
    let registry = registry();
    for settings in [json!(null), json!({})] {
        assert_eq!(
            registry.build_stage("smoke", &settings).unwrap().type_name(),
            "smoke"
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(problems(registry.build_stage("command", &settings)), @r#": the settings do not fit: missing field `program`"#);
        }
    }
    assert!(registry.build_stage("smoke", &json!({"a": 1})).is_err());
}

#[test]
fn all_that_is_wrong_with_settings_is_told() {
    let settings = json!({
        "programm": "sh",
        "arguments": "-c",
        "retries": 300,
        "hosts": [
            {"name": "a", "port": 1, "prot": 2},
            {"name": 5, "port": -1},
        ],
        "zzz": {},
    });
    insta::assert_snapshot!(problems(registry().build_stage("command", &settings)), @r#"
: the settings do not fit: missing field `program`
arguments: setting `arguments` does not fit: invalid type: string "-c", expected a sequence
hosts[0].prot: nobody reads setting `hosts[0].prot`
hosts[1].name: setting `hosts[1].name` does not fit: invalid type: integer `5`, expected a string
hosts[1].port: setting `hosts[1].port` does not fit: invalid value: integer `-1`, expected u16
programm: nobody reads setting `programm`
  hint: did you mean `program`?
retries: setting `retries` does not fit: invalid value: integer `300`, expected u8
zzz: nobody reads setting `zzz`
  hint: known are `program`, `arguments`, `retries`, `hosts`
"#);
    let settings = json!({"stratgy": "rolling", "strategy": "x", "weight": "much", "wait": 1});
    insta::assert_snapshot!(problems(registry().build_stage("deploy", &settings)), @r#"
stratgy: nobody reads setting `stratgy`
  hint: did you mean `strategy`?
wait: nobody reads setting `wait`
  hint: known are `strategy`, `weight`
weight: setting `weight` does not fit: invalid type: string "much", expected f64
"#);
}

#[test]
fn settings_that_are_no_table_are_told() {
    for settings in [json!(1), json!("x"), json!([1]), json!(true)] {
        assert!(registry().build_stage("command", &settings).is_err());
    }
}

#[test]
fn an_unknown_type_is_told_with_the_nearest() {
    insta::assert_snapshot!(problems(registry().build_stage("comand", &json!({}))), @r#"
type: no stage type `comand` is registered
  hint: did you mean `command`?
"#);
    insta::assert_snapshot!(problems(registry().build_stage("terraform", &json!({}))), @r#"
type: no stage type `terraform` is registered
  hint: registered are `command`, `deploy`, `smoke`
"#);
    insta::assert_snapshot!(problems(Registry::new().build_stage("terraform", &json!({}))), @r#"
type: no stage type `terraform` is registered
  hint: no stage types are registered at all
"#);
}

#[test]
fn what_a_builder_refuses_keeps_its_cause() {
    let descriptor = json!({
        "name": "production", "tier": "production", "type": "directory", "settings": {"path": "srv"},
    });
    let descriptor: EnvironmentDescriptor = serde_json::from_value(descriptor).unwrap();
    let error = registry().build_environment(descriptor).unwrap_err();
    insta::assert_snapshot!(error, @r#"environment type `directory` cannot be built: type `directory` refuses its settings: `srv` is not absolute"#);
    let source = std::error::Error::source(&error.problems[0]).unwrap();
    assert!(source.is::<NotAbsolute>());
}
