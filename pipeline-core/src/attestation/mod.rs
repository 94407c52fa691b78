//! Where artifacts come from: statements about them in signed envelopes, and policies that say what must be proven.
//!
//! | noun | type | what it is |
//! |---|---|---|
//! | statement | [`Statement`] | a claim about subjects, each known by digest: in-toto Statement v1 |
//! | provenance | [`Provenance`], [`RunProvenance`] | the claim of how something was built: SLSA provenance v1, out of a run |
//! | envelope | [`Envelope`] | the bytes of a statement with signatures over them: DSSE |
//! | signer, verifier | [`Signer`], [`Verifier`] | a key, or a service that has one |
//! | policy | [`Policy`] | what must be proven of an artifact; denies unless it is |
//! | report | [`Report`] | for each rule what was expected and what was found |
//!
//! Algorithms and key files need the feature `signing`: ed25519, and ECDSA over P-256. Without it, bring a [`Signer`] and
//! a [`Verifier`] of your own.
//!
//! # From a run to a verdict
//!
#![cfg_attr(feature = "signing", doc = "```")]
#![cfg_attr(not(feature = "signing"), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use pipeline_core::attestation::{
//!     Accepted, AcceptedKey, Algorithm, Built, Envelope, Policy, PrivateKey, ProvenanceRules, RunProvenance, Subject,
//! };
//! use pipeline_core::testing::MemoryArtifacts;
//! use pipeline_core::{
//!     Actor, ArtifactRef, Clock, Digest, Effect, MemoryJournal, Outcome, Pipeline, RunRequest, Runner, Stage,
//!     StageContext, StageSpec, SystemClock, SystemEntropy,
//! };
//!
//! #[derive(Debug, serde::Serialize)]
//! struct Build;
//!
//! impl Stage for Build {
//!     const TYPE: &'static str = "build";
//!     type Error = std::convert::Infallible;
//!
//!     fn effect(&self) -> Effect {
//!         Effect::Idempotent
//!     }
//!
//!     async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
//!         Ok(Outcome::succeeded().artifact(shop()))
//!     }
//! }
//!
//! fn shop() -> ArtifactRef {
//!     let digest = Digest::of("the manifest");
//!     ArtifactRef { name: "shop".parse().unwrap(), version: "1.2.3".parse().unwrap(), digest }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pipeline = Pipeline::builder("shop")
//!         .stage(StageSpec::new("build", Build).produces(["shop"]))
//!         .build()?;
//!     let runner = Arc::new(Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new())));
//!     let run = runner.create(&pipeline, RunRequest::new(Actor::person("alice")?)).await?;
//!     let state = runner.drive(&pipeline, &run).await?;
//!
//!     // The host that built it says so, and signs.
//!     let key = PrivateKey::generate(Algorithm::Ed25519, &SystemEntropy);
//!     let statement = RunProvenance::new(&state, "https://ci.example.com/release")
//!         .source("git+https://git.example.com/shop", Some("refs/heads/main"))
//!         .statement([Built::new(shop())])?;
//!     let mut envelope = Envelope::of(&statement)?;
//!     envelope.sign(&key).await?;
//!
//!     // Whoever deploys it asks for proof.
//!     let read = Envelope::parse(envelope.to_json().as_bytes())?;
//!     let policy = Policy::for_provenance(
//!         [AcceptedKey::new("ci", Arc::new(key.public().clone()))],
//!         ProvenanceRules::new(
//!             ["https://ci.example.com/release"],
//!             Accepted::only(["git+https://git.example.com/*"]),
//!             Accepted::only(["refs/heads/main", "refs/tags/v*"]),
//!         ),
//!     );
//!     let report = policy.verify(&[read], &Subject::artifact(&shop()), SystemClock.now());
//!     assert!(report.allowed(), "{report}");
//!
//!     // Without envelopes, nothing is proven.
//!     assert!(!policy.verify(&[], &Subject::artifact(&shop()), SystemClock.now()).allowed());
//!     Ok(())
//! }
//! ```
//!
//! # What it does not do
//!
//! It asks no server: there are no certificates, no transparency log and no time stamps, and so a key that leaks is taken
//! out of the policy by hand. A signature proves who says something, and not that it is so: what a builder claims is as
//! good as the builder. Signed [checkpoints](crate::Checkpoint::to_envelope) show later whether a journal was changed.

mod base64;
mod checkpoint;
mod envelope;
#[cfg(feature = "signing")]
mod key;
mod policy;
mod provenance;
mod provenance_error;
mod resource;
mod run_parameters;
mod run_provenance;
mod signer;
mod statement;
mod strict;

#[cfg(doc)]
#[doc = include_str!("../../docs/build-type-run-v1.md")]
pub mod build_type_run_v1 {}

pub use checkpoint::{CHECKPOINT_PAYLOAD, CheckpointError};
pub use envelope::{
    Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, MAX_SIGNATURES, STATEMENT_PAYLOAD, Verified, VerifyError,
    pae,
};
#[cfg(feature = "signing")]
pub use key::{Algorithm, AlgorithmParseError, KeyError, PrivateKey, PublicKey};
#[cfg(feature = "signing")]
pub use policy::PolicyError;
pub use policy::{
    Accepted, AcceptedKey, AttestationReport, Check, Denied, Pattern, Policy, ProvenanceRules, Report,
    Requirement, Rule, Subject,
};
pub use provenance::{BuildDefinition, BuildMetadata, Builder, Provenance, RunDetails};
pub use provenance_error::ProvenanceError;
pub use resource::ResourceDescriptor;
pub use run_parameters::{RUN_BUILD_TYPE, RunParameters, RunSource};
pub use run_provenance::{Built, RunProvenance};
pub use signer::{SignError, Signature, Signer, Verifier};
pub use statement::{Predicate, Statement, StatementError};
