use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_core::{
    DeployRequest, Digest, Environment, EnvironmentDescriptor, EnvironmentError, Fence, Fenced, LiveRelease,
    Observation,
};

use super::file::FileError;
use super::layout::{Current, Layout, remove};
use super::lock::{Lock, NotLocked, highest_fence};
use super::template::NotRendered;
use super::{DirectorySettings, build, observe};

/// An environment that is a directory: releases lie in it side by side, and a symbolic link names the one
/// that is live.
///
/// ```text
/// /srv/staging
/// ├── current -> releases/3f786850e387-89e6c98d9288
/// ├── releases
/// │   ├── 3f786850e387-89e6c98d9288     digests of release and configuration, shortened
/// │   │   ├── app                       the artifact; with several, a directory for each
/// │   │   ├── config                    rendered templates
/// │   │   └── deployment.json           what was put here, and how to tell
/// │   └── 2c624232cc5d-89e6c98d9288     replaced, kept for a rollback
/// └── fence.json                        the highest fence that was seen
/// ```
///
/// # Configuration
///
/// Each file `app/PATH.template` is rendered to `config/PATH`: `{{ dotted.key }}` becomes the value that the
/// configuration of the environment has for the key, and `{{{{` becomes `{{`. An unknown key refuses the
/// deployment, naming template, line, key and the nearest key. So does a secret: secrets are never written
/// to a file, they go to the environment of the program that needs them.
///
/// # What holds when
///
/// A release is built aside, made to last, renamed, and only then does `current` switch, in one step. After a
/// crash at any point `current` names a complete release, the old or the new, and the next deployment sweeps
/// what is left. `observe` hashes what is live and reports what differs from `deployment.json`: at most 20
/// differences one by one. If that file itself is damaged, something unknown is live: both digests are
/// [`Digest::ZERO`], and the drift says why. A deployment of what is live and intact changes nothing; one
/// that drifted is built anew beside it. Calls are excluded from each other, also between processes, by a
/// lock on the file `.lock`; it needs a local file system. A call without a fence is made by hand, and taken.
///
/// ```
/// use pipeline_core::{Environment, EnvironmentDescriptor};
/// use pipeline_stages::{DirectoryEnvironment, DirectorySettings};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let descriptor: EnvironmentDescriptor = serde_json::from_value(json!({
///     "name": "staging", "tier": "staging", "type": "directory", "settings": {"path": "/srv/staging"},
/// }))?;
/// let settings: DirectorySettings = serde_json::from_value(descriptor.settings.clone())?;
/// let environment = DirectoryEnvironment::new(descriptor, settings)?;
/// assert_eq!(environment.location().as_deref(), Some("/srv/staging/current"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DirectoryEnvironment {
    descriptor: EnvironmentDescriptor,
    settings: DirectorySettings,
    layout: Layout,
}

impl DirectoryEnvironment {
    /// The name that definitions call the type by.
    pub const TYPE: &'static str = "directory";

    /// The environment in a directory. Nothing is read or created yet.
    ///
    /// # Errors
    ///
    /// When the path is relative: [`DirectorySettings::below`] says below what.
    pub fn new(
        descriptor: EnvironmentDescriptor,
        settings: DirectorySettings,
    ) -> Result<Self, EnvironmentError> {
        if !settings.path.is_absolute() {
            return Err(EnvironmentError::Refused {
                environment: descriptor.name,
                reason: format!("its path `{}` is not absolute", settings.path.display()),
            });
        }
        let layout = Layout::new(settings.path.clone());
        Ok(Self {
            descriptor,
            settings,
            layout,
        })
    }

    fn refused(&self, reason: impl Into<String>) -> EnvironmentError {
        EnvironmentError::Refused {
            environment: self.descriptor.name.clone(),
            reason: reason.into(),
        }
    }

