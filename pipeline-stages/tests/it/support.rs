use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_core::testing::{ManualClock, MemoryArtifacts, TestCall, services};
use pipeline_core::{
    ArtifactRef, Configuration, DeployRequest, Digest, EnvironmentDescriptor, Fence, IdempotencyKey,
    NoSource, Release, RunId, Secret, SecretError, SecretRef, SecretSource, Services, Source, SourceError,
    SourcePath, StageContext, StageName,
};
use pipeline_stages::{DirectoryEnvironment, DirectorySettings};
use serde_json::{Value, json};

/// A value that must never be seen.
pub(crate) const PLANTED: &str = "hunter2-planted";

/// Knows one secret, `test:planted`.
#[derive(Debug)]
pub(crate) struct Planted;

#[async_trait]
impl SecretSource for Planted {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        if reference.to_string() == "test:planted" {
            return Ok(Secret::new(PLANTED));
        }
        Err(SecretError {
            reference: reference.clone(),
            reason: "nobody knows it".to_owned(),
        })
    }
}

/// A source in a directory.
#[derive(Debug)]
pub(crate) struct Checkout(pub(crate) PathBuf);

#[async_trait]
impl Source for Checkout {
    fn root(&self) -> Option<&Path> {
        Some(&self.0)
    }

    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError> {
        NoSource.read(path).await
    }

    async fn digest(&self, paths: &[SourcePath]) -> Result<Digest, SourceError> {
        NoSource.digest(paths).await
    }
}

pub(crate) fn services_in(source: Arc<dyn Source>, store: &MemoryArtifacts) -> Services {
    let clock = ManualClock::at("2026-11-20T12:00:00Z");
    services(clock, Arc::new(store.clone()), source, Arc::new(Planted))
}

/// The context of a stage in a source directory.
pub(crate) fn context_in(directory: &Path) -> StageContext {
    let source = Arc::new(Checkout(directory.to_owned()));
    TestCall::new("stage").context(services_in(source, &MemoryArtifacts::new()))
}

/// The context of a stage without a source.
pub(crate) fn context() -> StageContext {
    TestCall::new("stage").context(services_in(Arc::new(NoSource), &MemoryArtifacts::new()))
}

pub(crate) fn settings<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn environment(root: &Path) -> DirectoryEnvironment {
    let descriptor: EnvironmentDescriptor = settings(json!({
        "name": "staging", "tier": "staging", "type": "directory", "settings": {},
    }));
    let settings: DirectorySettings = settings(json!({"path": root, "facts": {"os": "debian-13"}}));
    DirectoryEnvironment::new(descriptor, settings).unwrap()
}

pub(crate) fn configuration(values: Value) -> Configuration {
    settings(json!({"environment": "staging", "values": values}))
}

pub(crate) fn release(artifacts: &[&ArtifactRef]) -> Release {
    let artifacts: BTreeMap<_, _> = artifacts
        .iter()
        .map(|one| (one.name.clone(), (*one).clone()))
        .collect();
    let version = artifacts.values().next().unwrap().version.clone();
    Release {
        component: "test".try_into().unwrap(),
        version,
        artifacts,
    }
}

pub(crate) fn fence(token: u64, epoch: u64) -> Fence {
    Fence { token, epoch }
}

pub(crate) fn request(
    store: &MemoryArtifacts,
    release: &Release,
    configuration: &Configuration,
    fence: Option<Fence>,
) -> DeployRequest {
    DeployRequest {
        release: release.clone(),
        configuration: configuration.clone(),
        artifacts: Arc::new(store.clone()),
        key: IdempotencyKey::new(&RunId::new("r").unwrap(), &StageName::new("s").unwrap(), 1),
        fence,
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut error = error.source();
    while let Some(cause) = error {
        text = format!("{text}: {cause}");
        error = cause.source();
    }
    text
}

/// Every file below a directory, links not followed.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() || path.is_file() {
                found.push(path);
            } else {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}
