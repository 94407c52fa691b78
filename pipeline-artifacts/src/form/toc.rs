use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactEntry, Digest, EntryKind};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::toc_json::{write_entries, write_toc};
use super::{Layout, Links, check_path, check_target, parent};
use crate::limits;

/// The version of the form on disk.
const FORMAT: u32 = 2;

/// The table of contents: what is in an artifact, and where in the layers.
#[derive(Debug, PartialEq)]
pub(crate) struct Toc {
    entries: Vec<ArtifactEntry>,
    layout: Layout,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    entries: Listed,
    format: u32,
    layers: Vec<u64>,
}

/// Flat, because it is read a hundred thousand times.
/// The entries, and for each file its layer, its offset and its index.
#[derive(Default)]
struct Listed {
    entries: Vec<ArtifactEntry>,
    places: Vec<(u64, u64, u32)>,
}

/// One after another: there may be a million.
impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListedVisitor)
    }
}

struct ListedVisitor;

impl<'de> Visitor<'de> for ListedVisitor {
    type Value = Listed;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Listed, A::Error> {
        let mut listed = Listed::default();
        let mut index = 0_u32;
        while let Some(entry) = entries.next_element::<StoredEntry<'de>>()? {
            let (entry, place) = entry.read().map_err(A::Error::custom)?;
            listed
                .places
                .extend(place.map(|(layer, offset)| (layer, offset, index)));
            listed.entries.push(entry);
            index = index
                .checked_add(1)
                .ok_or_else(|| A::Error::custom("too many entries"))?;
        }
        Ok(listed)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry<'a> {
    kind: Kind,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    digest: Option<Cow<'a, str>>,
    executable: Option<bool>,
    layer: Option<u64>,
    offset: Option<u64>,
    size: Option<u64>,
    target: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    File,
    Directory,
    Symlink,
}

/// Only the version, so that another form is refused by its number and not by a detail.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Toc {
    /// A table of contents of these entries, sorted by path; `files` lists the indices of the files in the order of the
    /// tar, `layers` the sizes of the layers that it is cut into.
    ///
    /// It is checked: each path once and well-formed, sorted by its bytes, its directory listed; each link inside the
    /// tree. So no path leads through a link.
    pub(crate) fn new(entries: Vec<ArtifactEntry>, files: &[u32], layers: &[u64]) -> Result<Self, String> {
        if entries.len() > limits::MAX_ENTRIES {
            return Err(format!("more than {} entries", limits::MAX_ENTRIES));
        }
        if layers.len() > limits::MAX_LAYERS {
            return Err(format!("more than {} layers", limits::MAX_LAYERS));
        }
        check_entries(&entries)?;
        let layout = Layout::new(&entries, files, layers)?;
        Ok(Self { entries, layout })
    }

    /// Reads a table of contents that [`Toc::write`] wrote, and nothing else.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let stored: Stored =
            serde_json::from_slice(bytes).map_err(|error| match serde_json::from_slice(bytes) {
                Ok(Version { format }) if format != FORMAT => unknown(format),
                _ => error.to_string(),
            })?;
        if stored.format != FORMAT {
            return Err(unknown(stored.format));
        }
        let Listed {
            entries,
            places: mut files,
        } = stored.entries;
        files.sort_unstable();
        let files: Vec<u32> = files.into_iter().map(|(_, _, index)| index).collect();
        let toc = Self::new(entries, &files, &stored.layers)?;
        // Equal bytes: the places are where we would put them, and there is no field that we do not know.
        let mut rest = Compare(bytes);
        match toc.write(&mut rest) {
            Ok(()) if rest.0.is_empty() => Ok(toc),
            _ => Err("a place, a field or the form of the JSON is not as it is written".to_owned()),
        }
    }

    /// Writes the canonical JSON.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write_toc(out, &self.entries, &self.layout, FORMAT)
    }

    pub(crate) fn entries(&self) -> &[ArtifactEntry] {
        &self.entries
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The index of the entry at a path.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()
    }

    /// The digest of the entries without their places: stays the same when the tar is cut in another way, compressed, or
    /// put in another order.
    pub(crate) fn tree(&self) -> Digest {
        let mut hash = Hash(DigestBuilder::new());
        // Hashing does not fail.
        let _ = write_entries(&mut hash, &self.entries);
        hash.0.finish()
    }
}

