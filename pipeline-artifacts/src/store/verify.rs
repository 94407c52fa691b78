use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::{ArtifactName, ArtifactRef, Digest, StoreError};
use semver::Version;

use super::disk::{failed, read_file};
use super::local::{MARK, MARK_FILE, in_root};
use super::verify_blobs::Blob;
use super::{LocalStore, Problem, ProblemKind, StoreReport};
use crate::catalog::FileName;

impl LocalStore {
    /// Reads everything and checks it: the bytes of every blob, every record of the catalog, that every
    /// artifact, published or not, has all its blobs and files, and that the layouts show what the catalog says. A changed
    /// byte in any of them is found and named, and a mark that is gone when a later one or the index shows that it was there.
    /// What was published and whose record is gone is found when its layout still
    /// shows it; otherwise ask the journal.
    ///
    /// Of what is compressed, no more is unpacked than the [limits](crate::Limits) of the store allow. Writers may go on meanwhile,
    /// and no right to write is needed. The directories `tmp` and `cache` are not looked at.
    ///
    /// # Errors
    ///
    /// Only when the directories of the store cannot be listed. What is wrong inside is in the report.
    pub fn verify(&self) -> Result<StoreReport, StoreError> {
        let mut check = Check::new(self);
        check.root()?;
        // Records first: a publisher stores blobs before the record that needs them.
        check.catalog()?;
        check.list_blobs()?;
        check.artifacts();
        check.attachments()?;
        check.rest();
        check.layouts()?;
        Ok(check.done())
    }

    /// The same for one artifact: its record and its marks, when it has some, its manifest with all blobs and files, and what
    /// is attached to it. Of the rest of the store nothing is read.
    ///
    /// # Errors
    ///
    /// As for [`LocalStore::verify`].
    ///
    /// ```
    /// use pipeline_artifacts::{LocalStore, Packer};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dist = dir.path().join("dist");
    /// # std::fs::create_dir(&dist)?;
    /// let store = LocalStore::open(dir.path().join("store"))?;
    /// let packed = Packer::new(&dist).pack(&store)?;
    /// let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
    /// let report = store.verify_artifact(&shop)?;
    /// assert!(report.is_good(), "{report}");
    /// assert_eq!(report.records, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify_artifact(&self, artifact: &ArtifactRef) -> Result<StoreReport, StoreError> {
        let mut check = Check::new(self);
        check.one_artifact(artifact)?;
        Ok(check.done())
    }
}

pub(super) type Broken = BTreeSet<(ArtifactName, Version)>;

pub(super) struct Check<'a> {
    pub(super) store: &'a LocalStore,
    pub(super) report: StoreReport,
    problems: BTreeMap<PathBuf, Problem>,
    /// Every blob that is there.
    pub(super) blobs: BTreeMap<Digest, Blob>,
    /// The layers of the artifacts that were checked.
    pub(super) seen: HashSet<Digest>,
    /// What is wrong with a layer that is whole, by what is expected of it.
    pub(super) layers: HashMap<Digest, Option<String>>,
    /// Every manifest, and what is published under it.
    pub(super) manifests: BTreeMap<Digest, Broken>,
}

impl<'a> Check<'a> {
    fn new(store: &'a LocalStore) -> Self {
        Self {
            store,
            report: StoreReport {
                blobs: 0,
                bytes: 0,
                records: 0,
                problems: Vec::new(),
            },
            problems: BTreeMap::new(),
            blobs: BTreeMap::new(),
            seen: HashSet::new(),
            layers: HashMap::new(),
            manifests: BTreeMap::new(),
        }
    }

    fn done(self) -> StoreReport {
        let mut report = self.report;
        report.problems = self.problems.into_values().collect();
        report
    }
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

    pub(super) fn unreadable(&mut self, path: &Path, error: &io::Error, breaks: &Broken) {
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
                    self.gaps(&name, None)?;
                }
                _ => self.unexpected(&path, "it is not the directory of a name"),
            }
        }
        Ok(())
    }

    /// Tells of marks that are gone: of one version, or of all of a name.
    pub(super) fn gaps(&mut self, name: &ArtifactName, only: Option<&Version>) -> Result<(), StoreError> {
        let dir = self.store.root().join("catalog").join(name.as_str());
        for gap in self.store.catalog().gaps(name, only)? {
            let path = dir.join(FileName::mark(&gap.version, gap.number));
            let what = match gap.is_followed {
                true => "it is gone, and a later one is there",
                false => "it is gone; the index knows that it was there",
            };
            let broken = Broken::from([(name.clone(), gap.version)]);
            self.problem(&path, ProblemKind::Missing, what, &broken);
        }
        Ok(())
    }

    pub(super) fn record(&mut self, path: &Path, name: &ArtifactName) {
        let file_name = path.file_name().and_then(|name| name.to_str());
        let Some(file) = file_name.and_then(FileName::parse) else {
            self.unexpected(path, "it is neither the record of a version nor a mark");
            return;
        };
        self.report.records += 1;
        let (FileName::Record(version) | FileName::Mark(version, _)) = &file;
        let mut broken = Broken::from([(name.clone(), version.clone())]);
        let bytes = match read_file(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return self.problem(path, ProblemKind::Damaged, "it is not a file", &broken),
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
}

fn is_dir(file: &DirEntry) -> bool {
    file.file_type().is_ok_and(|kind| kind.is_dir())
}

pub(super) fn list(dir: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let files = fs::read_dir(dir).and_then(Iterator::collect);
    files.map_err(failed("cannot read", dir))
}
