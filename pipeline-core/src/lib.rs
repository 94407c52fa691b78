//! The contracts and the engine of a release pipeline: stages, gates, artifacts, environments, and a journal that
//! is the truth.
//!
//! A pipeline is a graph of stages. A run is one life of a pipeline: everything that happens in it is an event in an
//! append-only, hash-chained journal, and everything else (what runs, what waits, what is live where) is a fold of
//! the events. So a run survives `kill -9` at any moment and goes on in another process.
//!
//! # A pipeline that runs
//!
//! ```
//! use std::sync::Arc;
//!
//! use pipeline_core::testing::MemoryArtifacts;
//! use pipeline_core::{
//!     Actor, Effect, MemoryJournal, Outcome, Pipeline, RunRequest, RunStatus, Runner, Stage, StageContext, StageSpec,
//! };
//! use serde::Serialize;
//!
//! #[derive(Debug, Serialize)]
//! struct Greet {
//!     whom: String,
//! }
//!
//! impl Stage for Greet {
//!     const TYPE: &'static str = "greet";
//!     type Error = std::convert::Infallible;
//!
//!     fn effect(&self) -> Effect {
//!         Effect::Idempotent
//!     }
//!
//!     async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
//!         cx.log(format!("hello, {}", self.whom));
//!         Ok(Outcome::succeeded())
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pipeline = Pipeline::builder("greetings")
//!         .stage(StageSpec::new("first", Greet { whom: "staging".into() }))
//!         .stage(StageSpec::new("second", Greet { whom: "production".into() }).after(["first"]))
//!         .build()?;
//!     let runner = Arc::new(Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new())));
//!     let run = runner.create(&pipeline, RunRequest::new(Actor::person("alice")?)).await?;
//!     let state = runner.drive(&pipeline, &run).await?;
//!     assert_eq!(state.status(), RunStatus::Succeeded);
//!     Ok(())
//! }
//! ```
//!
//! # The nouns
//!
//! | noun | type | what it is |
//! |---|---|---|
//! | stage | [`Stage`] | a step that touches the world, with an honest [`Effect`] |
//! | gate | [`Gate`] | a pure decision on whether a stage may start, with a [`Verdict`] |
//! | evidence | [`Evidence`], [`EvidenceSource`] | what gates decide on, and who finds it out |
//! | artifact | [`ArtifactRef`], [`ArtifactStore`] | built once, immutable, known by digest |
//! | release | [`Release`] | a named, versioned bundle of artifacts that travels as one |
//! | configuration | [`Configuration`] | what an environment adds at deployment time |
//! | environment | [`Environment`] | where releases go; [`Fenced`] when it refuses late calls |
//! | definition | [`Definition`], [`Registry`] | a pipeline as TOML, and the types that it may use |
//! | pipeline | [`Pipeline`] | the validated graph |
//! | run plan | [`RunPlan`] | graph, settings and rules as data; never approved |
//! | rules | [`When`], [`RetryPolicy`], [`Each`], [`FailurePolicy`], [`RunLimits`] | clean-up, retries, lists, what a failure stops, how much at once |
//! | pool | [`PlannedPool`], [`PoolState`] | what there is only so much of, across runs |
//! | queue | [`QueueMode`], [`PipelineQueue`] | whose turn it is among the runs of a pipeline |
//! | action plan | [`ActionPlan`], [`Approval`] | what exactly would be done to an environment; what is approved |
//! | run | [`RunState`] | one life of a pipeline, as a fold |
//! | runner | [`Runner`] | commits what a run decides, and does what is due |
//! | signal | [`Observer`], [`Subscription`] | what a runner tells while it works; nobody who listens can hold it up |
//! | drawing | [`Drawing`] | a pipeline or a run for Graphviz and Mermaid |
//! | journal | [`Journal`], [`FileJournal`], [`MemoryJournal`] | the truth |
//! | estate | [`Estate`] | what is live where |
//!
//! # What happens when
//!
//! ```text
//! decide ─► commit ─► prepare / execute / inspect ─► report ─► decide …
//! (pure)    (journal) (tasks)
//! ```
//!
//! A stage that is ready is *prepared*: its action plan is computed, evidence is gathered, the gates decide. When they
//! allow, and only then, the run takes the environment's lock, and everything is found out and decided once more under
//! it. The verdicts, the approvals that are used up and the start of the stage are one commit. The effect comes after,
//! and its end is a commit of its own.
//!
//! A start without an end is the third outcome, *unknown*. What follows is the [`Effect`]'s to say:
//!
//! | effect | after a crash | reused in a later run |
//! |---|---|---|
//! | [`Effect::Pure`] | run again | yes, when nothing that it depends on changed |
//! | [`Effect::Idempotent`] | run again, same idempotency key | no |
//! | [`Effect::Inspectable`] | asked whether it happened, then as it answers | no |
//! | [`Effect::AtMostOnce`] | the run is parked until a person decides | no |
//!
//! # What is a source of truth
//!
//! The journal, and the bytes in the artifact store. [`RunState`], [`Estate`], and what a runner knows of old outcomes
//! are rebuilt from the journal; leases of a run are locks and no truth.
//!
//! # What it does not do
//!
//! It is no server and has no scheduler of its own for time: a host drives runs, and drives them again when something
//! changed. It does not prove who somebody is. It keeps raw effects from happening twice only as far as stages are
//! honest about theirs.
//!
//! Which promise holds when, and which test shows it, is in [`guarantees`].
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `runtime` | yes | [`Runner`] on tokio; without it there is no tokio |
//! | `tracing` | no | `TracingObserver` in the module `observe`: runs and attempts as spans of `tracing` |
//! | `otel-names` | no | the module `observe::names`: OpenTelemetry's names for pipelines, as constants; part of `tracing` |
//! | `attestation` | no | the module `attestation`: where artifacts come from, in signed envelopes; and policies |
//! | `signing` | no | `attestation` with keys: ed25519 and ECDSA over P-256 |
//! | `testing` | no | the module `testing`: manual clock, scripted stages, artifacts in memory, conformance suites |
//!
//! # Where next
//!
//! The contract of a [`Stage`] and of an [`Environment`] before you write one, and `testing::conformance` to check what
//! you wrote against it; `examples/` in the repository for whole
//! programs, the largest of which, `release`, is a complete host; the crates `pipeline-stages`, `pipeline-artifacts`,
//! `pipeline-change` and `pipeline-metrics` for what you need not write yourself.

