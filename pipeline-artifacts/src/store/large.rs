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
        let (blob, written) = thread::scope(|scope| {
            let (to_hash, hashing) = belt();
            let (to_write, writing) = belt();
            let target = file.as_file_mut();
            let hasher = scope.spawn(move || hash(&hashing));
            let writer = scope.spawn(move || write(target, &writing));
            let fed = feed([to_hash, to_write], &mut read);
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

/// The end of a belt where chunks are given to a worker, and come back in the same order.
struct Giver {
    to: Sender<Arc<Chunk>>,
    back: Receiver<Arc<Chunk>>,
}

/// The end of a worker. Each has a way back of its own, so that one which ends early is noticed, whatever the other has
/// given back.
struct Taker {
    from: Receiver<Arc<Chunk>>,
    back: Sender<Arc<Chunk>>,
}

impl Taker {
    fn give_back(&self, chunk: Arc<Chunk>) {
        // Nobody waits for it at the end.
        let _ = self.back.send(chunk);
    }
}

fn belt() -> (Giver, Taker) {
    let (to, from) = channel();
    let (give_back, back) = channel();
    (
        Giver { to, back },
        Taker {
            from,
            back: give_back,
        },
    )
}

/// Reads into chunks that are free and gives each to all workers. Ends early when one of them is gone.
fn feed<E>(workers: [Giver; 2], read: &mut impl FnMut(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
    let mut made = 0;
    loop {
        let free = if made < CHUNKS {
            made += 1;
            None
        } else {
            // The oldest, once everybody has given it back.
            let mut oldest = None;
            for worker in &workers {
                let Ok(chunk) = worker.back.recv() else {
                    return Ok(());
                };
                oldest = Some(chunk);
            }
            oldest.and_then(Arc::into_inner)
        };
        let mut chunk = free.unwrap_or_else(Chunk::new);
        chunk.filled = read(chunk.all())?;
        let last = chunk.filled < CHUNK;
        let chunk = Arc::new(chunk);
        for worker in &workers {
            if worker.to.send(Arc::clone(&chunk)).is_err() {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
    }
}

fn hash(chunks: &Taker) -> BlobId {
    let mut hasher = DigestBuilder::new();
    let mut size = 0;
    for chunk in &chunks.from {
        hasher.update(chunk.filled());
        size += chunk.filled as u64;
        chunks.give_back(chunk);
    }
    BlobId {
        digest: hasher.finish(),
        size,
    }
}

fn write(file: &mut File, chunks: &Taker) -> io::Result<()> {
    let mut direct = pass_cache(file, true);
    for chunk in &chunks.from {
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
        chunks.give_back(chunk);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// As on a disk that is slower than hashing, and then full.
    #[test]
    fn a_writer_that_fails_ends_it_though_all_is_hashed() {
        let ((to_hash, hashing), (to_write, writing)) = (belt(), belt());
        let (done, ended) = channel();
        thread::spawn(move || {
            let mut read = |buffer: &mut [u8]| Ok::<_, StoreError>(buffer.len());
            let fed = feed([to_hash, to_write], &mut read);
            let _ = done.send(fed.is_ok());
        });
        let unwritten: Vec<_> = (0..CHUNKS).map(|_| writing.from.recv().unwrap()).collect();
        for _ in 0..CHUNKS {
            hashing.give_back(hashing.from.recv().unwrap());
        }
        drop((unwritten, writing));
        let fed = ended.recv_timeout(Duration::from_secs(60));
        assert_eq!(fed, Ok(true), "it waits for what nobody gives back");
    }
}
