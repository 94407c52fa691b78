use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::stage::{Abilities, Effect, Failure, Inspect, Inspection, Outcome, Stage, StageContext};

/// What a scripted stage does when it is called.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Step {
    /// It ends with this outcome.
    End(Box<Outcome>),
    /// It ends with an error of this meaning.
    Error(Failure),
    /// It panics.
    Panic,
    /// It waits until it is asked to stop, and then ends with an error.
    UntilCancelled,
    /// It never ends, whatever it is asked.
    Forever,
}

/// A stage that does what a test tells it, call by call, and remembers how it was called. Clones are the same
/// stage.
///
/// ```
/// use pipeline_core::testing::{ScriptedStage, Step};
/// use pipeline_core::{Effect, Failure};
///
/// let stage = ScriptedStage::new(Effect::Idempotent).then(Step::Error(Failure::Errored));
/// assert!(stage.keys().is_empty(), "nobody called it yet");
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct ScriptedStage {
    effect: Effect,
    #[serde(skip)]
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    keys: Vec<String>,
    inspection: Option<Inspection>,
    seen: Vec<Value>,
}

impl ScriptedStage {
    /// A stage that succeeds, however often it is called.
    pub fn new(effect: Effect) -> Self {
        Self {
            effect,
            state: Arc::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the next call that has no step yet. After the last step it succeeds.
    #[must_use]
    pub fn then(self, step: Step) -> Self {
        self.state().steps.push_back(step);
        self
    }

    /// What it finds when it is asked about its effect. Without this, it happened if it was called.
    #[must_use]
    pub fn finds(self, inspection: Inspection) -> Self {
        self.state().inspection = Some(inspection);
        self
    }

    /// The idempotency keys of all calls so far.
    pub fn keys(&self) -> Vec<String> {
        self.state().keys.clone()
    }

    /// The artifacts and facts that each call saw.
    pub fn seen(&self) -> Vec<Value> {
        self.state().seen.clone()
    }
}

/// What a scripted stage fails with.
#[derive(Debug, thiserror::Error)]
#[error("the script says so")]
pub struct ScriptedError(Failure);

impl Stage for ScriptedStage {
    const TYPE: &'static str = "scripted";
    type Error = ScriptedError;

    fn effect(&self) -> Effect {
        self.effect
    }

    #[expect(clippy::panic, reason = "a test asks for it")]
    async fn run(&self, cx: &StageContext) -> Result<Outcome, ScriptedError> {
        let step = {
            let mut state = self.state();
            state.keys.push(cx.key().to_string());
            state
                .seen
                .push(serde_json::json!({ "artifacts": cx.call().artifacts, "facts": cx.call().facts }));
            state.steps.pop_front()
        };
        match step {
            None => Ok(Outcome::succeeded()),
            Some(Step::End(outcome)) => Ok(*outcome),
            Some(Step::Error(failure)) => Err(ScriptedError(failure)),
            Some(Step::Panic) => panic!("the script says so"),
            Some(Step::UntilCancelled) => {
                cx.cancelled().await;
                Err(ScriptedError(Failure::Errored))
            }
            Some(Step::Forever) => std::future::pending().await,
        }
    }

    fn failure(&self, error: &ScriptedError) -> Failure {
        error.0
    }

    fn portable(&self) -> bool {
        false
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().inspect()
    }
}

impl Inspect for ScriptedStage {
    async fn inspect(&self, _: &StageContext) -> Result<Inspection, ScriptedError> {
        let state = self.state();
        Ok(state
            .inspection
            .clone()
            .unwrap_or_else(|| match state.keys.is_empty() {
                true => Inspection::DidNotHappen,
                false => Inspection::Happened(Box::new(Outcome::succeeded())),
            }))
    }
}
