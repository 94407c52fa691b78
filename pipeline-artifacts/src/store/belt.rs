//! Chunks of a file go from the thread that reads to those that hash and write, and come back to be filled again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// How many bytes go from one thread to another at once.
const CHUNK: usize = 1024 * 1024;
/// How many such pieces there are.
const CHUNKS: usize = 8;
/// What addresses and lengths must be multiples of when the page cache is passed by.
const ALIGN: usize = 4096;

/// Some bytes of the file, at an address that the disk can read from.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Longer than needed by [`ALIGN`].
    bytes: Vec<u8>,
    from: usize,
    filled: usize,
    /// Where in the file they belong.
    pub(super) at: u64,
}

impl Chunk {
    fn new() -> Self {
        let bytes = vec![0; CHUNK + ALIGN];
        let from = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self {
            bytes,
            from,
            filled: 0,
            at: 0,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..self.from + self.filled]
    }

    /// Room for so many bytes, which count as filled.
    fn room(&mut self, size: usize) -> &mut [u8] {
        self.filled = size;
        &mut self.bytes[self.from..self.from + size]
    }
}

/// The end of a belt where chunks are given to a worker, and come back in the same order.
pub(super) struct Giver {
    to: Sender<Arc<Chunk>>,
    back: Receiver<Arc<Chunk>>,
}

/// The end of a worker. Each has a way back of its own, so that one which ends early is noticed, whatever the others have
/// given back.
pub(super) struct Taker {
    pub(super) from: Receiver<Arc<Chunk>>,
    back: Sender<Arc<Chunk>>,
}

impl Taker {
    pub(super) fn give_back(&self, chunk: Arc<Chunk>) {
        // Nobody waits for it at the end.
        let _ = self.back.send(chunk);
    }
}

pub(super) fn belt() -> (Giver, Taker) {
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

/// Reads a file of so many bytes into chunks that are free. Each goes to the hasher, and whole ones to one of the writers
/// in turn. What is left over at the end, less than a chunk, is for the caller to write. Ends early, with nothing left
/// over, when a worker is gone.
pub(super) fn feed<E>(
    hasher: &Giver,
    writers: &[Giver],
    size: u64,
    read: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Option<Arc<Chunk>>, E> {
    let mut at = 0;
    for (number, writer) in (0..).zip(writers.iter().cycle()) {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        if left == 0 {
            break;
        }
        let mut chunk = if number < CHUNKS {
            Chunk::new()
        } else {
            // The oldest, once both have given it back.
            let before = &writers[(number - CHUNKS) % writers.len()];
            let (Ok(one), Ok(other)) = (hasher.back.recv(), before.back.recv()) else {
                return Ok(None);
            };
            drop(one);
            Arc::into_inner(other).unwrap_or_else(Chunk::new)
        };
        chunk.at = at;
        read(chunk.room(left.min(CHUNK)))?;
        let chunk = Arc::new(chunk);
        at += chunk.bytes().len() as u64;
        if hasher.to.send(Arc::clone(&chunk)).is_err() {
            return Ok(None);
        }
        if chunk.bytes().len() < CHUNK {
            return Ok(Some(chunk));
        }
        if writer.to.send(chunk).is_err() {
            return Ok(None);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use pipeline_core::StoreError;

    use super::*;

    /// As on a disk that is slower than hashing, and then full.
    #[test]
    fn a_writer_that_fails_ends_it_though_all_is_hashed() {
        let ((to_hash, hashing), (to_write, writing)) = (belt(), belt());
        let (to_another, other) = belt();
        let (done, ended) = channel();
        thread::spawn(move || {
            let mut read = |_: &mut [u8]| Ok::<_, StoreError>(());
            let fed = feed(&to_hash, &[to_another, to_write], u64::MAX, &mut read);
            let _ = done.send(fed.is_ok());
        });
        let unwritten: Vec<_> = (0..CHUNKS / 2).map(|_| writing.from.recv().unwrap()).collect();
        for _ in 0..CHUNKS {
            hashing.give_back(hashing.from.recv().unwrap());
        }
        drop((unwritten, writing));
        thread::spawn(move || {
            for chunk in &other.from {
                other.give_back(chunk);
            }
        });
        let fed = ended.recv_timeout(Duration::from_secs(60));
        assert_eq!(fed, Ok(true), "it waits for what nobody gives back");
    }

    /// How each byte of a file was read, hashed and written.
    #[test]
    fn each_chunk_goes_to_the_hasher_and_to_one_writer() {
        for size in [0, 1, CHUNK, CHUNK + 1, 21 * CHUNK, 21 * CHUNK + 5] {
            let ((to_hash, hashing), (to_one, one), (to_other, other)) = (belt(), belt(), belt());
            let work = |taker: Taker| {
                thread::spawn(move || {
                    let mut seen = Vec::new();
                    for chunk in &taker.from {
                        seen.push((chunk.at, chunk.bytes().len(), chunk.bytes()[0]));
                        taker.give_back(chunk);
                    }
                    seen
                })
            };
            let (hashed, one, other) = (work(hashing), work(one), work(other));
            let mut number = 0;
            let mut read = |room: &mut [u8]| {
                room.fill(number);
                number += 1;
                Ok::<_, StoreError>(())
            };
            let last = feed(&to_hash, &[to_one, to_other], size as u64, &mut read).unwrap();
            drop(to_hash);
            let expected: Vec<_> = (0..size.div_ceil(CHUNK))
                .map(|number| {
                    let at = number * CHUNK;
                    (at as u64, (size - at).min(CHUNK), number as u8)
                })
                .collect();
            assert_eq!(hashed.join().unwrap(), expected);
            let mut written: Vec<_> = [one.join().unwrap(), other.join().unwrap()].concat();
            written.extend(last.map(|chunk| (chunk.at, chunk.bytes().len(), chunk.bytes()[0])));
            written.sort_unstable();
            assert_eq!(written, expected);
        }
    }
}
