use std::collections::BTreeMap;

use crate::{Actor, Digest, EnvironmentName, Purpose, Revision, RunId};

/// What a new run is asked for with.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Who asks.
    pub by: Actor,
    /// Why.
    pub purpose: Purpose,
    /// The id; made from time and chance when there is none.
    pub id: Option<RunId>,
    /// The revision of the source.
    pub revision: Option<Revision>,
    /// The digest of the whole source: the run begins with no other. `None` when it works on none, or the host
    /// vouches for it otherwise.
    pub source: Option<Digest>,
    /// For each environment, the revisions that the run would newly bring to it, the newest first.
    pub revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
    /// Whether the run may bring an older revision over a newer one.
    pub rollback: bool,
}

impl RunRequest {
    /// A planned run that somebody asks for.
    pub fn new(by: Actor) -> Self {
        Self {
            by,
            purpose: Purpose::Planned,
            id: None,
            revision: None,
            source: None,
            revisions: BTreeMap::new(),
            rollback: false,
        }
    }
}
