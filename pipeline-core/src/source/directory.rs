use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Source, SourceError, SourcePath};
use crate::blocking::unblock;
use crate::digest::{Digest, DigestBuilder};

/// A source in a directory: a checkout.
///
/// `.git` is never part of a digest, and neither is what a host excludes, such as its own store.
#[derive(Debug, Clone)]
pub struct DirectorySource {
    root: PathBuf,
    excluded: Vec<PathBuf>,
}

impl DirectorySource {
    /// The source below a directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            excluded: Vec::new(),
        }
    }

    /// The same source without a path below its root.
    #[must_use]
    pub fn exclude(mut self, path: impl Into<PathBuf>) -> Self {
        self.excluded.push(path.into());
        self
    }

    fn failed(path: &Path, reason: &str, source: Option<io::Error>) -> SourceError {
        SourceError {
            path: path.display().to_string(),
            reason: reason.to_owned(),
            source,
        }
    }

    fn stopped(
        path: &SourcePath,
    ) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> SourceError + use<> {
        let path = path.to_string();
        move |error| SourceError {
            path,
            reason: error.to_string(),
            source: None,
        }
    }

    fn digest_of(&self, paths: &[SourcePath]) -> Result<Digest, SourceError> {
        let mut builder = DigestBuilder::new();
        for path in paths {
            builder.field(path.as_str());
            self.add(&path.below(&self.root), &mut builder)?;
        }
        Ok(builder.finish())
    }

    /// Adds one path: what kind it is, whether it may be executed, its bytes or what is below it, sorted.
    fn add(&self, path: &Path, builder: &mut DigestBuilder) -> Result<(), SourceError> {
        let io = |what: &'static str| move |error| Self::failed(path, what, Some(error));
        let metadata = fs::symlink_metadata(path).map_err(io("it is not there"))?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(io("the link cannot be read"))?;
            builder.field("link");
            builder.field(target.as_os_str().as_encoded_bytes());
        } else if kind.is_file() {
            let file = File::open(path).map_err(io("it cannot be opened"))?;
            let (digest, _) = Digest::of_reader(file).map_err(io("it cannot be read"))?;
            builder.field(if executable(&metadata) { "program" } else { "file" });
            builder.field(digest.as_bytes());
        } else if kind.is_dir() {
            let mut names = Vec::new();
            for entry in fs::read_dir(path).map_err(io("it cannot be listed"))? {
                names.push(entry.map_err(io("it cannot be listed"))?.file_name());
            }
            names.sort_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
            builder.field("directory");
            for name in names {
                let below = path.join(&name);
                if name == ".git" || self.excluded.contains(&below) {
                    continue;
                }
                // A stage that works beside this one may take away what it made.
                if matches!(fs::symlink_metadata(&below), Err(error) if error.kind() == io::ErrorKind::NotFound)
                {
                    continue;
                }
                builder.field(name.as_encoded_bytes());
                self.add(&below, builder)?;
            }
            // Ends the list: no name is empty.
            builder.field("");
        } else {
            return Err(Self::failed(
                path,
                "it is neither a file, a directory nor a link",
                None,
            ));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &fs::Metadata) -> bool {
    false
}

#[async_trait]
impl Source for DirectorySource {
    fn root(&self) -> Option<&Path> {
        Some(&self.root)
    }

    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError> {
        let file = path.below(&self.root);
        let stopped = Self::stopped(path);
        let read = unblock(move || fs::read(&file).map_err(|error| (file, error)))
            .await
            .map_err(stopped)?;
        read.map_err(|(file, error)| Self::failed(&file, "it cannot be read", Some(error)))
    }

    async fn digest(&self, paths: &[SourcePath]) -> Result<Digest, SourceError> {
        let (source, paths) = (self.clone(), paths.to_vec());
        let stopped = Self::stopped(&SourcePath::root());
        unblock(move || source.digest_of(&paths)).await.map_err(stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_names_bytes_and_rights_alone() {
        let make = |files: &[(&str, &str)]| {
            let directory = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = directory.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            directory
        };
        let digest = |directory: &tempfile::TempDir| {
            DirectorySource::new(directory.path())
                .digest_of(&[SourcePath::root()])
                .unwrap()
        };
        let one = make(&[("a/b", "1"), ("c", "2")]);
        let same = make(&[("c", "2"), ("a/b", "1"), (".git/x", "ignored")]);
        assert_eq!(digest(&one), digest(&same));
        for other in [
            &[("a/b", "1"), ("c", "3")][..],
            &[("a", "1"), ("c", "2")],
            &[("a/b", "1"), ("d", "2")],
        ] {
            assert_ne!(digest(&one), digest(&make(other)));
        }
        let error = DirectorySource::new(one.path())
            .digest_of(&["gone".parse().unwrap()])
            .unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
