use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use pipeline_core::{EntryKind, StoreError};

use super::StoredArtifact;
use super::zip::ZipWriter;

/// Level 6 is what `gzip` does when it is told nothing.
const LEVEL: u32 = 6;

impl StoredArtifact {
    /// Writes everything as one `tar.gz`, for tools that want that; the same bytes for the same artifact and version of
    /// this crate. Each layer is verified before its bytes are written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a layer is, [`StoreError::Refused`] when it has more than the
    /// [limits](crate::Limits) of the store allow; when it cannot be written.
    pub fn export_tar_gz(&self, out: &mut impl Write) -> Result<(), StoreError> {
        self.check_limits()?;
        // No name, no time; 255 stands for an unknown system (RFC 1952).
        let gzip = GzBuilder::new().mtime(0).operating_system(255);
        let mut out = gzip.write(out, Compression::new(LEVEL));
        self.export_tar(&mut out)?;
        out.finish().map_err(self.unwritten("tar.gz")).map(|_| ())
    }

    /// Writes everything as one `zip`, sorted by path, with modes and links as Unix has them; the same bytes for the same
    /// artifact and version of this crate. What was written is right only when this returns well.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a file is, [`StoreError::Refused`] when it has more than the
    /// [limits](crate::Limits) of the store allow; when it cannot be written.
    pub fn export_zip(&self, out: &mut impl Write) -> Result<(), StoreError> {
        self.check_limits()?;
        let unwritten = || self.unwritten("zip");
        let mut zip = ZipWriter::new(out, Compression::new(LEVEL));
        let mut reader = self.reader();
        for index in 0..self.toc().len() {
            let placed = reader.entry(index)?;
            let entry = &placed.entry;
            match &entry.kind {
                EntryKind::Directory => {
                    zip.small(&format!("{}/", entry.path), 0o040_755, b"")
                        .map_err(unwritten())?;
                }
                EntryKind::Symlink { target } => {
                    zip.small(&entry.path, 0o120_777, target.as_bytes())
                        .map_err(unwritten())?;
                }
                EntryKind::File { size, executable, .. } => {
                    let mode = if *executable { 0o100_755 } else { 0o100_644 };
                    let mut file = zip.begin(&entry.path, mode, *size).map_err(unwritten())?;
                    reader.content(&placed, |bytes| file.write(bytes).map_err(unwritten()))?;
                    file.finish().map_err(unwritten())?;
                }
            }
        }
        zip.finish().map_err(unwritten())
    }

    fn unwritten(&self, what: &str) -> impl FnOnce(io::Error) -> StoreError {
        let what = format!("cannot write the {what} of {}", self.reference());
        move |source| StoreError::Io { what, source }
    }
}
