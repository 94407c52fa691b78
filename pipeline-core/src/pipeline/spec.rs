use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{AnyGate, AnyStage, Each, Gate, RetryPolicy, SignedDuration, Stage, When};

/// A stage of a pipeline in the making: the stage, and its place in the graph.
///
/// Nothing is checked before [`PipelineBuilder::build`](super::PipelineBuilder::build), which reports all that
/// is wrong at once. See [`Pipeline`](super::Pipeline) for an example.
#[derive(Debug)]
pub struct StageSpec {
    pub(super) name: Arc<str>,
    pub(super) stage: Option<AnyStage>,
    pub(super) settings: Settings,
    pub(crate) after: Vec<Listed>,
    pub(crate) needs: Vec<Listed>,
    pub(crate) produces: Vec<Listed>,
    pub(crate) environment: Option<String>,
    pub(super) gates: Vec<GateSpec>,
    pub(crate) timeout: Option<SignedDuration>,
    pub(crate) pools: Vec<String>,
    pub(crate) when: When,
    pub(crate) retry: Option<Box<RetryPolicy>>,
    pub(crate) each: Option<Box<Each>>,
}

pub(super) type Settings = Result<Value, serde_json::Error>;

/// A name in a list, and where it was in it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) at: usize,
    pub(crate) name: String,
}

/// A gate in the making; `None` when it could not be built, which somebody else reports.
#[derive(Debug)]
pub(super) struct GateSpec {
    pub(super) gate: Option<AnyGate>,
    pub(super) settings: Settings,
}

fn list(names: impl IntoIterator<Item = impl Into<String>>, list: &mut Vec<Listed>) {
    for name in names {
        list.push(Listed {
            at: list.len(),
            name: name.into(),
        });
    }
}

impl StageSpec {
    /// A stage under a name, which is unique in its pipeline. Its settings are what it serialises to.
    pub fn new(name: &str, stage: impl Stage + Serialize) -> Self {
        let settings = serde_json::to_value(&stage);
        Self::empty(name, Some(AnyStage::new(stage)), settings)
    }

    /// A stage whose type is not known at compile time, with the settings that it was built from.
    pub fn any(name: &str, stage: AnyStage, settings: Value) -> Self {
        Self::empty(name, Some(stage), Ok(settings))
    }

    /// The place of a stage that could not be built: the rest of the pipeline is checked, and none is built.
    pub(crate) fn unbuilt(name: &str) -> Self {
        Self::empty(name, None, Ok(Value::Null))
    }

    fn empty(name: &str, stage: Option<AnyStage>, settings: Settings) -> Self {
        Self {
            name: name.into(),
            stage,
            settings,
            after: Vec::new(),
            needs: Vec::new(),
            produces: Vec::new(),
            environment: None,
            gates: Vec::new(),
            timeout: None,
            pools: Vec::new(),
            when: When::default(),
            retry: None,
            each: None,
        }
    }

    /// It starts when these stages have succeeded. Stages that produce what it needs go without saying.
    #[must_use]
    pub fn after(mut self, stages: impl IntoIterator<Item = impl Into<String>>) -> Self {
        list(stages, &mut self.after);
        self
    }

    /// It needs these artifacts, which other stages of the pipeline produce.
    #[must_use]
    pub fn needs(mut self, artifacts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        list(artifacts, &mut self.needs);
        self
    }

    /// It produces these artifacts, which no other stage of the pipeline does.
    #[must_use]
    pub fn produces(mut self, artifacts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        list(artifacts, &mut self.produces);
        self
    }

    /// It targets an environment of the pipeline.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// It starts when this gate allows it, too. The gate's settings are what it serialises to.
    #[must_use]
    pub fn gate(mut self, gate: impl Gate + Serialize) -> Self {
        let settings = serde_json::to_value(&gate);
        self.gates.push(GateSpec {
            gate: Some(AnyGate::new(gate)),
            settings,
        });
        self
    }

    /// It starts when this gate allows it, too: one whose type is not known at compile time.
    #[must_use]
    pub fn any_gate(mut self, gate: AnyGate, settings: Value) -> Self {
        self.gates.push(GateSpec {
            gate: Some(gate),
            settings: Ok(settings),
        });
        self
    }

    /// The place of a gate that could not be built.
    pub(crate) fn unbuilt_gate(mut self) -> Self {
        self.gates.push(GateSpec {
            gate: None,
            settings: Ok(Value::Null),
        });
        self
    }

    /// An attempt takes a slot of each of these pools.
    #[must_use]
    pub fn pools(mut self, pools: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.pools.extend(pools.into_iter().map(Into::into));
        self
    }

    /// When it runs, by how the stages before it ended. One of the clean-up that comes after nothing in particular
    /// comes after all that is not clean-up.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// What happens after a failed attempt.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(Box::new(policy));
        self
    }

    /// It runs once for each item of a list; [`StageContext::item`](crate::StageContext::item) gives the item.
    #[must_use]
    pub fn each(mut self, each: Each) -> Self {
        self.each = Some(Box::new(each));
        self
    }

    /// How long an attempt may take. A part of a second counts as a whole one.
    #[must_use]
    pub fn timeout(mut self, timeout: SignedDuration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
