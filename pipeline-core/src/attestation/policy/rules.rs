use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Accepted;
use crate::Timestamp;
use crate::attestation::{Predicate, Provenance, RUN_BUILD_TYPE, Verifier};

/// What must be proven of an artifact: what kinds of statement there must be on it, who must have signed them, and what
/// provenance must say.
///
/// It denies unless proven. Whatever is missing, wrong, unknown or unreadable proves nothing; more envelopes can make an
/// artifact accepted, and no envelope can make it refused. There is no clock in it: [`verify`](Self::verify) takes the
/// time at which keys must be valid.
///
/// With the feature `signing` a policy is read from TOML; `Policy::read` describes the form.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The kinds of statement that there must be: for each, one envelope must fulfil everything. None asked for is none
    /// proven. A test result and a verification summary must say that it was passed, provenance must fulfil the rules
    /// for it; of other kinds nothing is read but who signed them and what they are about.
    pub predicate_types: Vec<String>,
    /// The keys that are believed.
    pub keys: Vec<AcceptedKey>,
    /// How many different keys must have signed one envelope.
    pub threshold: NonZeroUsize,
    /// What provenance must say. Without it, provenance proves nothing.
    pub provenance: Option<ProvenanceRules>,
}

/// A key that is believed.
#[derive(Debug, Clone)]
pub struct AcceptedKey {
    /// What people call it.
    pub name: String,
    /// The key.
    pub verifier: Arc<dyn Verifier>,
    /// The builders that it may speak for; `None` when that is all accepted ones.
    pub builders: Option<Vec<String>>,
    /// From when on it is valid.
    pub valid_from: Option<Timestamp>,
    /// Until when it is valid, that moment not included.
    pub valid_until: Option<Timestamp>,
}

impl AcceptedKey {
    /// A key that is valid at any time and may speak for any accepted builder.
    pub fn new(name: impl Into<String>, verifier: Arc<dyn Verifier>) -> Self {
        Self {
            name: name.into(),
            verifier,
            builders: None,
            valid_from: None,
            valid_until: None,
        }
    }

    pub(super) fn is_valid(&self, at: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= at) && self.valid_until.is_none_or(|until| at < until)
    }

    pub(super) fn speaks_for(&self, builder: &str) -> bool {
        let own = self.builders.as_ref();
        own.is_none_or(|builders| builders.iter().any(|own| own == builder))
    }
}

/// What provenance must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenanceRules {
    /// The builders that are trusted, by their whole id.
    pub builders: Vec<String>,
    /// The kinds of build that are accepted, by their whole URI. Parameters are understood of two, and what has others proves
    /// nothing: [`RUN_BUILD_TYPE`], and the workflows of GitHub (`https://actions.github.io/buildtypes/workflow/v1`).
    pub build_types: Vec<String>,
    /// The repositories that code may come from.
    pub sources: Accepted,
    /// The branches and tags that code may come from.
    pub refs: Accepted,
}

impl Policy {
    /// A policy that asks for provenance, signed by one of some keys.
    pub fn for_provenance(keys: impl IntoIterator<Item = AcceptedKey>, rules: ProvenanceRules) -> Self {
        Self {
            predicate_types: vec![Provenance::TYPE.to_owned()],
            keys: keys.into_iter().collect(),
            threshold: NonZeroUsize::MIN,
            provenance: Some(rules),
        }
    }
}

impl ProvenanceRules {
    /// What runs of ours must say: one of these builders, code from these sources and refs.
    pub fn new<T: Into<String>>(
        builders: impl IntoIterator<Item = T>,
        sources: Accepted,
        refs: Accepted,
    ) -> Self {
        Self {
            builders: builders.into_iter().map(Into::into).collect(),
            build_types: vec![RUN_BUILD_TYPE.to_owned()],
            sources,
            refs,
        }
    }
}
