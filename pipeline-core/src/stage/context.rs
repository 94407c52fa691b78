use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use super::call::{StageCall, Target};
use super::{Cancellation, Cancelled, Channel, OutputLog};
use crate::{
    ArtifactName, ArtifactRef, ArtifactStore, Clock, ComponentName, Environment, IdempotencyKey, Masker,
    PipelineName, RunId, Secret, SecretError, SecretRef, SecretSource, Source, StageName, Timestamp,
};

/// What a worker offers to the stages that it runs.
#[derive(Debug, Clone)]
pub struct Services {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The bytes.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// The code.
    pub source: Arc<dyn Source>,
    /// The secrets.
    pub secrets: Arc<dyn SecretSource>,
}

/// Hears what a running stage says, at once. Must not block.
pub trait Signals: Debug + Send + Sync {
    /// A line of output, masked.
    fn output(&self, run: &RunId, stage: &StageName, channel: Channel, line: &str);

    /// How far a stage is: some of a total, if it knows one, and what it is doing.
    fn progress(&self, run: &RunId, stage: &StageName, done: u64, total: Option<u64>, doing: &str);
}

/// What a running stage may touch. Cloning is cheap; clones are the same context.
#[derive(Debug, Clone)]
pub struct StageContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    call: StageCall,
    services: Arc<Services>,
    environment: Option<Arc<dyn Environment>>,
    // Made when somebody asks for them: most stages never do.
    cancellation: OnceLock<Cancellation>,
    #[cfg(feature = "runtime")]
    drop_now: OnceLock<Cancellation>,
    masker: OnceLock<Masker>,
    output: OnceLock<Box<Mutex<OutputLog>>>,
    signals: Option<Arc<dyn Signals>>,
    /// The same attempt before its configuration was read: it keeps what is said, and is asked to stop.
    base: Option<StageContext>,
}

impl StageContext {
    /// A context for a call. The engine makes them; tests of stages do, too.
    pub fn new(
        call: StageCall,
        services: impl Into<Arc<Services>>,
        environment: Option<Arc<dyn Environment>>,
    ) -> Self {
        Self::heard(call, services.into(), environment, None)
    }

