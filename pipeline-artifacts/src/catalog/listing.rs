//! Reads the directory of a name: the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use pipeline_core::{ArtifactName, StoreError};
use semver::Version;

use super::file_name::FileName;
use super::publication::plain;
use super::stamp::{Stamp, Tick};
use super::{CatalogEntry, Mark, Publication, Standing, Versions};
use crate::store::disk::{failed, read_file};

/// A directory that was listed.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) content: T,
    /// Its stamp, if that holds.
    pub(super) stamp: Option<Stamp>,
}

/// A mark that is not there and must have been.
#[derive(Debug)]
pub(crate) struct MarkGap {
    pub(crate) version: Version,
    pub(crate) number: u32,
    /// Whether a later one is there; otherwise the index knows of it.
    pub(crate) is_followed: bool,
}

/// So many missing marks of a version are named at once: somebody may have written one with a high number.
const MOST_GAPS: usize = 100;

/// How often a directory that changes meanwhile is listed before its stamp is given up.
const TRIES: usize = 4;

/// Lists a directory, with a stamp that holds if there can be one.
pub(super) fn list<T>(
    dir: &Path,
    pulse: &Path,
    mut read: impl FnMut(Vec<String>) -> Result<T, StoreError>,
) -> Result<Listed<T>, StoreError> {
    let stamp = || Stamp::of(dir).map_err(failed("cannot read", dir));
    let mut tries = 0;
    loop {
        let now = Tick::now(pulse);
        let before = stamp()?;
        let content = read(file_names(dir)?)?;
        let same = before == stamp()?;
        tries += 1;
        if same || tries == TRIES {
            let holds = |stamp: &Stamp| same && now.is_some_and(|now| stamp.is_before(now));
            let stamp = before.filter(holds);
            return Ok(Listed { content, stamp });
        }
    }
}

/// The names in a directory that are text, in no order; none when there is no directory.
fn file_names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        files => files.map_err(failed("cannot read", dir))?,
    };
    for file in files {
        let name = file.map_err(failed("cannot read", dir))?.file_name();
        names.extend(name.into_string());
    }
    Ok(names)
}

/// All versions of a name, and how many records were read for it. What is known and has no new mark is not read
/// again: records never change.
pub(super) fn versions(
    dir: &Path,
    pulse: &Path,
    name: &ArtifactName,
    known: Option<&Versions>,
) -> Result<(Listed<Versions>, usize), StoreError> {
    let mut count = 0;
    let listed = list(dir, pulse, |files| {
        let mut marks: BTreeMap<Version, (bool, u32)> = BTreeMap::new();
        for file in files {
            match FileName::parse(&file) {
                Some(FileName::Record(version)) => marks.entry(version).or_default().0 = true,
                Some(FileName::Mark(version, number)) => {
                    let most = &mut marks.entry(version).or_default().1;
                    *most = number.max(*most);
                }
                None => {}
            }
        }
        let mut entries = Vec::with_capacity(marks.len());
        for (version, (recorded, marks)) in marks {
            if !recorded {
                continue; // The record of a mark is always there before it; `verify` tells of one that is gone.
            }
            let same = known.and_then(|known| known.get(&version));
            // Marks are never taken away; one that is written anew meanwhile may not be listed.
            let next = || dir.join(FileName::mark(&version, marks + 1));
            if same.is_some_and(|known| known.marks > marks) && next().symlink_metadata().is_err() {
                return Err(gone(dir, &version, marks + 1));
            }
            if let Some(entry) = same.filter(|entry| entry.marks == marks) {
                entries.push(entry.clone());
                continue;
            }
            count += 1;
            if let Some(publication) = record(dir, name, &version)? {
                let standing = standing(dir, name, &version)?;
                if standing.marks < marks {
                    return Err(gone(dir, &version, standing.marks + 1));
                }
                entries.push(CatalogEntry::new(publication, &standing));
            }
        }
        Ok(Versions::new(name.clone(), entries))
    })?;
    Ok((listed, count))
}

