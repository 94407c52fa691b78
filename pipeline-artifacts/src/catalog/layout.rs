use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use pipeline_core::{ArtifactName, Digest, StoreError, canonical_json};
use serde::{Deserialize, Serialize};

use crate::LocalStore;
use crate::form::{Descriptor, Manifest, media};
use crate::store::Locked;
use crate::store::disk::{failed, make_dir};

/// The version of a tag, in `index.json` only (OCI image specification 1.1, "Annotations").
const REF_NAME: &str = "org.opencontainers.image.ref.name";

const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs";
const LOCK: &str = ".lock";
const UNFINISHED: &str = ".new";

/// One name as an OCI image layout that other tools read: a tag for each version, and what is attached to them.
///
/// A view: everything in it is written anew from the records, under a lock, so nobody's version is lost when many
/// publish. It is not flushed; after a power cut the next publication, or [`LocalStore::write_layouts`], makes it whole.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    store: &'a LocalStore,
    name: &'a ArtifactName,
    dir: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Descriptor>,
}

impl LocalStore {
    /// Writes the OCI layouts of all names anew. They are kept up to date by themselves; this is for a store that came
    /// from a backup, or after a power cut.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read or a layout cannot be written.
    pub fn write_layouts(&self) -> Result<(), StoreError> {
        self.catalog()
            .names()?
            .iter()
            .try_for_each(|name| Layout::of(self, name).write())
    }

    /// Writes the layouts anew of the names that have a version with this manifest. That a record is damaged is for `verify`
    /// to tell of: the view of that name stays as it was.
    pub(crate) fn write_layouts_of(&self, manifest: &Digest) -> Result<(), StoreError> {
        let write = |name: &ArtifactName| {
            let versions = self.catalog().versions(name)?;
            match versions.kept().any(|entry| entry.digest == *manifest) {
                true => Layout::of(self, name).write(),
                false => Ok(()),
            }
        };
        for name in self.view().names()? {
            match write(&name) {
                Ok(()) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<'a> Layout<'a> {
    pub(crate) fn of(store: &'a LocalStore, name: &'a ArtifactName) -> Self {
        let dir = store.root().join("layouts").join(name.as_str());
        Self { store, name, dir }
    }

    /// Writes the layout anew, if it says something else.
    pub(crate) fn write(&self) -> Result<(), StoreError> {
        make_dir(&self.dir)?;
        let lock = self.dir.join(LOCK);
        let held = File::options().create(true).append(true).open(&lock);
        let held = held.map_err(failed("cannot open", &lock))?;
        let _held = Locked::alone(held).map_err(failed("cannot lock", &lock))?;
        // Only now: whoever comes later sees what this one saw, and more.
        let index = Index {
            schema_version: 2,
            media_type: media::INDEX.to_owned(),
            manifests: self.manifests()?,
        };
        let index = canonical_json(&index).map_err(|error| StoreError::Other(Box::new(error)))?;
        self.replace(LAYOUT_FILE, LAYOUT)?;
        let blobs = self.dir.join(BLOBS);
        match symlink(Path::new("../..").join(BLOBS), &blobs) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("cannot create the link", &blobs)(error)),
        }
        self.replace(INDEX_FILE, &index)
    }

    /// Every version that is kept, then what is attached to each.
    fn manifests(&self) -> Result<Vec<Descriptor>, StoreError> {
        let versions = self.store.catalog().versions(self.name)?;
        let mut tags = Vec::new();
        let (mut attached, mut known) = (Vec::new(), BTreeSet::new());
        for entry in versions.kept() {
            let size = match entry.manifest_bytes {
                Some(size) => Some(size),
                None => self.store.blob_size(&entry.digest)?,
            };
            // A manifest that is gone has no place in a layout; `verify` tells of it.
            let Some(size) = size else { continue };
            let mut tag = Descriptor::new(media::MANIFEST, entry.digest, size);
            tag.artifact_type = Some(media::ARTIFACT.to_owned());
            tag.annotations
                .insert(REF_NAME.to_owned(), tag_of(&entry.version));
            tags.push(tag);
            // Several versions may stand for one artifact.
            if known.insert(entry.digest) {
                self.attachments(&entry.digest, &mut known, &mut attached)?;
            }
        }
        tags.extend(attached);
        Ok(tags)
    }

    fn attachments(
        &self,
        subject: &Digest,
        known: &mut BTreeSet<Digest>,
        into: &mut Vec<Descriptor>,
    ) -> Result<(), StoreError> {
        for digest in self.store.attached_to(subject)? {
            if !known.insert(digest) {
                continue;
            }
            // One that is damaged or gone is for `verify` to tell of.
            let Ok(bytes) = self.store.read_blob(&digest) else {
                continue;
            };
            let mut found = Descriptor::new(media::MANIFEST, digest, bytes.len() as u64);
            found.artifact_type = Manifest::parse(&bytes)
                .ok()
                .and_then(|manifest| manifest.artifact_type);
            into.push(found);
        }
        Ok(())
    }

    /// Replaces a file whole, unless it is so already. The lock is held, so the name of what is unfinished is free, or
    /// a killed process left it.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        let unfinished = self.dir.join(format!("{name}{UNFINISHED}"));
        File::create(&unfinished)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(failed("cannot write", &path))
    }
}

/// A version as a registry's tag, which has no `+`.
fn tag_of(version: &semver::Version) -> String {
    super::publication::plain(version).to_string()
}
