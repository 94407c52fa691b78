use std::borrow::Cow;

use pipeline_core::{Deployed, Purpose, Revision, Tier};

use crate::moment::micros;
use crate::{DeploymentKind, Sha};

/// What facts need of an `environment.deployed`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Delivered<'a> {
    pub(super) component: Cow<'a, str>,
    pub(super) version: Cow<'a, str>,
    /// The digest of the release.
    pub(super) release: Cow<'a, str>,
    pub(super) production: bool,
    pub(super) unchanged: bool,
    pub(super) kind: DeploymentKind,
    /// In microseconds.
    pub(super) started: i64,
    pub(super) revision: Option<Brought<'a>>,
    pub(super) revisions: Vec<Brought<'a>>,
}

/// A revision that came with a deployment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Brought<'a> {
    pub(super) sha: Sha<'a>,
    /// When it was committed, in microseconds.
    pub(super) at: i64,
}

impl<'a> Delivered<'a> {
    /// The revisions that it brought. That of the run is mostly one of the list; not where the host does not say what
    /// is new.
    pub(super) fn revisions(&self) -> impl Iterator<Item = &Brought<'a>> {
        let listed = |own: &&Brought<'_>| self.revisions.iter().any(|other| other.sha == own.sha);
        let own = self.revision.iter().filter(move |own| !listed(own));
        own.chain(&self.revisions)
    }
}

impl<'a> From<&'a Deployed> for Delivered<'a> {
    fn from(deployed: &'a Deployed) -> Self {
        let brought = |revision: &'a Revision| Brought {
            sha: Sha::new(&revision.id),
            at: micros(revision.at),
        };
        Self {
            component: Cow::Borrowed(deployed.release.component.as_str()),
            version: Cow::Owned(deployed.release.version.to_string()),
            release: Cow::Owned(deployed.release_digest.to_string()),
            production: deployed.tier == Tier::Production,
            unchanged: deployed.unchanged,
            kind: kind(deployed.purpose),
            started: micros(deployed.started_at),
            revision: deployed.revision.as_ref().map(brought),
            revisions: deployed.revisions.iter().map(brought).collect(),
        }
    }
}

pub(super) fn kind(purpose: Purpose) -> DeploymentKind {
    match purpose {
        Purpose::Planned => DeploymentKind::Planned,
        Purpose::Rework => DeploymentKind::Rework,
    }
}
