use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use pipeline_core::StoreError;
use pipeline_core::digest::DigestBuilder;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::disk::failed;
use super::{BlobId, Lease, LocalStore, Unplaced};
use crate::crew::join;

/// How many bytes go from one thread to another at once.
const CHUNK: usize = 1024 * 1024;
/// How many such pieces there are.
const CHUNKS: usize = 8;
/// What addresses and lengths must be multiples of when the page cache is passed by.
const ALIGN: usize = 4096;

/// Some bytes of the file, at an address that the disk can read from.
#[derive(Debug)]
struct Chunk {
    /// Longer than needed by [`ALIGN`].
    bytes: Vec<u8>,
    from: usize,
    filled: usize,
}

impl Chunk {
    fn new() -> Self {
        let bytes = vec![0; CHUNK + ALIGN];
        let from = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self {
            bytes,
            from,
            filled: 0,
        }
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.from..self.from + self.filled]
    }

    fn all(&mut self) -> &mut [u8] {
        &mut self.bytes[self.from..self.from + CHUNK]
    }
}

impl LocalStore {
    /// Stores a large blob: this thread reads, a second hashes, a third writes past the page cache where the file system
    /// lets it. So it takes as long as the slowest of the three. `read` fills a buffer, and only at the end less than
    /// all of it.
    pub(crate) fn write_large<E: From<StoreError>>(
        &self,
        lease: &Lease,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Unplaced, E> {
        let mut file = lease.file()?;
        let (free, freed) = channel();
        let (blob, written) = thread::scope(|scope| {
            let (to_hash, hashing) = channel();
            let (to_write, writing) = channel();
            let target = file.as_file_mut();
            let hash_free = free.clone();
            let hasher = scope.spawn(move || hash(&hashing, &hash_free));
            let writer = scope.spawn(move || write(target, &writing, &free));
            let fed = feed(&freed, &[to_hash, to_write], &mut read);
            (fed.map(|()| join(hasher)), join(writer))
        });
        // What went wrong with the disk comes first: the reader stops because of it.
        written.map_err(failed("cannot write to the store in", file.path()))?;
        let blob = blob?;
        let known = self.is_intact(&blob) && self.renew(&blob)?;
        Ok(Unplaced {
            blob,
            plain: blob.size,
            file: (!known).then_some(file),
            lease: lease.clone(),
        })
    }
}

/// Reads into chunks that are free and gives each to all the others. Ends early when one of them is gone.
fn feed<E>(
    freed: &Receiver<Arc<Chunk>>,
    to: &[Sender<Arc<Chunk>>],
    read: &mut impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), E> {
    let mut made = 0;
    loop {
        let mut chunk = if made < CHUNKS {
            made += 1;
            Chunk::new()
        } else {
            // Each comes back from everybody; the last to give it back gives it free.
            loop {
                match freed.recv() {
                    Ok(chunk) => {
                        if let Some(chunk) = Arc::into_inner(chunk) {
                            break chunk;
                        }
                    }
                    Err(_) => return Ok(()),
                }
            }
        };
        chunk.filled = read(chunk.all())?;
        let last = chunk.filled < CHUNK;
        let chunk = Arc::new(chunk);
        for to in to {
            if to.send(Arc::clone(&chunk)).is_err() {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
    }
}

fn hash(chunks: &Receiver<Arc<Chunk>>, free: &Sender<Arc<Chunk>>) -> BlobId {
    let mut hasher = DigestBuilder::new();
    let mut size = 0;
    for chunk in chunks {
        hasher.update(chunk.filled());
        size += chunk.filled as u64;
        // Nobody waits for it at the end.
        let _ = free.send(chunk);
    }
    BlobId {
        digest: hasher.finish(),
        size,
    }
}

fn write(file: &mut File, chunks: &Receiver<Arc<Chunk>>, free: &Sender<Arc<Chunk>>) -> io::Result<()> {
    let mut direct = pass_cache(file, true);
    for chunk in chunks {
        let bytes = chunk.filled();
        let aligned = if direct { bytes.len() / ALIGN * ALIGN } else { 0 };
        let mut written = 0;
        while written < aligned {
            match file.write(&bytes[written..aligned]) {
                // Only whole blocks keep the next one aligned.
                Ok(n) if n > 0 && n % ALIGN == 0 => written += n,
                Ok(n) => {
                    written += n;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The file system asks for more than we give; then through the cache.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
                Err(error) => return Err(error),
            }
        }
        if written < bytes.len() {
            if direct {
                pass_cache(file, false);
                direct = false;
            }
            file.write_all(&bytes[written..])?;
        }
        let _ = free.send(chunk);
    }
    if direct {
        pass_cache(file, false);
    }
    Ok(())
}

/// Asks that writes go to the disk and not to the page cache, or the other way round; whether they do.
fn pass_cache(file: &File, pass: bool) -> bool {
    let set = || {
        let mut flags = fcntl_getfl(file)?;
        flags.set(OFlags::DIRECT, pass);
        fcntl_setfl(file, flags)
    };
    set().is_ok() && pass
}
