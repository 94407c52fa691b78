use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline_core::{
    ArtifactRef, ConfigurationError, Effect, Failure, Outcome, Reads, SecretError, SourceError, SourcePath,
    Stage, StageContext, StoreError,
};
use semver::Version;
use serde::{Serialize, Serializer};

use super::{AttestError, Attestor, PackageSettings, PackageSettingsError, VersionSource};
use crate::store::blocking;
use crate::{Findings, LocalStore, PackError, Packed, Packer, Publication};

/// The stage `package`: packs a directory of the source, stores it, and publishes it under a name and version.
///
/// It reports the artifact, and the facts `files` and `bytes` (how many of them were packed) and `digest` (the
/// manifest's). Other bytes under a version that is taken fail the stage; the same bytes do not, so it may be
/// repeated. With an [`Attestor`], provenance of the run is attached to the artifact, and its digest is the fact
/// `provenance`. With `environment-free` in its settings, an artifact that holds values of environments is not published.
///
/// The store must be the one that the worker offers to its stages, or no later stage finds the artifact.
#[derive(Debug, Clone)]
pub struct Package {
    store: Arc<LocalStore>,
    settings: PackageSettings,
    version: VersionSource,
    attestor: Option<Arc<Attestor>>,
}

impl Package {
    /// A stage that packs into a store.
    ///
    /// # Errors
    ///
    /// When the settings do not fit together: there must be exactly one source of the version.
    pub fn new(store: Arc<LocalStore>, settings: PackageSettings) -> Result<Self, PackageSettingsError> {
        let version = settings.version_source()?;
        if settings.exclude.contains(&SourcePath::root()) {
            return Err(PackageSettingsError::AllExcluded);
        }
        Ok(Self {
            store,
            settings,
            version,
            attestor: None,
        })
    }

    /// The same stage with one that says where its packages come from.
    #[must_use]
    pub fn attestor(mut self, attestor: Arc<Attestor>) -> Self {
        self.attestor = Some(attestor);
        self
    }

    /// The settings.
    pub fn settings(&self) -> &PackageSettings {
        &self.settings
    }

    async fn version(&self, cx: &StageContext) -> Result<Version, PackageError> {
        let path = match &self.version {
            VersionSource::Fixed(version) => return Ok(version.clone()),
            VersionSource::File(path) => path,
        };
        let bytes = cx.source().read(path).await?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next().unwrap_or_default().trim();
        line.parse().map_err(|source| PackageError::Version {
            path: path.clone(),
            found: line.chars().take(100).collect(),
            source,
        })
    }

    /// The directory to pack. One that is reached through a link is refused: what the link means is not among
    /// what the stage [reads](Stage::reads).
    fn tree(&self, root: &Path) -> Result<PathBuf, PackageError> {
        let tree = self.settings.path.below(root);
        let real = |path: &Path| {
            fs::canonicalize(path).map_err(|source| {
                let path = path.to_owned();
                PackError::Io { path, source }
            })
        };
        if real(&tree)? == self.settings.path.below(&real(root)?) {
            Ok(tree)
        } else {
            Err(PackageError::ThroughLink {
                path: self.settings.path.clone(),
            })
        }
    }

