use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline_core::{EnvironmentName, Estate, Revision, Timestamp};

use crate::answer::Problem;
use crate::origin::SourceOrigin;

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
    let revision =
        |commit: &gix::Commit<'_>| revision(commit).map_err(|error| wrong("a commit cannot be read", error));
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

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn revision(commit: &gix::Commit<'_>) -> Result<Revision, Cause> {
    let message = commit.message_raw_sloppy().to_string();
    let summary = message.lines().next().unwrap_or_default();
    Ok(Revision {
        id: commit.id().to_string(),
        at: Timestamp::from_second(commit.time()?.seconds)?,
        summary: summary.chars().take(100).collect(),
    })
}

/// The revisions of a repository that are in one and not in another, the newest first; `None` where git does not know
/// both.
pub fn between(directory: &Path, base: &str, head: &str) -> Option<Vec<Revision>> {
    let repository = gix::discover(directory).ok()?;
    let id = |text: &str| gix::ObjectId::from_hex(text.as_bytes()).ok();
    let (base, head) = (id(base)?, id(head)?);
    repository.find_commit(base).ok()?;
    let walk = repository.rev_walk([head]).with_hidden([base]).all().ok()?;
    walk.take(MOST)
        .map(|info| revision(&info.ok()?.object().ok()?).ok())
        .collect()
}

/// Where the code in a directory comes from, as provenance says it; `None` without a repository.
pub fn origin(directory: &Path) -> Option<SourceOrigin> {
    let repository = gix::discover(directory).ok()?;
    let remote = repository.config_snapshot().string("remote.origin.url");
    let top = repository.workdir().unwrap_or(repository.path());
    let reference = repository.head_name().ok().flatten();
    Some(SourceOrigin {
        repository: match remote {
            Some(url) => address(&url.to_string()),
            None => format!("git+file://{}", top.canonicalize().ok()?.display()),
        },
        reference: reference.map(|name| name.as_bstr().to_string()),
        directory: directory.to_owned(),
    })
}

/// The address of a repository as provenance has it: with what git speaks, and without anybody's password.
fn address(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // `git@host:path`, or a path of this computer.
        return match url.split_once(':') {
            Some((host, path)) if !host.contains('/') => {
                format!("git+ssh://{host}/{}", path.trim_start_matches('/'))
            }
            _ => format!("git+file://{url}"),
        };
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = match host.rsplit_once('@') {
        Some((user, host)) if scheme == "ssh" => {
            format!("{}@{host}", user.split(':').next().unwrap_or_default())
        }
        Some((_, host)) => host.to_owned(),
        None => host.to_owned(),
    };
    format!("git+{scheme}://{host}/{path}")
}

/// Writes what git has of a directory at a revision into a new one.
pub fn check_out(directory: &Path, revision: &str, into: &Path) -> Result<(), Problem> {
    let wrong = |text: String| Problem::input(format!("{text} in {}: say --source DIR", directory.display()));
    let repository = gix::discover(directory).map_err(|_| wrong("there is no git repository".to_owned()))?;
    let missing = || wrong(format!("there is no revision {revision}"));
    let id = gix::ObjectId::from_hex(revision.as_bytes()).map_err(|_| missing())?;
    let mut tree = repository.find_commit(id).map_err(|_| missing())?.tree()?;
    let (own, top) = (
        directory.canonicalize()?,
        repository.workdir().map(Path::canonicalize),
    );
    let below = match top {
        Some(top) => own.strip_prefix(top?).unwrap_or(Path::new("")).to_owned(),
        None => PathBuf::new(),
    };
    if !below.as_os_str().is_empty() {
        let entry = tree.lookup_entry_by_path(&below)?;
        let found = entry.ok_or_else(|| wrong(format!("revision {revision} has no {}", below.display())))?;
        tree = found.object()?.try_into_tree()?;
    }
    write_tree(&tree, into)
}

fn write_tree(tree: &gix::Tree<'_>, into: &Path) -> Result<(), Problem> {
    use gix::object::tree::EntryKind;
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(into)?;
    for entry in tree.iter() {
        let entry = entry?;
        let name = entry.filename().to_string();
        // Git refuses such names as well; a repository may come from anywhere.
        if matches!(name.as_str(), "" | "." | ".." | ".git") || name.contains('/') {
            return Err(Problem::failure(format!(
                "the revision holds an entry called {name:?}"
            )));
        }
        let path = into.join(&name);
        let object = entry.object();
        match entry.mode().kind() {
            EntryKind::Tree => write_tree(&object?.try_into_tree()?, &path)?,
            EntryKind::Blob | EntryKind::BlobExecutable => {
                std::fs::write(&path, &object?.data)?;
                let mode = if entry.mode().kind() == EntryKind::Blob {
                    0o644
                } else {
                    0o755
                };
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
            }
            EntryKind::Link => {
                let target = String::from_utf8_lossy(&object?.data).into_owned();
                std::os::unix::fs::symlink(target, &path)?;
            }
            // What another repository has is not copied aside for a run, either.
            EntryKind::Commit => std::fs::create_dir_all(&path)?,
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_hold_no_password() {
        for (url, expected) in [
            (
                "https://git.example.com/shop.git",
                "git+https://git.example.com/shop.git",
            ),
            (
                "https://alice:secret@git.example.com/shop",
                "git+https://git.example.com/shop",
            ),
            (
                "https://token@git.example.com:8443/a/b",
                "git+https://git.example.com:8443/a/b",
            ),
            (
                "ssh://git:pw@git.example.com/shop",
                "git+ssh://git@git.example.com/shop",
            ),
            (
                "git@git.example.com:infra/shop.git",
                "git+ssh://git@git.example.com/infra/shop.git",
            ),
            ("/srv/git/shop", "git+file:///srv/git/shop"),
        ] {
            assert_eq!(address(url), expected);
        }
    }
}
