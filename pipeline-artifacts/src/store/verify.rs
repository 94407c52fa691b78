use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::error::Error;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactName, ArtifactRef, Digest, EntryKind, StoreError};
use semver::Version;

use super::blob::digest_of;
use super::disk::failed;
use super::local::{MARK, MARK_FILE, in_root};
use super::verify_layer::check_layer;
use super::{LocalStore, Problem, ProblemKind, StoreReport, StoredArtifact};
use crate::catalog::FileName;
use crate::crew::{crew, default_threads};
use crate::form::{Descriptor, Manifest, Piece, Toc};
use crate::limits;

impl LocalStore {
    /// Reads everything and checks it: the bytes of every blob, every record of the catalog, and that every
    /// artifact, published or not, has all its blobs and files. A changed byte in any of them is found and
    /// named. What was published and whose record is gone is not: ask the journal.
    ///
    /// Writers may go on meanwhile. The directory `tmp` is not looked at.
    ///
    /// # Errors
    ///
    /// Only when the directories of the store cannot be listed. What is wrong inside is in the report.
    pub fn verify(&self) -> Result<StoreReport, StoreError> {
        let mut check = Check {
            store: self,
            report: StoreReport {
                blobs: 0,
                bytes: 0,
                records: 0,
                problems: Vec::new(),
            },
            problems: BTreeMap::new(),
            blobs: BTreeMap::new(),
            layers: HashMap::new(),
            manifests: BTreeMap::new(),
        };
        check.root()?;
        // Records first: a publisher stores blobs before the record that needs them.
        check.catalog()?;
        check.list()?;
        check.artifacts();
        check.attachments()?;
        check.rest();
        let mut report = check.report;
        report.problems = check.problems.into_values().collect();
        Ok(report)
    }
}

pub(super) type Broken = BTreeSet<(ArtifactName, Version)>;

pub(super) struct Check<'a> {
    pub(super) store: &'a LocalStore,
    report: StoreReport,
    problems: BTreeMap<PathBuf, Problem>,
    /// Every blob that is there.
    blobs: BTreeMap<Digest, Blob>,
    /// What is wrong with a layer that is whole, by what is expected of it.
    layers: HashMap<Digest, Option<String>>,
    /// Every manifest, and what is published under it.
    manifests: BTreeMap<Digest, Broken>,
}

/// What is known of a blob.
#[derive(Debug, Clone, Copy)]
enum Blob {
    Unread,
    Good,
    Bad,
}