    fn failed(&self, error: FileError) -> EnvironmentError {
        EnvironmentError::Failed {
            environment: self.descriptor.name.clone(),
            what: error.what,
            source: Some(Box::new(error.source)),
        }
    }

    fn not_locked(&self, error: NotLocked) -> EnvironmentError {
        match error {
            NotLocked::File(error) => self.failed(error),
            NotLocked::Fenced { highest, offered } => EnvironmentError::Fenced {
                environment: self.descriptor.name.clone(),
                highest,
                offered,
            },
        }
    }

    /// Does something that blocks on a thread for that. It goes on when the call is dropped; what changes
    /// something holds the lock until it is through.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> T + Send + 'static,
    ) -> Result<T, EnvironmentError> {
        let layout = self.layout.clone();
        let done = tokio::task::spawn_blocking(move || work(&layout)).await;
        done.map_err(|error| EnvironmentError::Failed {
            environment: self.descriptor.name.clone(),
            what: "work on files was given up".to_owned(),
            source: Some(Box::new(error)),
        })
    }

    /// Waits for the lock, checks the fence, and sweeps what earlier calls left.
    async fn lock(&self, fence: Option<Fence>) -> Result<Arc<Lock>, EnvironmentError> {
        let locked = self.blocking(move |layout| {
            let lock = Lock::take(layout, fence)?;
            for name in layout.names(true)? {
                // What cannot be removed now is in nobody's way.
                let _ = remove(&layout.release(&name));
            }
            Ok(Arc::new(lock))
        });
        locked.await?.map_err(|error| self.not_locked(error))
    }

    /// Builds a release, up to its name.
    async fn build(&self, lock: &Arc<Lock>, request: &DeployRequest) -> Result<String, EnvironmentError> {
        let held = Arc::clone(lock);
        let building = self.blocking(move |layout| {
            let _held = held;
            build::begin(layout)
        });
        let building = building.await?.map_err(|error| self.failed(error))?;
        let built = self.fill(lock, request, &building).await;
        if built.is_err() {
            let held = Arc::clone(lock);
            let swept = self.blocking(move |_| {
                let _held = held;
                remove(&building)
            });
            // The error that matters is the first one; the next call sweeps again.
            let _ = swept.await;
        }
        built
    }

    async fn fill(
        &self,
        lock: &Arc<Lock>,
        request: &DeployRequest,
        building: &Path,
    ) -> Result<String, EnvironmentError> {
        for artifact in request.release.artifacts.values() {
            let into = build::place(building, &request.release, artifact.name.as_str());
            let written = match request.artifacts.open(artifact).await {
                Ok(opened) => opened.materialise(&into).await,
                Err(error) => Err(error),
            };
            written.map_err(|error| EnvironmentError::Failed {
                environment: self.descriptor.name.clone(),
                what: format!("cannot take {artifact} from the store"),
                source: Some(Box::new(error)),
            })?;
        }
        let (release, configuration) = (request.release.clone(), request.configuration.clone());
        let (held, building): (_, PathBuf) = (Arc::clone(lock), building.to_owned());
        let finished = self.blocking(move |layout| {
            let _held = held;
            build::finish(layout, &building, release, configuration)
        });
        finished.await?.map_err(|error| match error {
            NotRendered::Refused(reason) => self.refused(reason),
            NotRendered::File(error) => self.failed(error),
        })
    }

    fn check(&self, request: &DeployRequest) -> Result<(Digest, Digest), EnvironmentError> {
        let ours = &self.descriptor.name;
        let theirs = &request.configuration.environment;
        if theirs != ours {
            return Err(self.refused(format!("the configuration belongs to `{theirs}`")));
        }
        if request.release.artifacts.is_empty() {
            return Err(self.refused(format!("{} has no artifacts", request.release)));
        }
        let no_digest = |error: pipeline_core::CanonicalError| self.refused(error.to_string());
        let release = request.release.digest().map_err(no_digest)?;
        let configuration = request.configuration.digest().map_err(no_digest)?;
        Ok((release, configuration))
    }
}

