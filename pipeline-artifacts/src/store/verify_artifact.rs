use std::collections::BTreeMap;
use std::path::Path;

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactName, ArtifactRef, ChainDisplay, Digest, EntryKind, StoreError};
use semver::Version;

use super::verify::{Broken, Check};
use super::verify_blobs::Blob;
use super::verify_layer::check_layer;
use super::{ProblemKind, StoredArtifact};
use crate::catalog::FileName;
use crate::crew::in_parallel;
use crate::form::{Descriptor, Manifest, Piece, Toc, TocFault, media};
use crate::limits::{self, LimitExceeded};

impl Check<'_> {
    /// Checks every artifact: its blobs, its table of contents, and its layers against that.
    pub(super) fn artifacts(&mut self) {
        let manifests = std::mem::take(&mut self.manifests);
        for (digest, published) in &manifests {
            self.one(digest);
            if self.needs(digest, "a record names it", published) {
                self.artifact(*digest, published);
            }
        }
        self.manifests = manifests;
    }

    /// Checks one artifact, and lists what it needs of the store.
    pub(super) fn one_artifact(&mut self, artifact: &ArtifactRef) -> Result<(), StoreError> {
        let ArtifactRef {
            name,
            version,
            digest,
        } = artifact;
        let records = self.store.root().join("catalog").join(name.as_str());
        let record = records.join(FileName::record(version));
        if record.symlink_metadata().is_ok() {
            self.record(&record, name);
        }
        let marks = (1..).map(|number| records.join(FileName::mark(version, number)));
        for mark in marks.take_while(|mark| mark.symlink_metadata().is_ok()) {
            self.record(&mark, name);
        }
        self.gaps(name, Some(version))?;
        let published = Broken::from([(name.clone(), version.clone())]);
        let manifests = BTreeMap::from([(*digest, published.clone())]);
        let said = std::mem::replace(&mut self.manifests, manifests);
        if let Some(other) = said.keys().find(|other| *other != digest) {
            let what = format!("it stands for {other}, not for {digest}");
            self.problem(&record, ProblemKind::Damaged, what, &published);
        }
        self.list_manifest(*digest)?;
        self.artifacts();
        self.attachments_of(*digest)?;
        self.rest();
        Ok(())
    }

    /// Lists a manifest and what it needs, as far as that is known.
    pub(super) fn list_manifest(&mut self, digest: Digest) -> Result<(), StoreError> {
        self.list_blob(digest)?;
        // What is wrong with it is found where all bytes are read.
        let bytes = self.store.read_blob_up_to(&digest, limits::MAX_MANIFEST);
        if let Some(manifest) = bytes.ok().and_then(|bytes| Manifest::parse(&bytes).ok()) {
            for blob in manifest.blobs() {
                self.list_blob(blob.digest)?;
            }
        }
        Ok(())
    }

    fn artifact(&mut self, digest: Digest, published: &Broken) {
        let path = self.store.blob_path(&digest);
        let parsed = self.store.read_blob_up_to(&digest, limits::MAX_MANIFEST);
        let manifest = match parsed.map(|bytes| Manifest::parse_artifact(&bytes)) {
            Ok(Ok(manifest)) => manifest,
            Ok(Err(reason)) => {
                let what = format!("it is no manifest of an artifact: {reason}");
                return self.problem(&path, ProblemKind::Damaged, what, published);
            }
            Err(error) => {
                return self.problem(
                    &path,
                    ProblemKind::Damaged,
                    ChainDisplay(&error).to_string(),
                    published,
                );
            }
        };
        let Some((toc, layers)) = manifest.parts() else {
            return;
        };
        self.one(&manifest.config.digest);
        let opened = nobody(digest)
            .ok_or(None)
            .and_then(|reference| self.store.artifact(&reference).map_err(Some))
            .and_then(|artifact| match exceeds(&artifact, layers) {
                None => Ok(artifact),
                Some(exceeded) => {
                    self.problem(&path, ProblemKind::Unreadable, exceeded.to_string(), published);
                    Err(None)
                }
            });
        // Layer by layer, because reading one tells both whether it is whole and whether it is what it should be.
        if let Ok(artifact) = &opened {
            // It was hashed.
            self.read(toc.digest, Ok(toc.size));
            self.layers(artifact, layers, &path, published);
        } else {
            let blobs = std::iter::once(toc).chain(layers);
            let blobs: Vec<_> = blobs.map(|blob| blob.digest).collect();
            self.hash(&blobs);
        }
        let why = format!("the manifest {digest} names it");
        let mut complete = true;
        for blob in manifest.blobs() {
            complete &= self.needs(&blob.digest, &why, published);
        }
        match opened {
            Err(Some(error)) if complete => {
                self.problem(
                    &path,
                    ProblemKind::Damaged,
                    ChainDisplay(&error).to_string(),
                    published,
                );
            }
            Ok(artifact) if complete => self.spanning(&artifact, &path, published),
            _ => {}
        }
    }

    /// Reads the layers of an artifact with several threads. One that another artifact has in the same way is not read
    /// again.
    fn layers(&mut self, artifact: &StoredArtifact, layers: &[Descriptor], path: &Path, published: &Broken) {
        let toc = artifact.toc();
        let seen = |(_, layer): &(usize, &Descriptor)| self.seen.contains(&layer.digest);
        let (seen, new): (Vec<_>, Vec<_>) = layers.iter().enumerate().partition(seen);
        let mut tasks: Vec<_> = new
            .into_iter()
            .map(|(number, layer)| (number, layer, None))
            .collect();
        let expected = in_parallel(&seen, |(number, layer)| expectation(toc, layer, *number));
        for ((number, layer), expected) in seen.into_iter().zip(expected) {
            let expected = match expected {
                Ok(expected) => expected,
                Err(fault) => return self.unlisted(artifact, fault, path, published),
            };
            match self.layers.get(&expected) {
                Some(None) => {}
                Some(Some(reason)) => {
                    let reason = reason.clone();
                    self.problem(path, ProblemKind::Damaged, reason, published);
                }
                None => tasks.push((number, layer, Some(expected))),
            }
        }
        self.seen.extend(layers.iter().map(|layer| layer.digest));
        let checked = in_parallel(&tasks, |(number, layer, expected)| {
            let mut found = Expectation::of(layer);
            let result = check_layer(artifact, *number, |piece| {
                if expected.is_none() {
                    found.add(piece);
                }
            });
            let expected = match expected {
                Some(expected) => Ok(*expected),
                None if result.is_ok() => Ok(found.finish()),
                None => expectation(toc, layer, *number),
            };
            (expected, result)
        });
        for ((_, layer, _), (expected, result)) in tasks.iter().zip(checked) {
            let expected = match expected {
                Ok(expected) => expected,
                Err(fault) => return self.unlisted(artifact, fault, path, published),
            };
            let fault = match result {
                Ok(size) => {
                    self.read(layer.digest, Ok(size));
                    None
                }
                Err(error) => {
                    // Whether it is damaged, or whole and not what it should be.
                    self.hash(&[layer.digest]);
                    match self.blobs.get(&layer.digest) {
                        Some(Blob::Good) => Some(ChainDisplay(&error).to_string()),
                        _ => continue,
                    }
                }
            };
            if let Some(reason) = &fault {
                self.problem(path, ProblemKind::Damaged, reason.clone(), published);
            }
            self.layers.insert(expected, fault);
        }
    }

    /// Checks the files that go through several layers.
    fn spanning(&mut self, artifact: &StoredArtifact, path: &Path, published: &Broken) {
        let files = match artifact.toc().spanning() {
            Ok(files) => files,
            Err(fault) => return self.unlisted(artifact, fault, path, published),
        };
        let checked = in_parallel(&files, |placed| artifact.reader().content(placed, |_| Ok(())));
        for error in checked.into_iter().filter_map(Result::err) {
            self.problem(
                path,
                ProblemKind::Damaged,
                ChainDisplay(&error).to_string(),
                published,
            );
        }
    }

    /// Notes that a table of contents cannot be read any more.
    fn unlisted(&mut self, artifact: &StoredArtifact, fault: TocFault, path: &Path, published: &Broken) {
        let what = ChainDisplay(&artifact.toc_fault(fault)).to_string();
        self.problem(path, ProblemKind::Damaged, what, published);
    }
}

