use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::directory::sync_directory;
use crate::Digest;
use crate::name::FoldName;

const DIGEST: usize = 32;

/// So many states of folds are kept. A fold whose state is gone begins at the first event.
pub(super) const MOST_FOLDS: usize = 64;

/// The folder of files that can be made again from the journal. Whatever is wrong with one of them, it is as if it
/// were not there.
#[derive(Debug)]
pub(super) struct Derived {
    root: PathBuf,
}

impl Derived {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where the index lies.
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Where the state of a fold lies.
    pub(super) fn fold(&self, name: &FoldName) -> PathBuf {
        self.root.join(format!("{name}.fold"))
    }

    /// What a file holds, if it ends with the digest of what is before.
    pub(super) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = fs::read(path).ok()?;
        let end = bytes.len().checked_sub(DIGEST)?;
        let good = Digest::of(&bytes[..end]).as_bytes()[..] == bytes[end..];
        bytes.truncate(end);
        good.then_some(bytes)
    }

    /// Writes a file and its digest under a name that nobody reads, durably.
    pub(super) fn write(&self, path: &Path, mut bytes: Vec<u8>) -> io::Result<Draft> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.root)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{number}.tmp", process::id()));
        let from = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&from)?;
        let mut draft = Draft {
            from,
            to: path.to_owned(),
            file,
        };
        // It says that the writer is at work; where files cannot be locked, it is not tidied up either.
        let _ = fs4::FileExt::try_lock(&draft.file);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        draft.file.write_all(&bytes)?;
        draft.file.sync_data()?;
        Ok(draft)
    }

    /// Removes what killed writers left, and the oldest states of folds where there are more than `most`.
    pub(super) fn tidy(&self, most: usize) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        let mut folds = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let is = |wanted| path.extension().is_some_and(|extension| extension == wanted);
            if is("tmp") && File::open(&path).is_ok_and(|file| fs4::FileExt::try_lock(&file).is_ok()) {
                let _ = fs::remove_file(path);
            } else if is("fold") {
                let written = entry.metadata().and_then(|metadata| metadata.modified());
                folds.push((written.ok(), path));
            }
        }
        if let Some(surplus) = folds.len().checked_sub(most) {
            folds.sort();
            for (_, path) in folds.into_iter().take(surplus) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Removes everything, durably.
    pub(super) fn clear(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            match fs::remove_file(entry?.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync_directory(&self.root)
    }
}

/// A file that is written and does not bear its name yet; dropped, it is removed.
#[derive(Debug)]
pub(super) struct Draft {
    from: PathBuf,
    to: PathBuf,
    file: File,
}

impl Draft {
    /// Gives the file its name, in place of the one before.
    pub(super) fn publish(self) -> io::Result<()> {
        fs::rename(&self.from, &self.to)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already if it was published.
        let _ = fs::remove_file(&self.from);
    }
}

/// Reads numbers and texts as the files here hold them: little-endian, lengths before texts.
#[derive(Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn digest(&mut self) -> Option<Digest> {
        self.array::<DIGEST>().map(Digest::from)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.array().map(u16::from_le_bytes)?;
        std::str::from_utf8(self.take(len.into())?).ok()
    }
}

/// Appends a text with its length; the texts here are names.
pub(super) fn put_name(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
