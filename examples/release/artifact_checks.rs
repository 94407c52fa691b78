use std::collections::BTreeSet;
use std::path::Path;

use pipeline_artifacts::{BlobStore, LocalStore, Problem as Fault, ProblemKind};
use pipeline_core::attestation::Policy;
use pipeline_core::{ArtifactRef, ChainDisplay, Clock, Digest, StoreError, SystemClock};
use serde_json::{Value, json};

use crate::answer::{Answer, Exit, Problem};
use crate::artifacts::{find, input};
use crate::host::Host;

/// `release artifact verify [ARTIFACT]`
pub async fn verify(
    host: &Host,
    query: Option<&str>,
    policy: Option<&Path>,
    heal_from: Option<&Path>,
) -> Result<Answer, Problem> {
    let store = &host.artifacts;
    let policy = policy.map(read_policy).transpose()?;
    let artifacts = match query {
        Some(query) => vec![find(store, query)?],
        None => all(store)?,
    };
    let (mut good, mut text, mut data) = (true, String::new(), json!({}));
    if let (Some(_), None) = (query, heal_from) {
        for artifact in &artifacts {
            let read = read_all(store, artifact);
            good &= read.is_ok();
            text.push_str(&match &read {
                Ok(()) => format!("{artifact}: every byte is right\n"),
                Err(error) => format!("{artifact}: {}\n", ChainDisplay(error)),
            });
            data["content"] = json!(read.map_err(|error| ChainDisplay(&error).to_string()).err());
        }
    } else {
        let mut report = store.verify()?;
        if let Some(other) = heal_from {
            let healed = heal(store, &open_other(other)?, &report.problems).await?;
            text.push_str(&format!(
                "healed {} of {} blobs\n",
                healed.len(),
                broken(&report.problems).len()
            ));
            data["healed"] = json!(healed);
            report = store.verify()?;
        }
        good &= report.is_good();
        text.push_str(&format!("{report}\n"));
        data["store"] = json!({
            "blobs": report.blobs,
            "bytes": report.bytes,
            "problems": report.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
    }
    if let Some(policy) = policy {
        let mut reports: Vec<Value> = Vec::new();
        for artifact in &artifacts {
            let report = store.check_origin(artifact, &policy, SystemClock.now());
            good &= report.allowed();
            text.push_str(&format!("{report}\n\n"));
            reports.push(json!({ "allowed": report.allowed(), "report": report }));
        }
        data["origin"] = json!(reports);
    }
    let exit = if good { Exit::Succeeded } else { Exit::Failed };
    Ok(Answer::new(exit, data, text))
}

/// A policy; one that cannot be used is the caller's to mend.
pub fn read_policy(file: &Path) -> Result<Policy, Problem> {
    Policy::read(file).map_err(input)
}

fn all(store: &LocalStore) -> Result<Vec<ArtifactRef>, Problem> {
    let versions = store.catalog().all()?;
    let refs = versions.iter().flat_map(|versions| {
        let name = versions.name();
        versions.kept().map(move |entry| entry.reference(name))
    });
    Ok(refs.collect())
}

/// Reads every byte of an artifact and of what is attached to it.
fn read_all(store: &LocalStore, artifact: &ArtifactRef) -> Result<(), StoreError> {
    store.artifact(artifact)?.export_tar(&mut std::io::sink())?;
    for attachment in store.attachments(&artifact.digest)? {
        store.read_attachment(&attachment)?;
    }
    Ok(())
}

/// The blobs that are damaged or missing.
fn broken(problems: &[Fault]) -> BTreeSet<Digest> {
    let of = |problem: &Fault| {
        let wrong = matches!(problem.kind, ProblemKind::Damaged | ProblemKind::Missing);
        let hex = problem.path.strip_prefix("blobs/sha256").ok()?.to_str()?;
        wrong.then(|| format!("sha256:{hex}").parse().ok()).flatten()
    };
    problems.iter().filter_map(of).collect()
}

/// Takes what is broken from another store that has it. Storing it again replaces it.
async fn heal(store: &LocalStore, other: &LocalStore, problems: &[Fault]) -> Result<Vec<Digest>, Problem> {
    let mut healed = Vec::new();
    for digest in broken(problems) {
        let Some(size) = other.size(&digest).await? else {
            continue;
        };
        let blob = pipeline_artifacts::BlobId { digest, size };
        let mut source = other.get(&digest).await?;
        match store.put(&blob, source.as_mut()).await {
            Ok(()) => healed.push(digest),
            // The other one is damaged, too.
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        store.flush(&[blob]).await?;
    }
    Ok(healed)
}

/// A store of this program, or a store of artifacts alone.
fn open_other(path: &Path) -> Result<LocalStore, Problem> {
    let within = path.join("artifacts");
    let path = if within.is_dir() { within } else { path.to_owned() };
    if !path.join("store.json").is_file() {
        return Err(Problem::input(format!(
            "{} is no store of artifacts",
            path.display()
        )));
    }
    Ok(LocalStore::open(path)?)
}
