use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::derived::Derived;

/// The directory of a journal.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    journal: PathBuf,
    derived: Derived,
}

/// The lock between processes, released when it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl Directory {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            journal: root.join("journal.jsonl"),
            derived: Derived::new(root.join("derived")),
        }
    }

    /// The journal itself.
    pub(super) fn journal(&self) -> &Path {
        &self.journal
    }

    /// What can be made again from the journal.
    pub(super) fn derived(&self) -> &Derived {
        &self.derived
    }

    /// Where the journal is written anew.
    pub(super) fn rewrite(&self) -> PathBuf {
        self.root.join("journal.jsonl.rewrite")
    }

    /// Makes the directory, durably.
    pub(super) fn create(&self) -> io::Result<()> {
        if self.root.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.root)?;
        match self.root.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => Ok(()),
        }
    }

    /// Makes what was created, renamed or removed in the directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_directory(&self.root)
    }

    /// Waits until nobody else writes, and keeps all others from writing.
    pub(super) fn lock(&self) -> io::Result<Lock> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        patiently(|| fs4::FileExt::lock(&file))?;
        Ok(Lock(file))
    }

    /// Waits until nobody writes. `None` if the journal has no lock yet, or the lock cannot be opened.
    pub(super) fn lock_shared(&self) -> io::Result<Option<Lock>> {
        let Ok(file) = File::open(self.root.join("lock")) else {
            return Ok(None);
        };
        patiently(|| fs4::FileExt::lock_shared(&file))?;
        Ok(Some(Lock(file)))
    }

    /// A new file for a piece that is cut off, named after where it stood.
    pub(super) fn cut_file(&self, offset: u64) -> io::Result<(PathBuf, File)> {
        let folder = self.root.join("cut");
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            self.sync()?;
        }
        for number in 1u32.. {
            let path = folder.join(format!("{offset}-{number}.jsonl"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    sync_directory(&folder)?;
                    return Ok((path, file));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no free name for the piece that is cut off"))
    }

    /// Whether another file than this one bears the journal's name now.
    #[cfg(unix)]
    pub(super) fn replaced(&self, held: &File, _end: u64) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let (held, named) = (held.metadata()?, fs::metadata(&self.journal)?);
        Ok((held.dev(), held.ino()) != (named.dev(), named.ino()))
    }

    /// Whether another file than this one bears the journal's name now: it has another commit before `end`,
    /// since a file that was written anew is shorter.
    #[cfg(not(unix))]
    pub(super) fn replaced(&self, held: &File, end: u64) -> io::Result<bool> {
        let named = File::open(&self.journal)?;
        let (mut ours, mut theirs) = ([0; 256], [0; 256]);
        let start = end.saturating_sub(ours.len() as u64);
        Ok(read_at(held, &mut ours, start)? != read_at(&named, &mut theirs, start)? || ours != theirs)
    }
}

/// Reads at a place of its own, whatever others read.
#[cfg(unix)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads at a place of its own, whatever others read.
#[cfg(windows)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Reads so many bytes, or fewer where the file ends.
pub(super) fn read_exactly(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, file, offset, len)?;
    Ok(bytes)
}

/// The same, in place of what some bytes held before.
pub(super) fn read_into(bytes: &mut Vec<u8>, file: &File, offset: u64, len: usize) -> io::Result<()> {
    bytes.resize(len, 0);
    let mut filled = 0;
    while filled < len {
        match read_at(file, &mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(())
}

fn patiently(mut lock: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Other systems keep directories durable by themselves, and cannot open them as files.
#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