/// What must be done to make a release live.
enum Need {
    Nothing,
    Switch(String),
    Build,
}

fn need(layout: &Layout, release: Digest, configuration: Digest) -> Result<Need, FileError> {
    let intact = LiveRelease {
        release,
        configuration,
        drift: Vec::new(),
    };
    let live = match layout.current()? {
        Current::Release(name) => name,
        Current::Nothing | Current::Elsewhere(_) => String::new(),
    };
    if !live.is_empty() && observe::release(layout, &live) == intact {
        return Ok(Need::Nothing);
    }
    let mut kept = None;
    for name in names_of(layout, &release, Some(&configuration))? {
        if name == live {
            continue;
        }
        if kept.is_none() && observe::release(layout, &name) == intact {
            kept = Some(name);
        } else {
            layout.discard(&name)?;
        }
    }
    Ok(kept.map_or(Need::Build, Need::Switch))
}

/// The names of the directories that hold a release, or are meant to.
fn names_of(
    layout: &Layout,
    release: &Digest,
    configuration: Option<&Digest>,
) -> Result<Vec<String>, FileError> {
    let prefix = match configuration {
        Some(configuration) => Layout::name_of(release, configuration),
        None => format!("{}-", release.short()),
    };
    let mut names = layout.names(false)?;
    names.retain(|name| name.starts_with(&prefix));
    Ok(names)
}

#[async_trait]
impl Environment for DirectoryEnvironment {
    fn descriptor(&self) -> &EnvironmentDescriptor {
        &self.descriptor
    }

    async fn observe(&self) -> Result<Observation, EnvironmentError> {
        let live = self.blocking(observe::live).await?;
        Ok(Observation {
            live: live.map_err(|error| self.failed(error))?,
            facts: self.settings.facts.clone(),
        })
    }

    async fn deploy(&self, request: &DeployRequest) -> Result<(), EnvironmentError> {
        let (release, configuration) = self.check(request)?;
        let lock = self.lock(request.fence).await?;
        let held = Arc::clone(&lock);
        let need = self.blocking(move |layout| {
            let _held = held;
            need(layout, release, configuration)
        });
        let name = match need.await?.map_err(|error| self.failed(error))? {
            Need::Nothing => return Ok(()),
            Need::Switch(name) => name,
            Need::Build => self.build(&lock, request).await?,
        };
        let switched = self.blocking(move |layout| {
            let _held = lock;
            layout.switch(&name)?;
            // What drifted was live until now, and nobody goes back to it.
            for other in names_of(layout, &release, Some(&configuration))? {
                if other != name {
                    layout.discard(&other)?;
                }
            }
            Ok(())
        });
        switched.await?.map_err(|error| self.failed(error))
    }

    async fn retire(&self, release: &Digest, fence: Option<Fence>) -> Result<(), EnvironmentError> {
        let lock = self.lock(fence).await?;
        let release = *release;
        let retired = self.blocking(move |layout| {
            let _held = lock;
            let names = names_of(layout, &release, None)?;
            let current = layout.current()?;
            if names.iter().any(|name| current == Current::Release(name.clone())) {
                return Ok(false);
            }
            names
                .iter()
                .try_for_each(|name| layout.discard(name))
                .map(|()| true)
        });
        match retired.await? {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused(format!("release {} is live", release.short()))),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn location(&self) -> Option<String> {
        self.layout.link().to_str().map(str::to_owned)
    }

    fn fenced(&self) -> Option<&dyn Fenced> {
        Some(self)
    }
}

#[async_trait]
impl Fenced for DirectoryEnvironment {
    async fn highest_fence(&self) -> Result<Option<Fence>, EnvironmentError> {
        let highest = self.blocking(highest_fence).await?;
        highest.map_err(|error| self.failed(error))
    }
}
