use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline_core::{ArtifactName, CanonicalError, Digest, StoreError};

use super::layout_index::{Item, has_tag_of, splice, text_of};
use super::layout_seal::LayoutSeal;
use super::publication::plain;
use super::stamp::Stamp;
use super::{Publication, Versions};
use crate::form::Manifest;
use crate::store::Locked;
use crate::store::disk::{failed, make_dir};
use crate::{LocalStore, limits};

pub(super) const LAYOUT_FILE: &str = "oci-layout";
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const INDEX_FILE: &str = "index.json";
pub(super) const BLOBS: &str = "blobs";
/// Where the link leads: to the blobs of the store.
pub(super) const BLOBS_TARGET: &str = "../../blobs";
pub(super) const LOCK: &str = ".lock";
pub(super) const UNFINISHED: &str = ".new";

/// One name as an OCI image layout that other tools read: a tag for each version, and what is attached to them.
///
/// A view, which can be made from the records. Whoever changes what it shows has it [locked](Layout::lock) meanwhile, so
/// nobody's version is lost when many publish, and puts the change into the index that is there when its
/// [seal](LayoutSeal) proves that it shows everything else. It is not flushed; after a power cut the next publication, or
/// [`LocalStore::write_layouts`], makes it whole.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    store: &'a LocalStore,
    name: &'a ArtifactName,
    dir: PathBuf,
}

/// A layout that is locked and has no seal, while the catalog is changed. Dropped before the change is in the index, it is
/// made from the records the next time.
#[derive(Debug)]
#[must_use]
pub(crate) struct LayoutChange<'a> {
    layout: &'a Layout<'a>,
    /// The seal that was broken, if it fitted the catalog.
    before: Option<LayoutSeal>,
    _held: Locked,
}

impl LocalStore {
    /// Writes the OCI layouts of all names anew. They are kept up to date by themselves; this is for a store that came
    /// from a backup, after a power cut, when somebody changed the files of the store by hand, and when
    /// [`verify`](LocalStore::verify) tells of one. A name with a damaged record keeps the layout that it has.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read or a layout cannot be written.
    pub fn write_layouts(&self) -> Result<(), StoreError> {
        for name in &self.shown_names()? {
            as_far_as_known(Layout::of(self, name).lock()?.anew())?;
        }
        self.finish_attaching()
    }

    /// All names that have records, or a layout.
    pub(crate) fn shown_names(&self) -> Result<BTreeSet<ArtifactName>, StoreError> {
        let mut names = BTreeSet::from_iter(self.view().names()?);
        let dir = self.root().join("layouts");
        let dirs = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            dirs => dirs.map_err(failed("cannot read", &dir))?,
        };
        for layout in dirs {
            let layout = layout.map_err(failed("cannot read", &dir))?;
            let name = layout.file_name().into_string().ok();
            let name = name.and_then(|name| ArtifactName::new(name).ok());
            let is_dir = layout.file_type().is_ok_and(|kind| kind.is_dir());
            names.extend(name.filter(|_| is_dir));
        }
        Ok(names)
    }

    /// Brings those layouts up to date that have a version with this manifest.
    pub(crate) fn write_layouts_of(&self, manifest: &Digest) -> Result<(), StoreError> {
        let write = |name: &ArtifactName| {
            let versions = self.catalog().versions(name)?;
            match versions.kept().any(|entry| entry.digest == *manifest) {
                true => Layout::of(self, name).lock()?.attached(),
                false => Ok(()),
            }
        };
        for name in self.view().names()? {
            as_far_as_known(write(&name))?;
        }
        Ok(())
    }
}

impl<'a> Layout<'a> {
    pub(crate) fn of(store: &'a LocalStore, name: &'a ArtifactName) -> Self {
        let dir = store.root().join("layouts").join(name.as_str());
        Self { store, name, dir }
    }