    fn pack(&self, tree: PathBuf, cx: &StageContext) -> Result<Packed, PackError> {
        let mut packer = Packer::new(tree);
        for path in &self.settings.exclude {
            packer = packer.exclude(path.clone());
        }
        packer.pack_watched(&self.store, |progress| {
            cx.progress(progress.done, Some(progress.total), progress.path);
            match cx.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }
}

impl Package {
    /// Looks for values of environments in what was packed, if that is asked.
    async fn find_values(
        &self,
        cx: &StageContext,
        version: &Version,
        packed: &Packed,
    ) -> Result<Option<Findings>, PackageError> {
        let Some(settings) = &self.settings.environment_free else {
            return Ok(None);
        };
        let check = settings.check(cx).await?;
        let artifact = ArtifactRef {
            name: self.settings.name.clone(),
            version: version.clone(),
            digest: packed.digest,
        };
        let store = Arc::clone(&self.store);
        let found = blocking(move || check.check(&store.artifact(&artifact)?));
        Ok(Some(found.await??))
    }
}

impl Stage for Package {
    const TYPE: &'static str = "package";
    type Error = PackageError;

    fn effect(&self) -> Effect {
        match &self.settings.environment_free {
            Some(settings) if settings.secrets => Effect::Idempotent,
            _ => Effect::Pure,
        }
    }

    fn reads(&self) -> Reads {
        let mut paths = vec![self.settings.path.clone()];
        paths.extend(self.settings.version_file.clone());
        if let Some(free) = &self.settings.environment_free {
            paths.extend(free.configurations.values().cloned());
        }
        Reads::Source(paths)
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, PackageError> {
        let root = cx.source().root().ok_or(PackageError::NoSource)?.to_owned();
        let version = self.version(cx).await?;
        // What is packed is kept until the record keeps it.
        let store = Arc::clone(&self.store);
        let _lease = blocking(move || store.lease()).await??;
        let (stage, context) = (self.clone(), cx.clone());
        let packed = blocking(move || {
            stage
                .pack(stage.tree(&root)?, &context)
                .map_err(PackageError::from)
        });
        let packed = packed.await??;
        if packed.files == 0 {
            let path = &self.settings.path;
            return Ok(Outcome::failed(format!(
                "there is no file in `{path}`: was it built before it was packaged?"
            )));
        }
        if cx.is_cancelled() {
            return Err(PackError::Stopped.into());
        }
        if let Some(found) = self.find_values(cx, &version, &packed).await?
            && !found.is_free()
        {
            cx.log(found.to_string());
            let places = found.found.iter().take(3).map(ToString::to_string);
            let places: Vec<_> = places.collect();
            let more = if found.total > places.len() {
                "; and more, see the output"
            } else {
                ""
            };
            return Ok(Outcome::failed(format!(
                "it holds values of environments, which belong into their configurations: {}{more}",
                places.join("; ")
            )));
        }
        let artifact = ArtifactRef {
            name: self.settings.name.clone(),
            version,
            digest: packed.digest,
        };
        let mut publication = Publication::new(artifact.clone())
            .at(cx.now())
            .run(cx.run().clone());
        let facts = match &self.attestor {
            Some(attestor) => Some((attestor, attestor.facts(&self.store, cx, &artifact).await?)),
            None => None,
        };
        if let Some((_, facts)) = &facts {
            publication.revision = facts.run.revision().cloned();
            publication.revisions = facts.before.iter().flat_map(|(_, new)| new).cloned().collect();
        }
        let store = Arc::clone(&self.store);
        let published = blocking(move || store.publish_with(publication)).await?;
        let outcome = match published {
            Ok(Publication { artifact, .. }) => {
                let mut outcome = Outcome::succeeded().artifact(artifact.clone());
                if let Some((attestor, facts)) = facts {
                    let attached = attestor
                        .attest(&self.store, cx, facts, &artifact, packed.tree)
                        .await?;
                    outcome = outcome.fact("provenance", attached.digest.to_string());
                }
                outcome
            }
            Err(StoreError::Taken {
                name,
                version,
                standing,
                published,
                offered,
            }) => {
                let way = if version == *standing {
                    "raise the version".to_owned()
                } else {
                    format!(
                        "it stands in the way of {version}, because what is behind a `+` does not tell versions apart; raise the number"
                    )
                };
                Outcome::failed(format!(
                    "{name} {standing} is published with other content already ({} there, {} here): {way}",
                    published.short(),
                    offered.short(),
                ))
            }
            Err(error) => return Err(error.into()),
        };
        Ok(outcome
            .fact("files", packed.files)
            .fact("bytes", packed.bytes)
            .fact("digest", packed.digest.to_string()))
    }

    fn failure(&self, error: &PackageError) -> Failure {
        match error {
            // Trying again gives the same answer: the source must change.
            PackageError::Pack(PackError::Refused { .. } | PackError::IgnoreFile { .. })
            | PackageError::Version { .. }
            | PackageError::Configuration(_)
            | PackageError::ThroughLink { .. } => Failure::Failed,
            _ => Failure::Errored,
        }
    }
}

impl Serialize for Package {
    /// The settings: all that another worker needs besides its store.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settings.serialize(serializer)
    }
}

/// A package that was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The worker has no directory with the code.
    #[error("this worker has no source to package")]
    NoSource,
    /// The file with the version cannot be read.
    #[error("the version cannot be read")]
    Source(#[from] SourceError),
    /// The file's first line is no version.
    #[error("the first line of `{path}` is `{found}`, which is no version such as `1.2.3`")]
    Version {
        /// The file.
        path: SourcePath,
        /// Its first line, shortened.
        found: String,
        /// What is wrong.
        source: semver::Error,
    },
    /// The directory is reached through a symbolic link.
    #[error("`{path}` is reached through a symbolic link: name the directory itself")]
    ThroughLink {
        /// The directory.
        path: SourcePath,
    },
    /// The configuration of an environment cannot be read.
    #[error("the configuration of an environment cannot be read")]
    Configuration(#[from] ConfigurationError),
    /// A secret to look for cannot be had.
    #[error("a secret to look for cannot be had")]
    Secret(#[from] SecretError),
    /// It was published, but nothing says where it comes from.
    #[error("the package is published, but its origin is not attached")]
    Attest(#[from] AttestError),
    /// The directory was not packed.
    #[error("the source was not packed")]
    Pack(#[from] PackError),
    /// The store failed.
    #[error("the package was not published")]
    Store(#[from] StoreError),
}
