use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use jiff::Timestamp;

use super::{Commit, GitHistory, Tag, revert_in_message};

/// Reads the history of a git repository: all commits that `HEAD` or a tag reaches, and the tags for which
/// `is_deployment` says yes by name. No git program is needed, and neither the user's nor the system's git
/// configuration is read.
///
/// A tag that leads to no commit is no deployment, whatever its name. A shallow clone has the history that it has.
///
/// ```no_run
/// use pipeline_metrics::{Facts, GitOptions, read_history};
///
/// let history = read_history("path/to/repository", |tag| tag.starts_with('v'))?;
/// let mut facts = Facts::new();
/// history.facts(&GitOptions::new("shop"), &mut facts);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When there is no repository at the path, or a commit or tag in it cannot be read.
pub fn read_history(
    path: impl AsRef<Path>,
    is_deployment: impl Fn(&str) -> bool,
) -> Result<GitHistory, ReadGitError> {
    let path = path.as_ref();
    let open = gix::open_opts(path, gix::open::Options::isolated());
    let repository = open.map_err(failed(path, "no repository can be opened"))?;

    let mut tips = BTreeSet::new();
    if let Ok(head) = repository.head_id() {
        tips.insert(head.detach());
    }
    let mut tags = Vec::new();
    let references = repository.references();
    let references = references.map_err(failed(path, "the references cannot be read"))?;
    let all = references
        .tags()
        .map_err(failed(path, "the tags cannot be read"))?;
    for reference in all {
        let mut reference = reference.map_err(failed(path, "a tag cannot be read"))?;
        let name = reference.name().shorten().to_str_lossy().into_owned();
        if !is_deployment(&name) {
            continue;
        }
        let created = created(&repository, reference.try_id().map(gix::Id::detach));
        let Ok(commit) = reference.peel_to_commit() else {
            continue;
        };
        let at = match created {
            Some(at) => at,
            None => committed(&commit).map_err(failed(path, format!("tag `{name}` cannot be read")))?,
        };
        tips.insert(commit.id);
        tags.push(Tag {
            name: name.into(),
            sha: commit.id.to_string().into(),
            at,
        });
    }
    let walk = repository.rev_walk(tips).all();
    let walk = walk.map_err(failed(path, "the commits cannot be walked"))?;
    let mut commits = Vec::new();
    for info in walk {
        let info = info.map_err(failed(path, "the commits cannot be walked"))?;
        let commit = info.object().map_err(Into::into).and_then(|commit| read(&commit));
        commits.push(commit.map_err(failed(path, format!("commit {} cannot be read", info.id)))?);
    }
    Ok(GitHistory { commits, tags })
}

fn failed<E: Into<Box<dyn Error + Send + Sync>>>(
    path: &Path,
    what: impl Into<String>,
) -> impl FnOnce(E) -> ReadGitError {
    move |source| ReadGitError {
        path: path.to_owned(),
        what: what.into(),
        source: source.into(),
    }
}

/// When a tag with a message of its own was created.
fn created(repository: &gix::Repository, id: Option<gix::ObjectId>) -> Option<Timestamp> {
    let tag = repository.find_object(id?).ok()?.try_into_tag().ok()?;
    let time = tag.tagger().ok()??.time().ok()?;
    Timestamp::from_second(time.seconds).ok()
}

type ReadResult<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn committed(commit: &gix::Commit<'_>) -> ReadResult<Timestamp> {
    Ok(Timestamp::from_second(commit.time()?.seconds)?)
}

fn read(commit: &gix::Commit<'_>) -> ReadResult<Commit> {
    let message = commit.message_raw_sloppy().to_str_lossy();
    Ok(Commit {
        sha: commit.id.to_string().into(),
        authored: Timestamp::from_second(commit.author()?.time()?.seconds)?,
        committed: committed(commit)?,
        parents: commit.parent_ids().map(|id| id.to_string().into()).collect(),
        reverts: revert_in_message(&message).map(Into::into),
    })
}

/// A repository that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{what} in `{}`", path.display())]
pub struct ReadGitError {
    /// Where.
    pub path: PathBuf,
    what: String,
    source: Box<dyn Error + Send + Sync>,
}
