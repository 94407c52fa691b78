use std::io::Write;

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactEntry, Digest};

use super::entry_json::write_entry;
use super::{Cuts, EntryCheck, TocFault};

/// The version of the form on disk.
pub(super) const FORMAT: u32 = 2;

/// What comes before the entries, between them and the layers, and after these.
pub(super) const BEGIN: &str = "{\"entries\":[";
pub(super) const END_OF_ENTRIES: &str = "],\"format\":";
pub(super) const LAYERS: &str = ",\"layers\":[";
pub(super) const END: &str = "]}";

/// Writes a table of contents entry by entry, as canonical JSON (RFC 8785): by hand, because it has a line for each file
/// of an artifact; a test compares it with the general writer. Nothing is held of what was written.
///
/// The entries are checked as a reader does. Where links lead is for the caller, who knows all of them.
pub(crate) struct TocWriter<'a, W> {
    out: W,
    cuts: &'a Cuts,
    check: EntryCheck,
    tree: TreeDigest,
    line: Vec<u8>,
    begun: bool,
}

impl<'a, W: Write> TocWriter<'a, W> {
    /// Begins a table of contents of a tar that is cut so.
    pub(crate) fn new(mut out: W, cuts: &'a Cuts) -> Result<Self, TocFault> {
        out.write_all(BEGIN.as_bytes())?;
        Ok(Self {
            out,
            cuts,
            check: EntryCheck::default(),
            tree: TreeDigest::new(),
            line: Vec::with_capacity(512),
            begun: false,
        })
    }

    /// Writes the next entry, in the order of the paths. `content` is where the content of a file begins in the tar; it
    /// does not count for others.
    pub(crate) fn entry(&mut self, entry: &ArtifactEntry, content: u64) -> Result<(), TocFault> {
        self.check.next(&entry.path, &entry.kind)?;
        self.tree.entry(entry);
        self.line.clear();
        if self.begun {
            self.line.push(b',');
        }
        self.begun = true;
        write_entry(&mut self.line, entry, Some(self.cuts.place(content)));
        Ok(self.out.write_all(&self.line)?)
    }

    /// Writes the rest; what it was written to, and the tree digest.
    pub(crate) fn finish(mut self) -> Result<(W, Digest), TocFault> {
        write!(self.out, "{END_OF_ENTRIES}{FORMAT}{LAYERS}")?;
        for (at, size) in self.cuts.layers().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(self.out, "{comma}{size}")?;
        }
        self.out.write_all(END.as_bytes())?;
        Ok((self.out, self.tree.finish()))
    }
}

/// The digest of the entries without their places, in the order of the paths: stays the same when the tar is cut in another
/// way, compressed, or put in another order.
pub(super) struct TreeDigest {
    hasher: DigestBuilder,
    line: Vec<u8>,
}

impl TreeDigest {
    pub(super) fn new() -> Self {
        Self {
            hasher: DigestBuilder::new(),
            line: vec![b'['],
        }
    }

    pub(super) fn entry(&mut self, entry: &ArtifactEntry) {
        write_entry(&mut self.line, entry, None);
        self.hasher.update(&self.line);
        self.line.clear();
        self.line.push(b',');
    }

    pub(super) fn finish(mut self) -> Digest {
        // Of nothing, too, it is a list.
        if self.line == b"[" {
            self.hasher.update("[");
        }
        self.hasher.update("]");
        self.hasher.finish()
    }
}
