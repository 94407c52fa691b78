use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::directory::{Directory, read_at};

/// A commit that was not finished when its writer stopped, cut off and kept aside. Nobody was told that it
/// was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// Where it is kept.
    pub path: PathBuf,
    /// The line of the journal at which it started.
    pub line: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many whole events it has.
    pub events: u64,
}

/// Copies what follows `offset` into a file of its own and cuts it off. Under the lock.
pub(super) fn cut(
    directory: &Directory,
    file: &File,
    offset: u64,
    line: u64,
    events: u64,
) -> io::Result<Cut> {
    let (path, mut kept) = directory.cut_file(offset)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let count = read_at(file, &mut buffer, offset + bytes)?;
        if count == 0 {
            break;
        }
        kept.write_all(&buffer[..count])?;
        bytes += count as u64;
    }
    kept.sync_all()?;
    file.set_len(offset)?;
    file.sync_all()?;
    Ok(Cut {
        path,
        line,
        bytes,
        events,
    })
}
