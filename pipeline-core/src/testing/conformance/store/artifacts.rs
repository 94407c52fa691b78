use std::path::{Path, PathBuf};

use super::promises as p;
use super::suite::{absent, failed};
use super::world::StoreWorld;
use crate::testing::conformance::Report;
use crate::{Artifact, ArtifactEntry, ArtifactRef, Digest, EntryKind, StoreError};

/// What an artifact of the store is.
pub(super) async fn artifacts(report: &mut Report, world: &StoreWorld, artifact: &ArtifactRef) {
    let resolved = world.store.resolve(&artifact.name, &artifact.version).await;
    let found = match resolved {
        Ok(Some(found)) if found == *artifact => Ok(()),
        other => Err(format!("{artifact} resolves to {other:?}")),
    };
    report.check(p::RESOLVES, found);
    let opened = match world.store.open(artifact).await {
        Ok(opened) => opened,
        Err(error) => {
            report.check(p::OPENS, Err(error.to_string()));
            report.not_tried(
                &[p::OPENS_BY_DIGEST, p::MATERIALISES],
                "the artifact does not open",
            );
            return;
        }
    };
    report.check(p::OPENS, as_its_entries_say(artifact, &*opened).await);
    let renamed = ArtifactRef {
        name: absent(),
        ..artifact.clone()
    };
    let found = match world.store.open(&renamed).await {
        Ok(same) if entries(&*same).await == entries(&*opened).await => Ok(()),
        Ok(_) => Err("under another name, the same digest has other entries".to_owned()),
        Err(error) => Err(format!(
            "under another name, the same digest does not open: {error}"
        )),
    };
    report.check(p::OPENS_BY_DIGEST, found);
    match &world.scratch {
        Some(into) => {
            let (missing, empty) = (into.join("new/one"), into.join("empty"));
            let found = materialised(&*opened, &missing, &empty).await;
            report.check(p::MATERIALISES, found);
        }
        None => report.not_tried(
            &[p::MATERIALISES],
            "there is no directory to write to: `StoreWorld::scratch`",
        ),
    }
}

/// All entries at once: here are not many.
pub(super) async fn entries(opened: &dyn Artifact) -> Result<Vec<ArtifactEntry>, String> {
    let entries = opened.entries(None, usize::MAX).await;
    entries.map_err(failed("its entries cannot be listed"))
}

/// In parts, the entries are the same; and so is each for itself.
async fn in_parts(opened: &dyn Artifact, entries: &[ArtifactEntry]) -> Result<(), String> {
    for most in [1, 2, entries.len(), entries.len() + 1] {
        let (mut after, mut listed) = (None::<String>, Vec::new());
        // A part for each entry is enough, whatever comes.
        for _ in 0..=entries.len() {
            let part = opened.entries(after.as_deref(), most).await;
            let part = part.map_err(failed("its entries cannot be listed in parts"))?;
            if part.len() > most {
                return Err(format!(
                    "of {most} entries that were asked for, {} come",
                    part.len()
                ));
            }
            let is_last = part.len() < most;
            after = part.last().map(|entry| entry.path.clone()).or(after);
            listed.extend(part);
            if is_last {
                break;
            }
        }
        if listed != entries {
            return Err(format!("listed in parts of {most}, its entries are others"));
        }
    }
    for (index, entry) in entries.iter().enumerate() {
        let found = opened.entry(&entry.path).await;
        if found.map_err(failed("an entry cannot be read"))?.as_ref() != Some(entry) {
            return Err(format!(
                "the entry at `{}` is not the one that is listed",
                entry.path
            ));
        }
        // Nothing is there, and what comes after it is what comes after the entry.
        let absent = format!("{}\u{1}", entry.path);
        let found = opened.entry(&absent).await;
        if found.map_err(failed("an entry that is not there"))?.is_some() {
            return Err(format!("there is an entry at {absent:?}, which is not listed"));
        }
        let next = opened.entries(Some(&absent), 1).await;
        let next = next.map_err(failed("its entries cannot be listed in parts"))?;
        if next.first() != entries.get(index + 1) {
            return Err(format!("after {absent:?} comes another entry than is listed"));
        }
    }
    Ok(())
}

