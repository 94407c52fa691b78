use std::fmt;

use crate::attestation::run_provenance::{subject_name, tree_name};
use crate::attestation::{ResourceDescriptor, Statement};
use crate::{ArtifactRef, Digest};

/// What is to be proven something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    name: Option<String>,
    digest: Digest,
    tree: Option<Digest>,
}

impl Subject {
    /// An artifact under its name and version: so that nobody passes an old one off as a new one. Build metadata is not
    /// compared: `1.0.0+a` and `1.0.0+b` are one version, and a tag of a registry says neither.
    pub fn artifact(artifact: &ArtifactRef) -> Self {
        Self {
            name: Some(subject_name(artifact)),
            digest: artifact.digest,
            tree: None,
        }
    }

    /// Some bytes, whatever they are called.
    pub fn digest(digest: Digest) -> Self {
        Self {
            name: None,
            digest,
            tree: None,
        }
    }

    /// With the digest of its table of contents, which must then be a subject, too.
    #[must_use]
    pub fn tree(mut self, digest: Digest) -> Self {
        self.tree = Some(digest);
        self
    }

    /// Whether a statement is about it; not whether it is believed. The tree is not asked.
    pub fn is_in(&self, statement: &Statement) -> bool {
        self.find(statement).is_some()
    }

    /// The subject of a statement that it is.
    pub(super) fn find<'a>(&self, statement: &'a Statement) -> Option<&'a ResourceDescriptor> {
        find(statement, self.name.as_deref(), &self.digest)
    }

    /// The subject of a statement that its table of contents is, if that is asked; and what is asked.
    pub(super) fn find_tree<'a>(
        &self,
        statement: &'a Statement,
    ) -> Option<(Digest, Option<&'a ResourceDescriptor>)> {
        let name = self.name.as_deref().map(tree_name);
        self.tree
            .map(|tree| (tree, find(statement, name.as_deref(), &tree)))
    }
}

fn find<'a>(statement: &'a Statement, name: Option<&str>, digest: &Digest) -> Option<&'a ResourceDescriptor> {
    let name = name.map(without_build);
    let named = |found: &Option<String>| name.is_none() || found.as_deref().map(without_build) == name;
    let mut subjects = statement.subjects.iter();
    subjects.find(|subject| named(&subject.name) && subject.has_sha256(digest))
}

/// A subject's name without the build metadata of its version, which ends where `#tree` begins.
fn without_build(name: &str) -> (&str, &str) {
    let (artifact, part) = name.split_at(name.find('#').unwrap_or(name.len()));
    (artifact.split('+').next().unwrap_or_default(), part)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.digest),
            None => write!(f, "{}", self.digest),
        }
    }
}
