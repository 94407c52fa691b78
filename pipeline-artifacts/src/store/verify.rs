use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pipeline_core::{ArtifactName, ArtifactRef, Digest, StoreError};
use semver::Version;

use super::disk::failed;
use super::local::{MARK, MARK_FILE, in_root};
use super::{LocalStore, Problem, ProblemKind, StoreReport};
use crate::catalog::FileName;
use crate::form::Manifest;

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
            manifests: BTreeMap::new(),
        };
        check.root()?;
        // Records first: a publisher stores blobs before the record that needs them.
        check.catalog()?;
        check.blobs()?;
        check.manifests();
        let mut report = check.report;
        report.problems = check.problems.into_values().collect();
        Ok(report)
    }
}

type Broken = BTreeSet<(ArtifactName, Version)>;

struct Check<'a> {
    store: &'a LocalStore,
    report: StoreReport,
    problems: BTreeMap<PathBuf, Problem>,
    /// The size of every blob that is there; `None` when it is damaged.
    blobs: BTreeMap<Digest, Option<u64>>,
    /// Every manifest, and what is published under it.
    manifests: BTreeMap<Digest, Broken>,
}

impl Check<'_> {
    /// Notes a problem; a path has one, the first, and breaks what any of them breaks.
    fn problem(&mut self, path: &Path, kind: ProblemKind, what: impl Into<String>, breaks: &Broken) {
        let path = path.strip_prefix(self.store.root()).unwrap_or(path).to_owned();
        let problem = self.problems.entry(path.clone()).or_insert_with(|| Problem {
            path,
            kind,
            what: what.into(),
            breaks: Broken::new(),
        });
        problem.breaks.extend(breaks.iter().cloned());
    }

    fn unexpected(&mut self, path: &Path, what: &str) {
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

    fn blobs(&mut self) -> Result<(), StoreError> {
        for dir in list(&self.store.root().join("blobs"))? {
            if dir.file_name() != "sha256" {
                self.unexpected(&dir.path(), "only blobs by their SHA-256 are kept here");
            }
        }
        for file in list(&self.store.blobs_dir())? {
            let path = file.path();
            let name = file.file_name().into_string().ok();
            let digest = name.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
            match digest {
                Some(digest) if file.file_type().is_ok_and(|kind| kind.is_file()) => self.blob(&path, digest),
                _ => self.unexpected(&path, "it is not a blob"),
            }
        }
        Ok(())
    }

    fn blob(&mut self, path: &Path, digest: Digest) {
        self.report.blobs += 1;
        // The beginning tells whether it is a manifest.
        let mut head = Vec::new();
        let hashed = File::open(path).and_then(|mut file| {
            file.by_ref().take(128).read_to_end(&mut head)?;
            Digest::of_reader(head.as_slice().chain(file))
        });
        match hashed {
            Ok((found, size)) if found == digest => {
                self.report.bytes += size;
                self.blobs.insert(digest, Some(size));
                if Manifest::begins(&head) {
                    self.manifests.entry(digest).or_default();
                }
            }
            Ok((found, size)) => {
                self.report.bytes += size;
                self.blobs.insert(digest, None);
                let what = format!("its bytes have digest {found}");
                self.problem(path, ProblemKind::Damaged, what, &Broken::new());
            }
            Err(error) => {
                self.blobs.insert(digest, None);
                self.unreadable(path, &error, &Broken::new());
            }
        }
    }

    fn manifests(&mut self) {
        for (digest, published) in std::mem::take(&mut self.manifests) {
            if self.needs(&digest, "a record names it", &published) {
                self.manifest(digest, &published);
            }
        }
    }

    /// Whether a blob is there and whole; a problem if not.
    fn needs(&mut self, digest: &Digest, why: &str, published: &Broken) -> bool {
        let path = self.store.blob_path(digest);
        match self.blobs.get(digest) {
            Some(Some(_)) => return true,
            // The problem is there: say what it breaks.
            Some(None) => self.problem(&path, ProblemKind::Damaged, "", published),
            // A blob that came after the list was made is read when the artifact is opened.
            None if path.is_file() => return true,
            None => self.problem(&path, ProblemKind::Missing, why, published),
        }
        false
    }

    fn manifest(&mut self, digest: Digest, published: &Broken) {
        let path = self.store.blob_path(&digest);
        let parsed = self
            .store
            .read_blob(&digest)
            .map(|bytes| Manifest::parse_artifact(&bytes));
        let manifest = match parsed {
            Ok(Ok(manifest)) => manifest,
            Ok(Err(reason)) => {
                let what = format!("it is no manifest of an artifact: {reason}");
                return self.problem(&path, ProblemKind::Damaged, what, published);
            }
            Err(error) => return self.problem(&path, ProblemKind::Damaged, chain(&error), published),
        };
        let why = format!("the manifest {digest} names it");
        let mut complete = true;
        for blob in manifest.blobs() {
            complete &= self.needs(&blob.digest, &why, published);
        }
        if !complete {
            return;
        }
        let Some((name, version)) = published.first().cloned().or_else(nobody) else {
            return;
        };
        let reference = ArtifactRef {
            name,
            version,
            digest,
        };
        let opened = self.store.artifact(&reference);
        if let Err(error) = opened.and_then(|artifact| artifact.check()) {
            self.problem(&path, ProblemKind::Damaged, chain(&error), published);
        }
    }
}

/// Stands in the reference of an artifact that nobody published.
fn nobody() -> Option<(ArtifactName, Version)> {
    Some((ArtifactName::new("unpublished").ok()?, Version::new(0, 0, 0)))
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