#![forbid(unsafe_code)]

mod action_plan;
pub mod artifact;
#[cfg(feature = "attestation")]
pub mod attestation;
mod blocking;
mod chain;
pub mod clock;
pub mod definition;
pub mod digest;
pub mod draw;
pub mod environment;
pub mod estate;
pub mod event;
mod evidence;
mod fence;
pub mod gate;
#[cfg(doc)]
#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}
pub mod incident;
pub mod journal;
pub mod name;
#[cfg(feature = "otel-names")]
pub mod observe;
pub mod pipeline;
mod plan;
pub mod pool;
pub mod queue;
pub mod registry;
mod release;
pub mod run;
#[cfg(feature = "runtime")]
pub mod runner;
pub mod secret;
mod source;
pub mod stage;
#[cfg(feature = "testing")]
pub mod testing;
mod text_form;

pub use action_plan::{Action, ActionPlan, Approval};
pub use artifact::{Artifact, ArtifactEntry, ArtifactRef, ArtifactStore, EntryKind, StoreError};
pub use chain::{ChainDisplay, error_chain};
pub use clock::{Clock, Entropy, SignedDuration, SystemClock, SystemEntropy, Timestamp};
pub use definition::{Definition, DefinitionError, Diagnostic};
pub use digest::{CanonicalError, Digest, DigestBuilder, DigestParseError, canonical_json};
pub use draw::Drawing;
pub use environment::{
    DeployRequest, Environment, EnvironmentDescriptor, EnvironmentError, Fenced, LiveRelease, Observation,
    Tier,
};
pub use estate::{
    Deployed, DeploymentFailed, EnvironmentEvent, EnvironmentLock, EnvironmentState, Estate, LiveDeployment,
    Locked, Released, RolledBack, Verified, VerifiedRelease,
};
pub use event::{
    Actor, ActorParseError, Cursor, DecodeError, Event, EventPayload, EventRef, NewEvent, Payload,
    PayloadError, Position, StreamId, StreamIdError, StreamKind, macro_support,
};
pub use evidence::{Evidence, EvidenceError, EvidenceNeed, EvidenceSet, EvidenceSource, NoEvidence};
pub use fence::{Fence, IdempotencyKey};
pub use gate::{AnyGate, Decision, Gate, GateRequest, Verdict};
pub use incident::{IncidentEvent, IncidentOpened, IncidentResolved};
pub use journal::{
    Append, AppendError, Batch, Checkpoint, Commit, Conflict, Cut, EraseError, Expected, FileJournal,
    Finding, FindingKind, FoldSnapshot, Head, Journal, JournalEvent, JournalExt, MemoryJournal, OpenError,
    OpenReport, PayloadErased, ReadError, StoreFoldError, VerifyReport, verify_files,
};
pub use name::{
    ArtifactName, ComponentName, EnvironmentName, EvidenceKind, FactName, FoldName, NameError, PipelineName,
    PoolName, RunId, StageName, TypeName,
};
pub use pipeline::{Pipeline, PipelineBuilder, PipelineError, Problem, StageNode, StageSpec};
pub use plan::{
    Each, FailurePolicy, Items, NotPortable, PlannedGate, PlannedPool, PlannedStage, QueueMode, RetryPolicy,
    RunLimits, RunPlan, When,
};
pub use pool::{PoolEvent, PoolState, Slot, SlotReturned, SlotTaken};
pub use queue::{PipelineEvent, PipelineQueue, RunDequeued, RunQueued};
pub use registry::{BuildError, BuildProblem, PathSegment, Registry, SettingPath, TypeKind};
pub use release::{Configuration, ConfigurationError, ConfigurationValue, Release};
pub use run::{
    ActionPlanned, ApproveRequest, Attempt, Backoff, CancelRequested, DecideRequest, ENVIRONMENT_LOCK,
    FoldError, GateVerdict, GatesEvaluated, NEWER_DEPLOYMENT, Purpose, Refusal, RunClaimed, RunCreated,
    RunEvent, RunFinished, RunOutcome, RunParked, RunState, RunStatus, StageDecided, StageEnd, StageExpanded,
    StageFinished, StageInstance, StageResult, StageReused, StageSkipped, StageStarted, StageState,
    StageUnknown, StageView, StartDetails,
};
#[cfg(feature = "runtime")]
pub use runner::{
    FileLeases, Forecast, ForecastPlan, Lagged, Lease, LeaseError, Leases, MemoryLeases, Observer,
    OwnedSignal, RunError, RunRequest, Runner, RunnerOptions, Signal, StageForecast, Subscription, Verb,
};
pub use secret::{Masker, NoSecrets, Secret, SecretError, SecretRef, SecretRefError, SecretSource};
pub use source::{DirectorySource, NoSource, Revision, Source, SourceError, SourcePath, SourcePathError};
pub use stage::{
    Abilities, AnyStage, Cancellation, Cancelled, Channel, DeploymentReport, Effect, Failure, Inspect,
    Inspection, Outcome, OutcomeStatus, OutputLog, PlanActions, Reads, Services, Signals, Stage, StageCall,
    StageContext, StageError, Target, Undo, Verify,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
