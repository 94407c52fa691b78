use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::{Digest, StoreError};
use semver::Version;
use serde::Deserialize;

use super::layout::{BLOBS, BLOBS_TARGET, INDEX_FILE, LAYOUT, LAYOUT_FILE, LOCK, UNFINISHED};
use super::layout_index::{REF_NAME, text_of};
use super::layout_seal;
use super::{Layout, Versions};
use crate::store::Locked;
use crate::store::disk::{failed, read_file};

/// Something in a layout that is not as the catalog has it.
#[derive(Debug)]
pub(crate) struct LayoutFault {
    pub(crate) path: PathBuf,
    pub(crate) kind: LayoutFaultKind,
    pub(crate) what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayoutFaultKind {
    /// It shows less than there is, or what there was. Versions stand for one thing for ever, so whatever interrupts a writer,
    /// and whatever a power cut takes, comes to this and to nothing else.
    Behind,
    /// It says what never was so: somebody changed it, or the catalog.
    False,
    /// It does not belong there.
    Unexpected,
}

/// What other tools read of an index.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Shown>,
}

#[derive(Deserialize)]
struct Shown {
    digest: Digest,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Layout<'_> {
    /// What is wrong with it; nothing is when there is none and nothing to show.
    pub(crate) fn faults(&self) -> Result<Vec<LayoutFault>, StoreError> {
        let found = self.compare()?;
        if found.is_empty() {
            return Ok(found);
        }
        // Somebody may be publishing at this moment: then it counts what is there when he is done.
        let lock = self.dir().join(LOCK);
        let _held = match File::open(&lock) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => {
                let held = file.and_then(Locked::shared);
                Some(held.map_err(failed("cannot lock", &lock))?)
            }
        };
        let mut found = self.compare()?;
        // What is noted as being attached at this moment is shown soon; while the layout is locked the note stays.
        let behind = |fault: &LayoutFault| fault.kind == LayoutFaultKind::Behind;
        if found.iter().any(behind) && self.store().is_attaching()? {
            found.retain(|fault| !behind(fault));
        }
        Ok(found)
    }

    fn compare(&self) -> Result<Vec<LayoutFault>, StoreError> {
        let mut found = Found {
            dir: self.dir(),
            faults: Vec::new(),
        };
        let versions = self.versions()?;
        let expected = text_of(self.items()?);
        let files = match fs::read_dir(self.dir()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if versions.kept().next().is_some() {
                    found.behind("", "it is not there".to_owned());
                }
                return Ok(found.faults);
            }
            files => files.and_then(Iterator::collect::<io::Result<Vec<_>>>),
        };
        for file in files.map_err(failed("cannot read", self.dir()))? {
            let name = file.file_name();
            if !name.to_str().is_some_and(is_ours) {
                found.add(
                    name.as_ref(),
                    LayoutFaultKind::Unexpected,
                    "it does not belong to a layout".to_owned(),
                );
            }
        }
        match self.read(INDEX_FILE)? {
            // Somebody was about to publish the first version.
            None if versions.kept().next().is_none() => return Ok(found.faults),
            None => found.behind(INDEX_FILE, "it is not there".to_owned()),
            Some(text) if text == expected => {}
            Some(text) => {
                let (kind, what) = difference(&text, &versions);
                found.add(Path::new(INDEX_FILE), kind, what);
            }
        }
        match self.read(LAYOUT_FILE)? {
            Some(text) if text == LAYOUT => {}
            Some(_) => found.behind(LAYOUT_FILE, "it is not the mark of an OCI layout".to_owned()),
            None => found.behind(LAYOUT_FILE, "it is not there".to_owned()),
        }
        match fs::read_link(self.dir().join(BLOBS)) {
            Ok(target) if target == Path::new(BLOBS_TARGET) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.behind(BLOBS, "it is not there".to_owned());
            }
            _ => {
                let what =
                    format!("it is not the link to {BLOBS_TARGET}; a directory must be taken away first");
                found.add(Path::new(BLOBS), LayoutFaultKind::False, what);
            }
        }
        Ok(found.faults)
    }

    /// The bytes of a file; none of what is no file.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.dir().join(name);
        match read_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found
                .map(|bytes| Some(bytes.unwrap_or_default()))
                .map_err(failed("cannot read", &path)),
        }
    }
}

struct Found<'a> {
    dir: &'a Path,
    faults: Vec<LayoutFault>,
}

impl Found<'_> {
    fn add(&mut self, name: &Path, kind: LayoutFaultKind, what: String) {
        self.faults.push(LayoutFault {
            path: self.dir.join(name),
            kind,
            what,
        });
    }

    fn behind(&mut self, name: &str, what: String) {
        self.add(Path::new(name), LayoutFaultKind::Behind, what);
    }
}

fn is_ours(name: &str) -> bool {
    let whole = name.strip_suffix(UNFINISHED).unwrap_or(name);
    [INDEX_FILE, LAYOUT_FILE].contains(&whole) || [LOCK, BLOBS, layout_seal::FILE].contains(&name)
}

/// What an index that is not the expected one says instead.
fn difference(text: &[u8], versions: &Versions) -> (LayoutFaultKind, String) {
    let Ok(Index { manifests }) = serde_json::from_slice(text) else {
        return (LayoutFaultKind::Behind, "it is no index".to_owned());
    };
    let (mut shown, mut removed) = (0_usize, 0_usize);
    for Shown { digest, annotations } in &manifests {
        let Some(tag) = annotations.get(REF_NAME) else {
            continue;
        };
        let entry = tag.parse::<Version>().ok();
        let entry = entry.and_then(|version| versions.get(&version));
        match entry {
            None => {
                let what = format!("it shows `{tag}`, of which there is no record");
                return (LayoutFaultKind::False, what);
            }
            Some(entry) if entry.digest != *digest => {
                let what = format!(
                    "it says that `{tag}` is {digest}; the record says {}",
                    entry.digest
                );
                return (LayoutFaultKind::False, what);
            }
            Some(entry) if entry.removed => removed += 1,
            Some(_) => shown += 1,
        }
    }
    let kept = versions.kept().count();
    let what = match (kept.saturating_sub(shown), removed) {
        (0, 0) => "it does not show what is attached as it is now".to_owned(),
        (0, removed) => format!("it still shows {removed} versions that were removed"),
        (missing, 0) => format!("it does not show {missing} of {kept} versions"),
        (missing, removed) => {
            format!("it does not show {missing} of {kept} versions, and shows {removed} that were removed")
        }
    };
    (LayoutFaultKind::Behind, what)
}
