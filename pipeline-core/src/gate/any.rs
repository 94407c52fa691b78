use std::fmt::Debug;
use std::sync::Arc;

use super::{Gate, GateRequest, Verdict};
use crate::Timestamp;
use crate::evidence::{EvidenceNeed, EvidenceSet};

/// A gate whose type is not known at compile time: what the engine holds. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct AnyGate(Arc<dyn Erased>);

/// The object-safe twin of [`Gate`].
trait Erased: Debug + Send + Sync {
    fn type_name(&self) -> &'static str;
    fn version(&self) -> u32;
    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed>;
    fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict;
    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize>;
}

impl<G: Gate> Erased for G {
    fn type_name(&self) -> &'static str {
        G::TYPE
    }

    fn version(&self) -> u32 {
        G::VERSION
    }

    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        Gate::needs(self, request)
    }

    fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict {
        Gate::decide(self, request, evidence, now)
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        Gate::uses(self, request, now)
    }
}

impl AnyGate {
    /// Wraps a gate.
    pub fn new(gate: impl Gate) -> Self {
        Self(Arc::new(gate))
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// The version of its type.
    pub fn version(&self) -> u32 {
        self.0.version()
    }

    /// See [`Gate::needs`].
    pub fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        self.0.needs(request)
    }

    /// See [`Gate::decide`].
    pub fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict {
        self.0.decide(request, evidence, now)
    }

    /// See [`Gate::uses`].
    pub fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        self.0.uses(request, now)
    }
}
