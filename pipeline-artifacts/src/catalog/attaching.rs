use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::{Digest, StoreError};

use crate::LocalStore;
use crate::store::Locked;
use crate::store::disk::{failed, is_same, make_dir};

/// A note that something is being attached, in `layouts/.attaching`: there before it is, until every layout shows it. So
/// whoever brings a layout up to date looks at these few, and not at everything that is attached to something.
///
/// It is a locked file, named for what it says. One that nobody holds was left by somebody who died, and whoever finds it
/// does what is left to do.
#[derive(Debug)]
pub(crate) struct Attaching {
    path: PathBuf,
    _held: Locked,
}

/// What such a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) subject: Digest,
    pub(super) attachment: Digest,
}

impl Attached {
    /// Before what makes the name one of its own.
    fn prefix(&self) -> String {
        format!("{}-{}-", self.subject.hex(), self.attachment.hex())
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '-');
        let mut digest = || format!("sha256:{}", parts.next()?).parse().ok();
        let (subject, attachment) = (digest()?, digest()?);
        Some(Self { subject, attachment })
    }
}

impl Attaching {
    /// To be called when every layout shows it. Dropped without, the note stays, for others to finish.
    pub(crate) fn done(self) -> Result<(), StoreError> {
        remove(&self.path)
    }
}

impl LocalStore {
    /// Notes that something is going to be attached.
    pub(crate) fn begin_attaching(
        &self,
        subject: &Digest,
        attachment: &Digest,
    ) -> Result<Attaching, StoreError> {
        let dir = self.attaching_dir();
        dir.parent().map_or(Ok(()), make_dir)?;
        make_dir(&dir)?;
        let (subject, attachment) = (*subject, *attachment);
        let prefix = Attached { subject, attachment }.prefix();
        let (path, held) = Locked::new_in(&dir, &prefix, "")?;
        Ok(Attaching { path, _held: held })
    }

    /// What is being attached, or was when its writer died.
    pub(super) fn attaching(&self) -> Result<Vec<Attached>, StoreError> {
        let notes = self.notes()?.into_iter();
        Ok(notes.map(|(attached, _)| attached).collect())
    }

    /// Does what writers who died have left to do.
    pub(crate) fn finish_attaching(&self) -> Result<(), StoreError> {
        for (attached, path) in self.notes()? {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(failed("cannot open", &path))?,
            };
            let Some(held) = Locked::try_alone(file).map_err(failed("cannot lock", &path))? else {
                continue;
            };
            if is_same(&path, &held).map_err(failed("cannot read", &path))? {
                self.write_layouts_of(&attached.subject)?;
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Whether somebody who lives is attaching something.
    pub(super) fn is_attaching(&self) -> Result<bool, StoreError> {
        for (_, path) in self.notes()? {
            let held = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.and_then(Locked::try_shared),
            };
            if held.map_err(failed("cannot lock", &path))?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn notes(&self) -> Result<Vec<(Attached, PathBuf)>, StoreError> {
        let dir = self.attaching_dir();
        let files = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(failed("cannot read", &dir))?,
        };
        let mut notes = Vec::new();
        for file in files {
            let file = file.map_err(failed("cannot read", &dir))?;
            let attached = file.file_name().to_str().and_then(Attached::parse);
            notes.extend(attached.map(|attached| (attached, file.path())));
        }
        Ok(notes)
    }

    fn attaching_dir(&self) -> PathBuf {
        self.root().join("layouts/.attaching")
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", path)(error)),
        _ => Ok(()),
    }
}
