//! The contracts and the engine of a release pipeline.

#![forbid(unsafe_code)]

mod blocking;
mod chain;
pub mod clock;
pub mod digest;
pub mod event;
pub mod journal;
pub mod name;
pub mod secret;
#[cfg(feature = "testing")]
pub mod testing;
pub use chain::{ChainDisplay, error_chain};
pub use clock::{Clock, Entropy, SignedDuration, SystemClock, SystemEntropy, Timestamp};
pub use digest::{CanonicalError, Digest, DigestBuilder, DigestParseError, canonical_json};
pub use event::{
    Actor, ActorParseError, Cursor, DecodeError, Event, EventPayload, EventRef, NewEvent, Payload,
    PayloadError, Position, StreamId, StreamIdError, StreamKind, macro_support,
};
pub use journal::{
    Append, AppendError, Batch, Checkpoint, Commit, Conflict, Cut, EraseError, Expected, FileJournal,
    Finding, FindingKind, Head, Journal, JournalEvent, JournalExt, MemoryJournal, OpenError, OpenReport,
    PayloadErased, ReadError, VerifyReport, verify_files,
};
pub use name::{
    ArtifactName, ComponentName, EnvironmentName, EvidenceKind, FactName, NameError, PipelineName, RunId,
    StageName, TypeName,
};
pub use secret::{Masker, NoSecrets, Secret, SecretError, SecretRef, SecretRefError, SecretSource};