    /// Locks it, before the catalog is changed. Ask for it before any lock that is held for short.
    pub(crate) fn lock(&'a self) -> Result<LayoutChange<'a>, StoreError> {
        // All layouts may be gone: they are a view.
        self.dir.parent().map_or(Ok(()), make_dir)?;
        make_dir(&self.dir)?;
        let lock = self.dir.join(LOCK);
        let held = File::options().create(true).append(true).open(&lock);
        let held = held.map_err(failed("cannot open", &lock))?;
        let held = Locked::alone(held).map_err(failed("cannot lock", &lock))?;
        let catalog = self.catalog_stamp()?;
        let before = LayoutSeal::read(&self.dir).filter(|seal| Some(seal.catalog) == catalog);
        LayoutSeal::break_off(&self.dir)?;
        Ok(LayoutChange {
            layout: self,
            before,
            _held: held,
        })
    }

    fn catalog_stamp(&self) -> Result<Option<Stamp>, StoreError> {
        let dir = self.store.view().dir_of(self.name);
        Stamp::of(&dir).map_err(failed("cannot read", &dir))
    }

    fn index_stamp(&self) -> Result<Option<Stamp>, StoreError> {
        let path = self.dir.join(INDEX_FILE);
        Stamp::of(&path).map_err(failed("cannot read", &path))
    }

    pub(super) fn store(&self) -> &LocalStore {
        self.store
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.store.catalog().versions(self.name)
    }

    /// Every version that is kept, and what is attached to each.
    pub(super) fn items(&self) -> Result<Vec<Item>, StoreError> {
        let versions = self.versions()?;
        let (mut items, mut subjects) = (Vec::new(), BTreeSet::new());
        for entry in versions.kept() {
            let size = match entry.manifest_bytes {
                Some(size) => Some(size),
                None => self.store.blob_size(&entry.digest)?,
            };
            // A manifest that is gone has no place in a layout; `verify` tells of it.
            let Some(size) = size else { continue };
            items.push(Item::tag(plain(&entry.version), entry.digest, size).map_err(other)?);
            // Several versions may stand for one artifact.
            if subjects.insert(entry.digest) {
                items.extend(self.attached_to(&entry.digest)?);
            }
        }
        Ok(items)
    }

    fn attached_to(&self, subject: &Digest) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for digest in self.store.attached_to(subject)? {
            items.extend(self.attached(&digest)?);
        }
        Ok(items)
    }

    fn attached(&self, digest: &Digest) -> Result<Option<Item>, StoreError> {
        // One that is damaged or gone is for `verify` to tell of.
        let Ok(bytes) = self.store.read_blob_up_to(digest, limits::MAX_MANIFEST) else {
            return Ok(None);
        };
        let manifest = Manifest::parse(&bytes).ok();
        let artifact_type = manifest.and_then(|manifest| manifest.artifact_type);
        let item = Item::attached(*digest, bytes.len() as u64, artifact_type);
        item.map(Some).map_err(other)
    }

    /// What there is besides the index.
    fn write_frame(&self) -> Result<(), StoreError> {
        let path = self.dir.join(LAYOUT_FILE);
        if !fs::read(&path).is_ok_and(|found| found == LAYOUT) {
            self.replace(LAYOUT_FILE, [LAYOUT])?;
        }
        let blobs = self.dir.join(BLOBS);
        let kind = match fs::symlink_metadata(&blobs) {
            Ok(found) => Some(found.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("cannot read", &blobs)(error)),
        };
        match kind {
            Some(kind) if kind.is_symlink() => {
                if fs::read_link(&blobs).is_ok_and(|target| target == Path::new(BLOBS_TARGET)) {
                    return Ok(());
                }
                fs::remove_file(&blobs)
            }
            // A copy of a store that followed the link has blobs in its place: `verify` tells of it, a person takes it away.
            Some(kind) if kind.is_dir() => return Ok(()),
            Some(_) => fs::remove_file(&blobs),
            None => Ok(()),
        }
        .and_then(|()| symlink(BLOBS_TARGET, &blobs))
        .map_err(failed("cannot put a link to the blobs in the place of", &blobs))
    }

    /// Replaces a file whole. The lock is held, so the name of what is unfinished is free, or a killed process left it.
    fn replace<'b>(&self, name: &str, pieces: impl IntoIterator<Item = &'b [u8]>) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let unfinished = self.dir.join(format!("{name}{UNFINISHED}"));
        // Not through a link that somebody put there.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => File::create_new(&unfinished),
        }
        .and_then(|mut file| pieces.into_iter().try_for_each(|piece| file.write_all(piece)))
        .and_then(|()| fs::rename(&unfinished, &path))
        .map_err(failed("cannot write", &path))
    }
}