    /// The same context with somebody who hears what the stage says; before the context is shared.
    #[must_use]
    pub fn with_signals(self, signals: Arc<dyn Signals>) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner {
                signals: Some(signals),
                ..inner
            })),
            Err(shared) => Self(shared),
        }
    }

    pub(crate) fn heard(
        call: StageCall,
        services: Arc<Services>,
        environment: Option<Arc<dyn Environment>>,
        signals: Option<Arc<dyn Signals>>,
    ) -> Self {
        Self(Arc::new(Inner {
            call,
            services,
            environment,
            cancellation: OnceLock::new(),
            #[cfg(feature = "runtime")]
            drop_now: OnceLock::new(),
            masker: OnceLock::new(),
            output: OnceLock::new(),
            signals,
            base: None,
        }))
    }

    /// Makes it the context of another attempt of the same run, whose call says no more either; if nobody else has it
    /// any more. Tells whether it did.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) fn again(
        &mut self,
        (stage, attempt, generation): (&StageName, u32, u32),
        signals: Option<Arc<dyn Signals>>,
    ) -> bool {
        let Some(inner) = Arc::get_mut(&mut self.0) else {
            return false;
        };
        inner.call.stage = stage.clone();
        inner.call.attempt = attempt;
        inner.call.generation = generation;
        inner.signals = signals;
        inner.cancellation.take();
        inner.drop_now.take();
        inner.masker.take();
        inner.output.take();
        true
    }

    /// A context of the same call with its environment's configuration: asked to stop as this one is, and masking
    /// what this one does.
    #[cfg(feature = "runtime")]
    pub(crate) fn configured(&self, configuration: crate::Configuration) -> Self {
        let mut call = self.0.call.clone();
        if let Some(target) = &mut call.target {
            target.configuration = configuration;
        }
        Self(Arc::new(Inner {
            call,
            services: Arc::clone(&self.0.services),
            environment: self.0.environment.clone(),
            cancellation: OnceLock::new(),
            #[cfg(feature = "runtime")]
            drop_now: OnceLock::new(),
            masker: OnceLock::new(),
            output: OnceLock::new(),
            signals: self.0.signals.clone(),
            base: Some(self.clone()),
        }))
    }

    /// Asks the engine's supervisor to drop the stage without further grace.
    #[cfg(feature = "runtime")]
    pub(crate) fn drop_now(&self) -> &Cancellation {
        self.own().drop_now.get_or_init(Cancellation::new)
    }

    /// Where the attempt's own things are.
    fn own(&self) -> &Inner {
        self.0.base.as_ref().map_or(&self.0, |base| &base.0)
    }

    /// The call: everything that the engine decided about this attempt.
    pub fn call(&self) -> &StageCall {
        &self.0.call
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.0.call.run
    }

    /// The stage's name in the pipeline.
    pub fn stage(&self) -> &StageName {
        &self.0.call.stage
    }

    /// Names the intended effect: hand it to targets that recognise a repeated call.
    pub fn key(&self) -> IdempotencyKey {
        self.0.call.key()
    }

    /// The pipeline of the run.
    pub fn pipeline(&self) -> &PipelineName {
        &self.0.call.pipeline
    }

    /// What the pipeline releases.
    pub fn component(&self) -> &ComponentName {
        &self.0.call.component
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.call.attempt
    }

    /// The item of the list that the stage runs over, if it does.
    pub fn item(&self) -> Option<&Value> {
        self.0.call.item.as_ref()
    }

    /// The environment that the stage targets, as the journal knows it.
    pub fn target(&self) -> Option<&Target> {
        self.0.call.target.as_deref()
    }

    /// The environment that the stage targets, to act on.
    pub fn environment(&self) -> Option<&Arc<dyn Environment>> {
        self.0.environment.as_ref()
    }

    /// An artifact that the stage `needs`.
    pub fn artifact(&self, name: &ArtifactName) -> Option<&ArtifactRef> {
        self.0.call.artifacts.get(name)
    }

    /// A fact that a stage reported which this one waits for directly.
    pub fn fact(&self, stage: &str, fact: &str) -> Option<&Value> {
        self.0.call.facts.get(stage)?.get(fact)
    }

    /// The store of artifacts.
    pub fn artifacts(&self) -> &Arc<dyn ArtifactStore> {
        &self.0.services.artifacts
    }

    /// The code that the run works on.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.0.services.source
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.0.services.clock.now()
    }

    /// When the attempt must have ended, if there is a limit. The engine cancels the stage then.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.0.call.deadline
    }

    /// Ends when the stage is asked to stop, with the reason.
    pub fn cancelled(&self) -> Cancelled {
        self.cancellation().cancelled()
    }

    /// Whether the stage was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        let cancellation = self.own().cancellation.get();
        cancellation.is_some_and(|cancellation| cancellation.reason().is_some())
    }

    /// The handle that asks this stage to stop. For the engine and for tests.
    pub fn cancellation(&self) -> &Cancellation {
        self.own().cancellation.get_or_init(Cancellation::new)
    }

    /// Resolves a secret, and masks it from now on in everything that this attempt says.
    ///
    /// # Errors
    ///
    /// When the secret cannot be had.
    pub async fn secret(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let secret = self.0.services.secrets.resolve(reference).await?;
        self.masker().add(&secret);
        Ok(secret)
    }

    /// What masks this attempt's output.
    pub fn masker(&self) -> &Masker {
        self.own().masker.get_or_init(Masker::new)
    }

    /// Whether there may be secrets to mask.
    #[cfg(feature = "runtime")]
    pub(crate) fn is_masking(&self) -> bool {
        self.own().masker.get().is_some_and(|masker| !masker.is_empty())
    }

    /// Whether nothing was said.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.own().output.get().is_none()
    }

    /// Says something: shown live, and kept with the attempt up to a bound.
    pub fn log(&self, line: impl AsRef<str>) {
        self.output(Channel::Note, line.as_ref());
    }

    /// Passes on a line of a program's output: shown live, and kept with the attempt up to a bound.
    pub fn output(&self, channel: Channel, line: &str) {
        let line = self.masker().mask(line);
        if let Some(signals) = &self.0.signals {
            signals.output(self.run(), self.stage(), channel, &line);
        }
        let output = self.own().output.get_or_init(Box::default);
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.push(channel, &line);
    }

    /// Reports progress: some of a total, if there is one, and what is being done. Shown live, not kept.
    pub fn progress(&self, done: u64, total: Option<u64>, doing: &str) {
        if let Some(signals) = &self.0.signals {
            let doing = self.masker().mask(doing);
            signals.progress(self.run(), self.stage(), done, total, &doing);
        }
    }

    /// What was said so far.
    pub fn output_log(&self) -> OutputLog {
        let Some(output) = self.own().output.get() else {
            return OutputLog::default();
        };
        output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
