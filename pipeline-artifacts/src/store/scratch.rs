use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use pipeline_core::StoreError;

use super::disk::failed;

/// A file without a name, for what a writer cannot hold in memory: gone when it is dropped, and when the process ends,
/// however it ends.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: File,
    /// Where it lies, for messages.
    dir: PathBuf,
}

impl Scratch {
    pub(super) fn new(file: File, dir: PathBuf) -> Self {
        Self { file, dir }
    }

    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> Result<(), StoreError> {
        let written = self.file.write_all_at(bytes, at);
        written.map_err(failed("cannot write what does not fit into memory to", &self.dir))
    }

    /// Fills the bytes; that there are as many is for the caller to know.
    pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<(), StoreError> {
        let read = self.file.read_exact_at(bytes, at);
        read.map_err(failed("cannot read what did not fit into memory from", &self.dir))
    }
}