impl LayoutChange<'_> {
    /// To be called when a version was published, and nothing else was changed.
    pub(crate) fn published(self, publication: &Publication) -> Result<(), StoreError> {
        self.add(Some(publication))
    }

    /// To be called when something was attached.
    fn attached(self) -> Result<(), StoreError> {
        self.add(None)
    }

    /// To be called when the catalog was changed in a way that the index does not show.
    pub(crate) fn unseen(self) -> Result<(), StoreError> {
        match self.before {
            Some(seal) => self.seal(self.layout.catalog_stamp()?, Some(seal.index), seal.digest),
            None => Ok(()),
        }
    }

    /// To be called when the catalog was to be changed and perhaps was not.
    pub(crate) fn failed(self) -> Result<(), StoreError> {
        match self.before {
            Some(seal) if Some(seal.catalog) == self.layout.catalog_stamp()? => seal.write(&self.layout.dir),
            _ => Ok(()),
        }
    }

    /// Makes the index from the records.
    pub(crate) fn anew(self) -> Result<(), StoreError> {
        let layout = self.layout;
        // Before the records are read: what somebody changes who has no lock counts as new.
        let catalog = layout.catalog_stamp()?;
        let text = text_of(layout.items()?);
        layout.write_frame()?;
        let path = layout.dir.join(INDEX_FILE);
        if !fs::read(&path).is_ok_and(|found| found == text) {
            layout.replace(INDEX_FILE, [&text[..]])?;
        }
        self.seal(catalog, layout.index_stamp()?, Digest::of(&text))
    }

    /// Puts a version, and what is being attached at this moment, into the index that is there; makes it from the records
    /// when that is not known to be right.
    fn add(self, publication: Option<&Publication>) -> Result<(), StoreError> {
        let layout = self.layout;
        let index = layout.index_stamp()?;
        let text = fs::read(layout.dir.join(INDEX_FILE));
        let (Some(seal), Ok(text)) = (self.before.filter(|seal| Some(seal.index) == index), text) else {
            return self.anew();
        };
        let Some(items) = self.news(&text, publication)? else {
            return self.anew();
        };
        let spliced = splice(&text, items);
        let spliced = spliced.and_then(|spliced| Some((spliced.digest(&seal.digest)?, spliced)));
        let Some((digest, spliced)) = spliced else {
            return self.anew();
        };
        layout.write_frame()?;
        if !spliced.is_same() {
            layout.replace(INDEX_FILE, spliced.pieces())?;
        }
        self.seal(layout.catalog_stamp()?, layout.index_stamp()?, digest)
    }

    /// What may not be in the index yet.
    fn news(&self, text: &[u8], publication: Option<&Publication>) -> Result<Option<Vec<Item>>, StoreError> {
        let (layout, mut items) = (self.layout, Vec::new());
        let mut subject = None;
        if let Some(Publication {
            artifact,
            manifest_bytes,
            ..
        }) = publication
        {
            let standing = layout.store.catalog().standing(layout.name, &artifact.version)?;
            let Some(size) = manifest_bytes.filter(|_| standing.removed.is_none()) else {
                return Ok(None);
            };
            items.push(Item::tag(plain(&artifact.version), artifact.digest, size).map_err(other)?);
            // When another version stands for it, what is attached is listed.
            if !has_tag_of(text, &artifact.digest) {
                items.extend(layout.attached_to(&artifact.digest)?);
                subject = Some(artifact.digest);
            }
        }
        for attaching in layout.store.attaching()? {
            let listed = subject == Some(attaching.subject) || has_tag_of(text, &attaching.subject);
            if listed
                && layout
                    .store
                    .is_attached(&attaching.subject, &attaching.attachment)?
            {
                items.extend(layout.attached(&attaching.attachment)?);
            }
        }
        Ok(Some(items))
    }

    fn seal(&self, catalog: Option<Stamp>, index: Option<Stamp>, digest: Digest) -> Result<(), StoreError> {
        let (Some(catalog), Some(index)) = (catalog, index) else {
            return Ok(());
        };
        let seal = LayoutSeal {
            catalog,
            index,
            digest,
        };
        seal.write(&self.layout.dir)
    }
}

/// A damaged record of another version is for `verify` to tell of: the view of its name stays as it was until then.
pub(crate) fn as_far_as_known(written: Result<(), StoreError>) -> Result<(), StoreError> {
    match written {
        Err(StoreError::Damaged { .. }) => Ok(()),
        written => written,
    }
}

fn other(error: CanonicalError) -> StoreError {
    StoreError::Other(Box::new(error))
}