async fn as_its_entries_say(artifact: &ArtifactRef, opened: &dyn Artifact) -> Result<(), String> {
    if opened.reference() != artifact {
        return Err(format!("it says that it is {}", opened.reference()));
    }
    let entries = entries(opened).await?;
    if let Some(pair) = entries
        .windows(2)
        .find(|pair| pair[0].path.as_bytes() >= pair[1].path.as_bytes())
    {
        return Err(format!("`{}` stands before `{}`", pair[0].path, pair[1].path));
    }
    in_parts(opened, &entries).await?;
    for entry in &entries {
        if let EntryKind::File { size, digest, .. } = &entry.kind {
            let read = opened.read(&entry.path).await;
            let read = read.map_err(|error| format!("`{}` cannot be read: {error}", entry.path))?;
            if read.len() as u64 != *size || Digest::of(&read) != *digest {
                return Err(format!("`{}` is not what its entry says", entry.path));
            }
        }
    }
    match opened.read("no/such/file").await {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => Err(format!("a file that is not in it: {other:?}")),
    }
}

async fn materialised(opened: &dyn Artifact, missing: &PathBuf, empty: &PathBuf) -> Result<(), String> {
    let io = |error: std::io::Error| format!("the directory of the world: {error}");
    std::fs::create_dir_all(empty).map_err(io)?;
    let entries = entries(opened).await?;
    for into in [missing, empty] {
        opened
            .materialise(into)
            .await
            .map_err(failed("it cannot be written"))?;
        for entry in &entries {
            let path = into.join(&entry.path);
            let right = match &entry.kind {
                EntryKind::File {
                    digest, executable, ..
                } => {
                    let read = std::fs::read(&path).unwrap_or_default();
                    Digest::of(read) == *digest
                        && is_executable(&path).is_none_or(|found| found == *executable)
                }
                EntryKind::Directory => path.is_dir(),
                EntryKind::Symlink { target } => {
                    std::fs::read_link(&path).is_ok_and(|found| found.as_os_str() == target.as_str())
                }
            };
            if !right {
                return Err(format!("`{}` is not written as its entry says", entry.path));
            }
        }
    }
    match opened.materialise(empty).await {
        Err(_) => Ok(()),
        Ok(()) => Err("it is written into a directory that is not empty".to_owned()),
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> Option<bool> {
    None
}

/// Writes an artifact whose bytes were spoilt.
pub(super) async fn spoilt(report: &mut Report, world: &StoreWorld, artifact: &ArtifactRef, file: &str) {
    let Some(into) = &world.scratch else {
        let why = "there is no directory to write to: `StoreWorld::scratch`";
        return report.not_tried(&[p::WRITES_NO_DAMAGE], why);
    };
    let into = into.join("spoilt");
    let found = match world.store.open(artifact).await {
        Err(_) => Ok(()),
        Ok(opened) => match opened.materialise(&into).await {
            Ok(()) => Err(format!("it is written, and `{file}` is spoilt")),
            Err(_) => no_wrong_file(&*opened, &into).await,
        },
    };
    report.check(p::WRITES_NO_DAMAGE, found);
}

/// A part may be there; what is there is right.
async fn no_wrong_file(opened: &dyn Artifact, into: &Path) -> Result<(), String> {
    for entry in entries(opened).await? {
        if let EntryKind::File { digest, .. } = &entry.kind
            && let Ok(bytes) = std::fs::read(into.join(&entry.path))
            && Digest::of(bytes) != *digest
        {
            return Err(format!(
                "writing fails, and leaves `{}` with wrong bytes",
                entry.path
            ));
        }
    }
    Ok(())
}