/// The record of a version.
pub(super) fn record(
    dir: &Path,
    name: &ArtifactName,
    version: &Version,
) -> Result<Option<Publication>, StoreError> {
    let path = dir.join(FileName::record(version));
    read(&path, |bytes| {
        Publication::read(bytes, name, version)
            .map_err(|reason| format!("{reason}; a store that has it can give it back (`heal_records`)"))
    })
}

/// One mark of a version.
pub(super) fn mark(
    dir: &Path,
    name: &ArtifactName,
    version: &Version,
    number: u32,
) -> Result<Option<Mark>, StoreError> {
    let path = dir.join(FileName::mark(version, number));
    read(&path, |bytes| {
        Mark::read(bytes, name, version, number)
            .map_err(|reason| format!("{reason}; a copy of this store can give it back (`heal_records`)"))
    })
}

/// What the marks of a version come to. Without one in between, they come to something else.
pub(super) fn standing(dir: &Path, name: &ArtifactName, version: &Version) -> Result<Standing, StoreError> {
    let mut standing = Standing::default();
    loop {
        let next = standing.marks + 1;
        if let Some(mark) = mark(dir, name, version, next)? {
            standing.apply(mark);
            continue;
        }
        let after = dir.join(FileName::mark(version, next + 1));
        if after.symlink_metadata().is_err() {
            return Ok(standing);
        }
        // Both may have been written meanwhile.
        match mark(dir, name, version, next)? {
            Some(mark) => standing.apply(mark),
            None => return Err(gone(dir, version, next)),
        }
    }
}

/// A mark that was there, as others show.
fn gone(dir: &Path, version: &Version, number: u32) -> StoreError {
    StoreError::Damaged {
        what: format!("record {}", dir.join(FileName::mark(version, number)).display()),
        reason:
            "it is gone, and what is known shows that it was there; a copy of this store can give it back \
            (`heal_records`)"
                .to_owned(),
    }
}

/// The numbers of the marks that are missing of each version in a directory, the first few of each, and the highest that
/// was known.
pub(super) fn gaps(
    dir: &Path,
    only: Option<&Version>,
    known: Option<&Versions>,
) -> Result<Vec<MarkGap>, StoreError> {
    let mut marks: BTreeMap<Version, BTreeSet<u32>> = BTreeMap::new();
    for file in file_names(dir)? {
        if let Some(FileName::Mark(version, number)) = FileName::parse(&file) {
            marks.entry(version).or_default().insert(number);
        }
    }
    for entry in known.into_iter().flat_map(Versions::entries) {
        if entry.marks > 0 {
            marks.entry(plain(&entry.version)).or_default();
        }
    }
    let mut gaps = Vec::new();
    for (version, found) in marks {
        if only.is_some_and(|only| *only != version) {
            continue;
        }
        let known = known
            .and_then(|known| known.get(&version))
            .map_or(0, |entry| entry.marks);
        let newest = found.last().copied().unwrap_or(0);
        // What was written while the directory was listed is there now.
        let is_gone = |number: &u32| {
            let path = dir.join(FileName::mark(&version, *number));
            !found.contains(number) && path.symlink_metadata().is_err()
        };
        let missing = (1..=known.max(newest)).filter(is_gone).take(MOST_GAPS);
        gaps.extend(missing.map(|number| MarkGap {
            version: version.clone(),
            number,
            is_followed: number < newest,
        }));
    }
    Ok(gaps)
}

/// Reads a file of the catalog; `None` when there is none.
fn read<T>(path: &Path, read: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<Option<T>, StoreError> {
    let damaged = |reason| StoreError::Damaged {
        what: format!("record {}", path.display()),
        reason,
    };
    match read_file(path) {
        Ok(Some(bytes)) => read(&bytes).map(Some).map_err(damaged),
        Ok(None) => Err(damaged("it is not a file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // No record has a name that the system refuses for its length.
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
        Err(error) => Err(failed("cannot read", path)(error)),
    }
}
