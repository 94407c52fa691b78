use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline_core::{EnvironmentName, Estate, Revision, Timestamp};

/// How many revisions a run lists for an environment at most.
const MOST: usize = 10_000;

/// What git knows of the source: the revision that is checked out, and for each environment the revisions since
/// the one that is live there.
#[derive(Debug, Default)]
pub struct Revisions {
    /// The revision that is checked out.
    pub head: Option<Revision>,
    /// What each environment would newly get, the newest first.
    pub new: BTreeMap<EnvironmentName, Vec<Revision>>,
}

/// Asks the git repository around a directory. Without one there are no revisions, and no lead time.
pub fn of(
    root: &Path,
    environments: impl Iterator<Item = EnvironmentName>,
    estate: &Estate,
) -> Result<Revisions, GitError> {
    let Ok(repository) = gix::discover(root) else {
        return Ok(Revisions::default());
    };
    let wrong = |what: &str, error: Box<dyn std::error::Error + Send + Sync>| GitError {
        what: format!("{what} in {}", repository.path().display()),
        source: error,
    };
    // A repository without a commit has no revision yet.
    let Ok(head) = repository.head_commit() else {
        return Ok(Revisions::default());
    };
    let revision = |commit: &gix::Commit<'_>| -> Result<Revision, GitError> {
        let time = commit
            .time()
            .map_err(|error| wrong("a commit has no time", error.into()))?;
        let at =
            Timestamp::from_second(time.seconds).map_err(|error| wrong("a commit's time", error.into()))?;
        let message = commit.message_raw_sloppy().to_string();
        let summary = message
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(100)
            .collect();
        Ok(Revision {
            id: commit.id().to_string(),
            at,
            summary,
        })
    };
    let newest = revision(&head)?;
    let mut new = BTreeMap::new();
    for name in environments {
        let live = estate
            .environment(&name)
            .and_then(|state| state.live.as_ref()?.revision.clone());
        let base = live.and_then(|live| gix::ObjectId::from_hex(live.id.as_bytes()).ok());
        // The first deployment brings one revision, not the whole history; a base that was rewritten away is as
        // good as none.
        let Some(base) = base.filter(|base| repository.find_commit(*base).is_ok()) else {
            new.insert(name, vec![newest.clone()]);
            continue;
        };
        let walk = repository.rev_walk([head.id]).with_hidden([base]).all();
        let walk = walk.map_err(|error| wrong("the commits cannot be walked", error.into()))?;
        let mut revisions = Vec::new();
        for info in walk.take(MOST) {
            let info = info.map_err(|error| wrong("the commits cannot be walked", error.into()))?;
            let commit = info
                .object()
                .map_err(|error| wrong("a commit cannot be read", error.into()))?;
            revisions.push(revision(&commit)?);
        }
        new.insert(name, revisions);
    }
    Ok(Revisions {
        head: Some(newest),
        new,
    })
}

/// The files below a directory that git tracks, ignored or not. None without a repository.
pub fn tracked(root: &Path) -> Vec<PathBuf> {
    let Ok(repository) = gix::discover(root) else {
        return Vec::new();
    };
    let (Some(top), Ok(index)) = (repository.workdir(), repository.index_or_empty()) else {
        return Vec::new();
    };
    let Ok(top) = top.canonicalize() else {
        return Vec::new();
    };
    let paths = index
        .entries()
        .iter()
        .map(|entry| top.join(entry.path(&index).to_string()));
    paths.filter(|path| path.starts_with(root)).collect()
}

/// A repository that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct GitError {
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}