fn unknown(format: u32) -> String {
    format!("it has format {format}; this version reads format {FORMAT}")
}

impl StoredEntry<'_> {
    /// The entry, and for a file its layer and offset. A field of another kind of entry shows when the bytes are
    /// compared.
    fn read(self) -> Result<(ArtifactEntry, Option<(u64, u64)>), String> {
        let path = self.path.into_owned();
        let missing = |field: &str| format!("the `{field}` of {path:?} is missing");
        let (kind, place) = match self.kind {
            Kind::Directory => (EntryKind::Directory, None),
            Kind::Symlink => {
                let target = self.target.ok_or_else(|| missing("target"))?;
                (EntryKind::Symlink { target }, None)
            }
            Kind::File => {
                let digest = self.digest.ok_or_else(|| missing("digest"))?;
                let kind = EntryKind::File {
                    size: self.size.ok_or_else(|| missing("size"))?,
                    digest: digest.parse().map_err(|error| format!("{path:?}: {error}"))?,
                    executable: self.executable.ok_or_else(|| missing("executable"))?,
                };
                let layer = self.layer.ok_or_else(|| missing("layer"))?;
                (kind, Some((layer, self.offset.ok_or_else(|| missing("offset"))?)))
            }
        };
        Ok((ArtifactEntry { path, kind }, place))
    }
}

fn check_entries(entries: &[ArtifactEntry]) -> Result<(), String> {
    let mut directories = HashSet::new();
    let mut links = Links::default();
    let mut last: Option<&str> = None;
    for ArtifactEntry { path, kind } in entries {
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
    for ArtifactEntry { path, kind } in entries {
        if let EntryKind::Symlink { target } = kind
            && links.escapes(path, target)
        {
            return Err(format!(
                "{path:?} is a link to {target:?}, which leads out of the tree"
            ));
        }
    }
    Ok(())
}

/// Takes bytes off a front, as long as they are the same.
struct Compare<'a>(&'a [u8]);

impl Write for Compare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.strip_prefix(bytes) {
            Some(rest) => self.0 = rest,
            None => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hash(DigestBuilder);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<ArtifactEntry> {
        let entry = |path: &str, kind| ArtifactEntry {
            path: path.to_owned(),
            kind,
        };
        let file = |size, executable| EntryKind::File {
            size,
            digest: Digest::of("x"),
            executable,
        };
        vec![
            entry("a \"quoted\\ ü", file(0, true)),
            entry("d", EntryKind::Directory),
            entry("d/f", file(600, false)),
            entry(
                "l",
                EntryKind::Symlink {
                    target: "d/f".to_owned(),
                },
            ),
        ]
    }

    #[test]
    fn the_writer_by_hand_writes_what_the_general_one_does() {
        let toc = Toc::new(entries(), &[2, 0], &[1000, 4120]).unwrap();
        assert_eq!(toc.tree(), Digest::of_data(&entries()).unwrap());
        let mut bytes = Vec::new();
        toc.write(&mut bytes).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(pipeline_core::canonical_json(&value).unwrap(), bytes);
        assert_eq!(Toc::parse(&bytes).unwrap(), toc);
        assert_eq!(value["entries"][2]["layer"], 2);
        assert_eq!(value["entries"][2]["offset"], 24);
        assert_eq!(value["layers"], serde_json::json!([1000, 4120]));
    }

    #[test]
    fn a_content_may_go_through_layers() {
        let toc = Toc::new(entries(), &[0, 2], &[2500, 100, 2520]).unwrap();
        let parts: Vec<_> = toc
            .layout()
            .parts(2, 600)
            .map(|part| (part.layer, part.offset, part.len))
            .collect();
        let (layer, offset) = toc.layout().place(2);
        assert_eq!(parts[0].0, layer);
        assert_eq!(parts[0].1, offset);
        assert_eq!(parts.iter().map(|part| part.2).sum::<u64>(), 600);
        assert!(parts.len() >= 2, "{parts:?}");
    }
}
