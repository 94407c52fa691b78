use serde::Serialize;

use super::event::EnvironmentEvent;
use crate::{
    ComponentName, DecodeError, Digest, Event, EventRef, PipelineName, Position, Release, Revision, RunId,
    StageName, Timestamp,
};

/// One environment, as a fold over its stream: who uses it, what is live, what a rollback goes back to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EnvironmentState {
    /// How many events of the stream were applied.
    pub position: Position,
    /// How often the lock was granted.
    pub grants: u64,
    /// Who has it now.
    pub lock: Option<EnvironmentLock>,
    /// What is live, by the journal.
    pub live: Option<LiveDeployment>,
    /// What was verified last: what a rollback goes back to.
    pub verified: Option<VerifiedRelease>,
}

/// The exclusive use of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentLock {
    /// The run that has it.
    pub run: RunId,
    /// The stage that asked for it.
    pub stage: StageName,
    /// Which grant this is.
    pub token: u64,
    /// Since when.
    pub since: Timestamp,
}

/// What is live in an environment, by the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveDeployment {
    /// The release.
    pub release: Release,
    /// Its digest.
    pub release_digest: Digest,
    /// The digest of its configuration.
    pub configuration_digest: Digest,
    /// The run that made it live.
    pub run: RunId,
    /// The pipeline of that run; `None` after a rollback.
    pub pipeline: Option<PipelineName>,
    /// The revision that it was built from, if the run had one.
    pub revision: Option<Revision>,
    /// When that run was created, if the journal says so.
    pub requested_at: Option<Timestamp>,
    /// Since when it is live.
    pub since: Timestamp,
    /// Whether it was verified.
    pub verified: bool,
    /// Whether a rollback brought it back.
    pub rolled_back: bool,
    /// The event that says so.
    pub event: EventRef,
}

/// A release that was verified in an environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedRelease {
    /// The release.
    pub release: Release,
    /// Its digest.
    pub release_digest: Digest,
    /// The digest of its configuration.
    pub configuration_digest: Digest,
    /// The revision that it was built from.
    pub revision: Option<Revision>,
    /// When.
    pub at: Timestamp,
}

impl EnvironmentState {
    /// Applies an event of the environment's stream. One that was applied before changes nothing; kinds of
    /// other families are counted and left alone.
    ///
    /// # Errors
    ///
    /// When an event of the environment cannot be read.
    pub fn apply(&mut self, event: &Event) -> Result<(), DecodeError> {
        if event.position <= self.position {
            return Ok(());
        }
        let payload = event.read::<EnvironmentEvent>()?;
        self.position = event.position;
        if let Some(payload) = payload {
            self.change(&payload, event.at, event.reference());
        }
        Ok(())
    }

    /// The one place where the state changes.
    pub(crate) fn change(&mut self, event: &EnvironmentEvent, at: Timestamp, reference: EventRef) {
        match event {
            EnvironmentEvent::Locked(locked) => {
                self.grants = self.grants.max(locked.token);
                self.lock = Some(EnvironmentLock {
                    run: locked.run.clone(),
                    stage: locked.stage.clone(),
                    token: locked.token,
                    since: at,
                });
            }
            EnvironmentEvent::Released(released) => {
                self.lock
                    .take_if(|lock| lock.token == released.token && lock.run == released.run);
            }
            EnvironmentEvent::Deployed(deployed) => {
                let same = self.live.as_ref().filter(|live| {
                    live.release_digest == deployed.release_digest
                        && live.configuration_digest == deployed.configuration_digest
                });
                if deployed.unchanged && same.is_some() {
                    return;
                }
                self.live = Some(LiveDeployment {
                    release: deployed.release.clone(),
                    release_digest: deployed.release_digest,
                    configuration_digest: deployed.configuration_digest,
                    run: deployed.run.clone(),
                    pipeline: Some(deployed.pipeline.clone()),
                    revision: deployed.revision.clone(),
                    requested_at: deployed.requested_at,
                    since: at,
                    verified: false,
                    rolled_back: false,
                    event: reference,
                });
            }
            EnvironmentEvent::DeploymentFailed(_) => {}
            EnvironmentEvent::Verified(verified) => {
                let Some(live) = &mut self.live else { return };
                if live.release_digest != verified.release_digest
                    || live.configuration_digest != verified.configuration_digest
                {
                    return;
                }
                live.verified = true;
                self.verified = Some(VerifiedRelease {
                    release: live.release.clone(),
                    release_digest: live.release_digest,
                    configuration_digest: live.configuration_digest,
                    revision: live.revision.clone(),
                    at,
                });
            }
            EnvironmentEvent::RolledBack(rolled_back) => {
                let digest = |release: &Release| release.digest().ok();
                let back = self.verified.clone();
                self.live = rolled_back.to.as_ref().and_then(|to| {
                    Some(LiveDeployment {
                        release: to.clone(),
                        release_digest: digest(to)?,
                        configuration_digest: rolled_back.configuration.as_ref()?.digest().ok()?,
                        run: rolled_back.run.clone(),
                        pipeline: None,
                        revision: back.as_ref().and_then(|back| back.revision.clone()),
                        requested_at: None,
                        since: at,
                        verified: back.is_some(),
                        rolled_back: true,
                        event: reference,
                    })
                });
            }
        }
    }

    /// The component whose release is live.
    pub fn component(&self) -> Option<&ComponentName> {
        self.live.as_ref().map(|live| &live.release.component)
    }
}
