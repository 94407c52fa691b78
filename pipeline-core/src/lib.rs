//! The contracts and the engine of a release pipeline.

#![forbid(unsafe_code)]

mod action_plan;
pub mod artifact;
mod blocking;
mod chain;
pub mod clock;
pub mod definition;
pub mod digest;
pub mod environment;
pub mod estate;
pub mod event;
mod evidence;
mod fence;
pub mod gate;
pub mod incident;
pub mod journal;
pub mod name;
pub mod pipeline;
mod plan;
pub mod registry;
mod release;
pub mod run;
pub mod secret;
mod source;
pub mod stage;
#[cfg(feature = "testing")]
pub mod testing;
pub use action_plan::{Action, ActionPlan, Approval};
pub use artifact::{Artifact, ArtifactEntry, ArtifactRef, ArtifactStore, EntryKind, StoreError};
pub use chain::{ChainDisplay, error_chain};
pub use clock::{Clock, Entropy, SignedDuration, SystemClock, SystemEntropy, Timestamp};
pub use definition::{Definition, DefinitionError, Diagnostic};
pub use digest::{CanonicalError, Digest, DigestBuilder, DigestParseError, canonical_json};
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
    Finding, FindingKind, Head, Journal, JournalEvent, JournalExt, MemoryJournal, OpenError, OpenReport,
    PayloadErased, ReadError, VerifyReport, verify_files,
};
pub use name::{
    ArtifactName, ComponentName, EnvironmentName, EvidenceKind, FactName, NameError, PipelineName, RunId,
    StageName, TypeName,
};
pub use pipeline::{Pipeline, PipelineBuilder, PipelineError, Problem, StageNode, StageSpec};
pub use plan::{NotPortable, PlannedGate, PlannedStage, RunPlan};
pub use registry::{BuildError, BuildProblem, PathSegment, Registry, SettingPath, TypeKind};
pub use release::{Configuration, ConfigurationError, ConfigurationValue, Release};
pub use run::{
    ActionPlanned, ApproveRequest, Attempt, CancelRequested, DecideRequest, ENVIRONMENT_LOCK, FoldError,
    GateVerdict, GatesEvaluated, Purpose, Refusal, RunClaimed, RunCreated, RunEvent, RunFinished, RunOutcome,
    RunState, RunStatus, StageDecided, StageEnd, StageFinished, StageResult, StageReused, StageSkipped,
    StageStarted, StageState, StageUnknown, StageView,
};
pub use secret::{Masker, NoSecrets, Secret, SecretError, SecretRef, SecretRefError, SecretSource};
pub use source::{DirectorySource, NoSource, Revision, Source, SourceError, SourcePath, SourcePathError};
pub use stage::{
    Abilities, AnyStage, Cancellation, Cancelled, Channel, DeploymentReport, Effect, Failure, Inspect,
    Inspection, Outcome, OutcomeStatus, OutputLog, PlanActions, Reads, Services, Signals, Stage, StageCall,
    StageContext, StageError, Target, Undo, Verify,
};