impl Check<'_> {
    /// Notes a problem; a path has one, the first, and breaks what any of them breaks.
    pub(super) fn problem(
        &mut self,
        path: &Path,
        kind: ProblemKind,
        what: impl Into<String>,
        breaks: &Broken,
    ) {
        let path = path.strip_prefix(self.store.root()).unwrap_or(path).to_owned();
        let problem = self.problems.entry(path.clone()).or_insert_with(|| Problem {
            path,
            kind,
            what: what.into(),
            breaks: Broken::new(),
        });
        problem.breaks.extend(breaks.iter().cloned());
    }

    pub(super) fn unexpected(&mut self, path: &Path, what: &str) {
        self.problem(path, ProblemKind::Unexpected, what, &Broken::new());
    }

    fn root(&mut self) -> Result<(), StoreError> {
        let root = self.store.root();
        for file in list(root)? {
            let name = file.file_name();
            if !in_root(&name) {
                self.unexpected(&file.path(), "it does not belong to the store");
            }
        }
        let mark = root.join(MARK_FILE);
        match fs::read(&mark) {
            Ok(found) if found == MARK => {}
            Ok(_) => self.problem(
                &mark,
                ProblemKind::Damaged,
                "it does not say format 2",
                &Broken::new(),
            ),
            Err(error) => self.unreadable(&mark, &error, &Broken::new()),
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error, breaks: &Broken) {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ProblemKind::Missing,
            _ => ProblemKind::Unreadable,
        };
        self.problem(path, kind, error.to_string(), breaks);
    }

    fn catalog(&mut self) -> Result<(), StoreError> {
        for dir in list(&self.store.root().join("catalog"))? {
            let path = dir.path();
            let name = dir
                .file_name()
                .to_str()
                .and_then(|name| ArtifactName::new(name).ok());
            match name {
                Some(name) if is_dir(&dir) => {
                    for file in list(&path)? {
                        self.record(&file.path(), &name);
                    }
                }
                _ => self.unexpected(&path, "it is not the directory of a name"),
            }
        }
        Ok(())
    }

    fn record(&mut self, path: &Path, name: &ArtifactName) {
        let file_name = path.file_name().and_then(|name| name.to_str());
        let Some(file) = file_name.and_then(FileName::parse) else {
            self.unexpected(path, "it is neither the record of a version nor a mark");
            return;
        };
        self.report.records += 1;
        let (FileName::Record(version) | FileName::Mark(version, _)) = &file;
        let mut broken = Broken::from([(name.clone(), version.clone())]);
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(path, &error, &broken),
        };
        match file.check(&bytes, name) {
            Err(reason) => {
                let published = FileName::misplaced(&bytes);
                broken.extend(published.map(|found| (found.name, found.version)));
                self.problem(path, ProblemKind::Damaged, reason, &broken);
            }
            Ok(None) => {}
            Ok(Some(artifact)) => {
                let removed = self
                    .store
                    .catalog()
                    .standing(name, version)
                    .is_ok_and(|found| found.removed.is_some());
                if !removed {
                    let published = (artifact.name, artifact.version);
                    self.manifests
                        .entry(artifact.digest)
                        .or_default()
                        .insert(published);
                }
            }
        }
    }

    /// Lists the blobs, and finds the manifests that nothing refers to by how they begin.
    fn list(&mut self) -> Result<(), StoreError> {
        for dir in list(&self.store.root().join("blobs"))? {
            if dir.file_name() != "sha256" {
                self.unexpected(&dir.path(), "only blobs by their SHA-256 are kept here");
            }
        }
        for file in list(&self.store.blobs_dir())? {
            let path = file.path();
            let digest = file.file_name().to_str().and_then(digest_of);
            let metadata = file.metadata().ok().filter(fs::Metadata::is_file);
            match (digest, metadata) {
                (Some(digest), Some(metadata)) => {
                    self.blobs.insert(digest, Blob::Unread);
                    if metadata.len() <= limits::MAX_MANIFEST && begins_as_manifest(&path) {
                        self.manifests.entry(digest).or_default();
                    }
                }
                (Some(digest), None) => {
                    // A link or a directory in its place: whatever needs the blob is broken.
                    self.blobs.insert(digest, Blob::Bad);
                    self.problem(&path, ProblemKind::Damaged, "it is not a file", &Broken::new());
                }
                (None, _) => self.unexpected(&path, "it is not a blob"),
            }
        }
        Ok(())
    }

    /// Checks every artifact: its blobs, its table of contents, and its layers against that.
    fn artifacts(&mut self) {
        for (digest, published) in std::mem::take(&mut self.manifests) {
            self.one(&digest);
            if self.needs(&digest, "a record names it", &published) {
                self.artifact(digest, &published);
            }
        }
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
            Err(error) => return self.problem(&path, ProblemKind::Damaged, chain(&error), published),
        };
        let Some((toc, layers)) = manifest.parts() else {
            return;
        };
        self.one(&toc.digest);
        self.one(&manifest.config.digest);
        let opened = nobody(digest)
            .ok_or(None)
            .and_then(|reference| self.store.artifact(&reference).map_err(Some));
        // Layer by layer, because reading one tells both whether it is whole and whether it is what it should be.
        if let Ok(artifact) = &opened {
            self.layers(artifact, layers, &path, published);
        } else {
            let layers: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
            self.hash(&layers);
        }
        let why = format!("the manifest {digest} names it");
        let mut complete = true;
        for blob in manifest.blobs() {
            complete &= self.needs(&blob.digest, &why, published);
        }
        match opened {
            Err(Some(error)) if complete => {
                self.problem(&path, ProblemKind::Damaged, chain(&error), published);
            }
            Ok(artifact) if complete => self.spanning(&artifact, &path, published),
            _ => {}
        }
    }

    /// Reads the layers of an artifact with several threads. One that another artifact has in the same way is not read
    /// again.
    fn layers(&mut self, artifact: &StoredArtifact, layers: &[Descriptor], path: &Path, published: &Broken) {
        let toc = artifact.toc();
        let mut tasks = Vec::new();
        let numbered: Vec<_> = layers.iter().enumerate().collect();
        let expected = in_parallel(&numbered, |(number, layer)| expectation(toc, layer, *number));
        for ((number, layer), expected) in numbered.into_iter().zip(expected) {
            match self.layers.get(&expected) {
                Some(None) => {}
                Some(Some(reason)) => {
                    let reason = reason.clone();
                    self.problem(path, ProblemKind::Damaged, reason, published);
                }
                None => tasks.push((number, layer, expected)),
            }
        }
        let store = self.store;
        let checked = in_parallel(&tasks, |(number, layer, _)| {
            check_layer(store, toc, layer, *number)
        });
        for ((_, layer, expected), result) in tasks.iter().zip(checked) {
            let fault = match result {
                Ok(size) => {
                    self.read(layer.digest, Ok(size));
                    None
                }
                Err(error) => {
                    // Whether it is damaged, or whole and not what it should be.
                    self.hash(&[layer.digest]);
                    match self.blobs.get(&layer.digest) {
                        Some(Blob::Good) => Some(chain(&error)),
                        _ => continue,
                    }
                }
            };
            if let Some(reason) = &fault {
                self.problem(path, ProblemKind::Damaged, reason.clone(), published);
            }
            self.layers.insert(*expected, fault);
        }
    }

    /// Checks the files that go through several layers.
    fn spanning(&mut self, artifact: &StoredArtifact, path: &Path, published: &Broken) {
        let toc = artifact.toc();
        let spans = |index: &usize| match toc.entries()[*index].kind {
            EntryKind::File { size, .. } => toc.layout().parts(*index, size).nth(1).is_some(),
            _ => false,
        };
        let files: Vec<_> = (0..toc.entries().len()).filter(spans).collect();
        let checked = in_parallel(&files, |index| artifact.reader().content(*index, |_| Ok(())));
        for error in checked.into_iter().filter_map(Result::err) {
            self.problem(path, ProblemKind::Damaged, chain(&error), published);
        }
    }

    /// Hashes what no artifact needed.
    fn rest(&mut self) {
        let unread = |(digest, blob): (&Digest, &Blob)| matches!(blob, Blob::Unread).then_some(*digest);
        let rest: Vec<_> = self.blobs.iter().filter_map(unread).collect();
        self.hash(&rest);
    }

    fn one(&mut self, digest: &Digest) {
        self.hash(&[*digest]);
    }

    /// Hashes blobs that were not read yet, with several threads.
    fn hash(&mut self, digests: &[Digest]) {
        let unread = |digest: &&Digest| matches!(self.blobs.get(digest), Some(Blob::Unread));
        let digests: Vec<_> = digests.iter().filter(unread).copied().collect();
        let store = self.store;
        let hashed = in_parallel(&digests, |digest| {
            File::open(store.blob_path(digest)).and_then(Digest::of_reader)
        });
        for (digest, result) in digests.into_iter().zip(hashed) {
            let told = match result {
                Ok((found, size)) if found == digest => Ok(size),
                Ok((found, size)) => Err(Ok((found, size))),
                Err(error) => Err(Err(error)),
            };
            self.read(digest, told);
        }
    }

    /// Notes what reading a blob told: its size, or the digest that it has instead, or that it cannot be read.
    fn read(&mut self, digest: Digest, result: Result<u64, Result<(Digest, u64), io::Error>>) {
        if !matches!(self.blobs.get(&digest), Some(Blob::Unread)) {
            return;
        }
        self.report.blobs += 1;
        let path = self.store.blob_path(&digest);
        let blob = match result {
            Ok(size) => {
                self.report.bytes += size;
                Blob::Good
            }
            Err(Ok((found, size))) => {
                self.report.bytes += size;
                let what = format!("its bytes have digest {found}");
                self.problem(&path, ProblemKind::Damaged, what, &Broken::new());
                Blob::Bad
            }
            Err(Err(error)) => {
                self.unreadable(&path, &error, &Broken::new());
                Blob::Bad
            }
        };
        self.blobs.insert(digest, blob);
    }

    /// Whether a blob is there and whole; a problem if not.
    pub(super) fn needs(&mut self, digest: &Digest, why: &str, published: &Broken) -> bool {
        let path = self.store.blob_path(digest);
        match self.blobs.get(digest) {
            Some(Blob::Good | Blob::Unread) => return true,
            // The problem is there: say what it breaks.
            Some(Blob::Bad) => self.problem(&path, ProblemKind::Damaged, "", published),
            // A blob that came after the list was made is read when the artifact is opened.
            None if path.is_file() => return true,
            None => self.problem(&path, ProblemKind::Missing, why, published),
        }
        false
    }
}