/// Tells a layer from the same bytes with other expectations of them.
fn expectation(toc: &Toc, layer: &Descriptor, number: usize) -> Result<Digest, TocFault> {
    let mut expectation = Expectation::of(layer);
    toc.pieces(number, |piece| {
        expectation.add(&piece);
        Ok::<_, TocFault>(())
    })?;
    Ok(expectation.finish())
}

/// What is expected of a layer, piece by piece.
struct Expectation(DigestBuilder);

impl Expectation {
    fn of(layer: &Descriptor) -> Self {
        let mut digest = DigestBuilder::new();
        digest.field(layer.digest.as_bytes());
        Self(digest)
    }

    fn add(&mut self, piece: &Piece<'_>) {
        let Self(digest) = self;
        let (entry, from, len) = match piece {
            Piece::Zeros { len } => return digest.update(len.to_be_bytes()),
            Piece::Header { entry, from, len } => {
                // A header is made of this and the size of the content.
                digest.field(&entry.path);
                match &entry.kind {
                    EntryKind::Directory => digest.update("d"),
                    EntryKind::Symlink { target } => digest.field(target),
                    EntryKind::File { executable, size, .. } => {
                        digest.update([u8::from(*executable)]);
                        digest.update(size.to_be_bytes());
                    }
                }
                (entry, from, len)
            }
            Piece::Content { entry, from, len } => (entry, from, len),
        };
        digest.update(from.to_be_bytes());
        digest.update(len.to_be_bytes());
        if let EntryKind::File { digest: found, .. } = &entry.kind {
            digest.update(found.as_bytes());
        }
    }

    fn finish(self) -> Digest {
        self.0.finish()
    }
}

/// What an artifact has more of than is taken, when something small may unpack to it. What is not compressed is in the
/// store already, so reading it costs what it says.
fn exceeds(artifact: &StoredArtifact, layers: &[Descriptor]) -> Option<LimitExceeded> {
    let is_compressed = layers.iter().any(|layer| layer.media_type != media::TAR);
    let checked = artifact.within_limits();
    checked.err().filter(|_| is_compressed)
}

/// The reference to an artifact of which only the digest is known.
fn nobody(digest: Digest) -> Option<ArtifactRef> {
    Some(ArtifactRef {
        name: ArtifactName::new("unpublished").ok()?,
        version: Version::new(0, 0, 0),
        digest,
    })
}
