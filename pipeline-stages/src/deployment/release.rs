use std::sync::Arc;

use pipeline_core::{
    ArtifactName, CanonicalError, Digest, Environment, LiveRelease, Release, StageContext, Target,
};

use super::ReleaseError;

/// The release that a stage's artifacts make up.
pub(super) fn of_call(cx: &StageContext, version_of: Option<&ArtifactName>) -> Result<Release, ReleaseError> {
    let call = cx.call();
    let names = || call.artifacts.keys().cloned().collect();
    let mut artifacts = call.artifacts.values();
    let versioned = match (version_of, artifacts.next(), artifacts.next()) {
        (_, None, _) => return Err(ReleaseError::NoArtifact),
        (Some(name), _, _) => cx.artifact(name).ok_or_else(|| ReleaseError::NotNeeded {
            name: name.clone(),
            names: names(),
        })?,
        (None, Some(only), None) => only,
        (None, Some(_), Some(_)) => return Err(ReleaseError::Ambiguous { names: names() }),
    };
    Ok(Release {
        component: call.component.clone(),
        version: versioned.version.clone(),
        artifacts: call.artifacts.clone(),
    })
}

/// A release with the configuration that it runs with, by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) release: Digest,
    pub(super) configuration: Digest,
}

impl Wanted {
    pub(super) fn new(release: &Release, configuration: Digest) -> Result<Self, CanonicalError> {
        Ok(Self {
            release: release.digest()?,
            configuration,
        })
    }

    /// Whether exactly this is live, and nothing there was changed.
    pub(super) fn is_live(&self, live: Option<&LiveRelease>) -> bool {
        live.is_some_and(|live| self.is_named_by(live) && live.drift.is_empty())
    }

    /// Whether this is live, changed or not.
    pub(super) fn is_named_by(&self, live: &LiveRelease) -> bool {
        live.release == self.release && live.configuration == self.configuration
    }

    /// Both digests, for people.
    pub(super) fn short(&self) -> String {
        format!(
            "{} with configuration {}",
            self.release.short(),
            self.configuration.short()
        )
    }
}

/// The environment of a call, to act on and as the journal knows it.
pub(super) fn target(cx: &StageContext) -> Option<(&Target, &Arc<dyn Environment>)> {
    Some((cx.target()?, cx.environment()?))
}

/// What is live, in words that follow "the environment".
pub(super) fn described(live: Option<&LiveRelease>) -> String {
    match live {
        None => "runs nothing".to_owned(),
        Some(live) if live.drift.is_empty() => format!(
            "runs {} with configuration {}",
            live.release.short(),
            live.configuration.short()
        ),
        Some(live) => format!("drifted: {}", live.drift.join("; ")),
    }
}