/// Tells a layer from the same bytes with other expectations of them.
fn expectation(toc: &Toc, layer: &Descriptor, number: usize) -> Digest {
    let mut digest = DigestBuilder::new();
    digest.field(layer.digest.as_bytes());
    for piece in toc.layout().pieces(toc.entries(), number) {
        let (index, from, len) = match piece {
            Piece::Zeros { len } => {
                digest.update(len.to_be_bytes());
                continue;
            }
            Piece::Header { index, from, len } => {
                // A header is made of this and the size of the content.
                let entry = &toc.entries()[index];
                digest.field(&entry.path);
                match &entry.kind {
                    EntryKind::Directory => digest.update("d"),
                    EntryKind::Symlink { target } => digest.field(target),
                    EntryKind::File { executable, size, .. } => {
                        digest.update([u8::from(*executable)]);
                        digest.update(size.to_be_bytes());
                    }
                }
                (index, from, len)
            }
            Piece::Content { index, from, len } => (index, from, len),
        };
        digest.update(from.to_be_bytes());
        digest.update(len.to_be_bytes());
        if let EntryKind::File { digest: found, .. } = &toc.entries()[index].kind {
            digest.update(found.as_bytes());
        }
    }
    digest.finish()
}

fn begins_as_manifest(path: &Path) -> bool {
    let mut head = Vec::with_capacity(128);
    let read = File::open(path).and_then(|file| file.take(128).read_to_end(&mut head));
    read.is_ok() && Manifest::begins(&head)
}

/// Does the same with each item, with several threads; the results in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = default_threads().min(items.len()).max(1);
    let made = crew(threads, || {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            match items.get(number) {
                Some(item) => made.push((number, work(item))),
                None => return Ok::<_, Infallible>(made),
            }
        }
    });
    let Ok(made) = made;
    let mut made: Vec<_> = made.into_iter().flatten().collect();
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, made)| made).collect()
}

/// The reference to an artifact of which only the digest is known.
fn nobody(digest: Digest) -> Option<ArtifactRef> {
    Some(ArtifactRef {
        name: ArtifactName::new("unpublished").ok()?,
        version: Version::new(0, 0, 0),
        digest,
    })
}
/// An error and what caused it.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn is_dir(file: &DirEntry) -> bool {
    file.file_type().is_ok_and(|kind| kind.is_dir())
}

fn list(dir: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let files = fs::read_dir(dir).and_then(Iterator::collect);
    files.map_err(failed("cannot read", dir))
}
