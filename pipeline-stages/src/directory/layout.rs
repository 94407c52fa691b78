use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use pipeline_core::Digest;

use super::file::{self, FileError};

/// What is being built, and what is being removed, bears a name that begins so.
pub(super) const UNFINISHED: &str = ".unfinished-";

/// Where things are below the environment's directory.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

/// What the link `current` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Current {
    /// There is none.
    Nothing,
    /// The name of a directory below `releases`, which may be missing.
    Release(String),
    /// Nobody here wrote that.
    Elsewhere(PathBuf),
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    pub(super) fn release(&self, name: &str) -> PathBuf {
        self.root.join("releases").join(name)
    }

    pub(super) fn link(&self) -> PathBuf {
        self.root.join("current")
    }

    /// The name of a release's directory: for people, the manifest in it has the whole digests.
    pub(super) fn name_of(release: &Digest, configuration: &Digest) -> String {
        format!("{}-{}", release.short(), configuration.short())
    }

    /// Creates the directories.
    pub(super) fn create(&self) -> Result<(), FileError> {
        let releases = self.releases();
        fs::create_dir_all(&releases).map_err(FileError::at("create", &releases))?;
        file::sync(&self.root)
    }

    /// Reads the link.
    pub(super) fn current(&self) -> Result<Current, FileError> {
        let link = self.link();
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Current::Nothing),
            Err(error) => return Err(FileError::at("read the symbolic link", &link)(error)),
        };
        let mut parts = target.components();
        let name = match (parts.next(), parts.next(), parts.next()) {
            (Some(Component::Normal(releases)), Some(Component::Normal(name)), None)
                if releases == "releases" =>
            {
                name.to_str()
            }
            _ => None,
        };
        Ok(match name {
            Some(name) => Current::Release(name.to_owned()),
            None => Current::Elsewhere(target),
        })
    }

    /// Lets the link name another release, in one step.
    pub(super) fn switch(&self, name: &str) -> Result<(), FileError> {
        let next = self.root.join(".next-current");
        let target = Path::new("releases").join(name);
        remove(&next)?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(target, &next).map_err(FileError::at("create", &next))?;
        let link = self.link();
        fs::rename(&next, &link).map_err(FileError::at("switch", &link))?;
        file::sync(&self.root)
    }

    /// The names of the directories of releases; `unfinished` tells which sort.
    pub(super) fn names(&self, unfinished: bool) -> Result<Vec<String>, FileError> {
        let releases = self.releases();
        let list = || fs::read_dir(&releases)?.collect::<io::Result<Vec<_>>>();
        let entries = match list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(FileError::at("list", &releases))?,
        };
        let names = entries
            .iter()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names
            .filter(|name| name.starts_with(UNFINISHED) == unfinished)
            .collect();
        names.sort();
        Ok(names)
    }

    /// Removes a release's directory so that no crash leaves half of it under its name.
    pub(super) fn discard(&self, name: &str) -> Result<(), FileError> {
        let path = self.release(name);
        let doomed = self.release(&format!("{UNFINISHED}{name}"));
        remove(&doomed)?;
        fs::rename(&path, &doomed).map_err(FileError::at("remove", &path))?;
        file::sync(&self.releases())?;
        remove(&doomed)
    }
}

/// Removes whatever is at a path, if something is.
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}
