use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{Digest, StoreError};
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::belt::{Taker, belt, feed};
use super::disk::failed;
use super::{BlobId, Lease, LocalStore, Unplaced};
use crate::crew::join;

/// A disk is faster when it has the next bytes before it is done with those before.
const WRITERS: usize = 2;

impl LocalStore {
    /// Stores a large blob of so many bytes: this thread reads, another hashes, two write past the page cache where the
    /// file system lets them. So it takes as long as the slowest of the three. `read` fills the whole buffer.
    pub(crate) fn write_large<E: From<StoreError>>(
        &self,
        lease: &Lease,
        size: u64,
        mut read: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Unplaced, E> {
        let file = lease.file()?;
        let wrong = |error| failed("cannot write to the store in", file.path())(error);
        reserve(file.as_file(), size).map_err(wrong)?;
        let target = Target::of(file.as_file(), file.path());
        let (digest, written) = thread::scope(|scope| {
            let (to_hash, hashing) = belt();
            let hasher = scope.spawn(move || hash(&hashing));
            let (to_write, writing): (Vec<_>, Vec<_>) = (0..WRITERS).map(|_| belt()).unzip();
            let target = &target;
            let writers = writing
                .into_iter()
                .map(|chunks| scope.spawn(move || target.write(&chunks)));
            let writers: Vec<_> = writers.collect();
            let rest = feed(&to_hash, &to_write, size, &mut read);
            drop((to_hash, to_write));
            let written = writers.into_iter().try_for_each(join);
            let written = written.and_then(|()| match &rest {
                Ok(Some(rest)) => target.cached.write_all_at(rest.bytes(), rest.at),
                _ => Ok(()),
            });
            (rest.map(|_| join(hasher)), written)
        });
        // What went wrong with the disk comes first: the reader stops because of it.
        written.map_err(wrong)?;
        let blob = BlobId {
            digest: digest?,
            size,
        };
        let known = self.is_intact(&blob) && self.renew(&blob)?;
        Ok(Unplaced {
            blob,
            plain: blob.size,
            file: (!known).then_some(file),
            lease: lease.clone(),
        })
    }
}

/// Makes room before a byte is written: so the file need not grow while it is, and a disk without room says so at once.
/// Where the file system cannot, writing tells.
fn reserve(file: &File, size: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// A file that is written.
struct Target<'a> {
    cached: &'a File,
    /// The same one, past the page cache; where the file system allows it.
    direct: Option<File>,
}

impl<'a> Target<'a> {
    fn of(file: &'a File, path: &Path) -> Self {
        let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
        Self {
            cached: file,
            direct: OpenOptions::new().write(true).custom_flags(flags).open(path).ok(),
        }
    }

    /// Writes whole chunks, until there are no more.
    fn write(&self, chunks: &Taker) -> io::Result<()> {
        let mut direct = self.direct.as_ref();
        for chunk in &chunks.from {
            if let Some(file) = direct
                && let Err(error) = file.write_all_at(chunk.bytes(), chunk.at)
            {
                // The file system asks for more than we give; then through the cache.
                if error.kind() != io::ErrorKind::InvalidInput {
                    return Err(error);
                }
                direct = None;
            }
            if direct.is_none() {
                self.cached.write_all_at(chunk.bytes(), chunk.at)?;
            }
            chunks.give_back(chunk);
        }
        Ok(())
    }
}

fn hash(chunks: &Taker) -> Digest {
    let mut hasher = DigestBuilder::new();
    for chunk in &chunks.from {
        hasher.update(chunk.bytes());
        chunks.give_back(chunk);
    }
    hasher.finish()
}
