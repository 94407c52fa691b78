use std::collections::HashSet;

use pipeline_core::{ArtifactEntry, CanonicalError, Digest, EntryKind, canonical_json};
use serde::{Deserialize, Serialize};

use super::{END, Links, check_path, check_target, header, padding, parent};
use crate::limits;

/// The version of the form on disk.
const FORMAT: u32 = 1;
/// Where the tar stands in the manifest's list of layers.
const TAR: u32 = 1;

/// The table of contents: what is in an artifact, and where in the tar.
#[derive(Debug, PartialEq)]
pub(crate) struct Toc {
    entries: Vec<ArtifactEntry>,
    /// Where the content of each entry begins in the tar.
    offsets: Vec<u64>,
    /// How long the tar is.
    tar_size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    entries: Vec<StoredEntry>,
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    path: String,
    #[serde(flatten)]
    kind: EntryKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

/// Only the version, so that a later form is refused by its number and not by a detail.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Toc {
    /// A table of contents, checked: each path once and well-formed, sorted by its bytes, its directory
    /// listed; each link inside the tree. So no path leads through a link.
    pub(crate) fn new(entries: Vec<ArtifactEntry>) -> Result<Self, String> {
        if entries.len() > limits::MAX_ENTRIES {
            return Err(format!("more than {} entries", limits::MAX_ENTRIES));
        }
        let mut directories = HashSet::new();
        let mut links = Links::default();
        let mut last: Option<&str> = None;
        for ArtifactEntry { path, kind } in &entries {
            check_path(path).map_err(|fault| format!("{path:?}: {fault}"))?;
            if last.is_some_and(|last| last >= path.as_str()) {
                return Err(format!("{path:?} is listed twice or out of order"));
            }
            last = Some(path);
            if parent(path).is_some_and(|parent| !directories.contains(parent)) {
                return Err(format!("{path:?} does not lie in a directory that is listed"));
            }
            match kind {
                EntryKind::File { size, .. } if *size > limits::MAX_FILE => {
                    return Err(format!("{path:?} is larger than {} bytes", limits::MAX_FILE));
                }
                EntryKind::File { .. } => {}
                EntryKind::Directory => {
                    directories.insert(path.as_str());
                }
                EntryKind::Symlink { target } => {
                    check_target(target).map_err(|fault| format!("the target of {path:?}: {fault}"))?;
                    links.add(path, target);
                }
            }
        }
        for ArtifactEntry { path, kind } in &entries {
            if let EntryKind::Symlink { target } = kind
                && links.escapes(path, target)
            {
                return Err(format!(
                    "{path:?} is a link to {target:?}, which leads out of the tree"
                ));
            }
        }
        let (offsets, tar_size) = layout(&entries).ok_or("the sizes add up to too much")?;
        Ok(Self {
            entries,
            offsets,
            tar_size,
        })
    }

    /// Reads a table of contents that [`Toc::to_bytes`] wrote, and nothing else.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let json = |error: serde_json::Error| error.to_string();
        let Version { format } = serde_json::from_slice(bytes).map_err(json)?;
        if format != FORMAT {
            return Err(format!(
                "it has format {format}; this version reads format {FORMAT}"
            ));
        }
        let stored: Stored = serde_json::from_slice(bytes).map_err(json)?;
        let entry = |StoredEntry { path, kind, .. }| ArtifactEntry { path, kind };
        let toc = Self::new(stored.entries.into_iter().map(entry).collect())?;
        // Equal bytes: the offsets are where we would put them, and there is no field that we do not know.
        match toc.to_bytes() {
            Ok(canonical) if canonical == bytes => Ok(toc),
            _ => Err("an offset, a field or the form of the JSON is not as it is written".to_owned()),
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        let entries = self.entries.iter().zip(&self.offsets).map(|(entry, offset)| {
            let file = matches!(entry.kind, EntryKind::File { .. });
            StoredEntry {
                path: entry.path.clone(),
                kind: entry.kind.clone(),
                layer: file.then_some(TAR),
                offset: file.then_some(*offset),
            }
        });
        canonical_json(&Stored {
            entries: entries.collect(),
            format: FORMAT,
        })
    }

    pub(crate) fn entries(&self) -> &[ArtifactEntry] {
        &self.entries
    }

    pub(crate) fn tar_size(&self) -> u64 {
        self.tar_size
    }

    /// The entry at a path, and where its content begins in the tar.
    pub(crate) fn find(&self, path: &str) -> Option<(&ArtifactEntry, u64)> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()?;
        Some((self.entries.get(at)?, *self.offsets.get(at)?))
    }

    /// The digest of the entries without their places: stays the same when the tar is cut in another way.
    pub(crate) fn tree(&self) -> Result<Digest, CanonicalError> {
        Digest::of_data(&self.entries)
    }
}

/// Where the content of each entry begins, and how long the tar is; `None` when that is no number.
fn layout(entries: &[ArtifactEntry]) -> Option<(Vec<u64>, u64)> {
    let mut at = 0_u64;
    let mut offsets = Vec::with_capacity(entries.len());
    for entry in entries {
        at = at.checked_add(header(entry).len() as u64)?;
        offsets.push(at);
        if let EntryKind::File { size, .. } = entry.kind {
            at = at.checked_add(size)?.checked_add(padding(size) as u64)?;
        }
    }
    let size = at.checked_add(END.len() as u64)?;
    (size <= limits::MAX_FILE).then_some((offsets, size))
}
