//! What targets share: a good artifact, and changes of it, since random bytes seldom get past the first check.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pipeline_artifacts::{LocalStore, Packer};
use pipeline_core::{ArtifactName, ArtifactRef, Digest, canonical_json};
use semver::Version;
use serde_json::Value;
use tempfile::TempDir;

/// A directory in memory, where there is one: flushes would take most of the time.
pub(crate) fn scratch() -> TempDir {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.expect("a directory")
}

/// Takes numbers and texts from the input; zeros when it is used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below a limit, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let wide = if limit > 256 { 3 } else { 1 };
        let number = self
            .take(wide)
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte));
        number % limit
    }

    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Changes bytes as the input says.
pub(crate) fn edit(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..16 {
        if input.is_empty() || bytes.is_empty() {
            return;
        }
        let operation = input.byte();
        let at = input.below(bytes.len());
        let len = (1 + usize::from(input.byte())).min(bytes.len() - at);
        match operation % 6 {
            0 => bytes[at] ^= 1 << (len % 8),
            1 => bytes[at] = input.byte(),
            2 => drop(bytes.drain(at..at + len)),
            3 => bytes.truncate(at),
            4 => {
                let copy = bytes[at..at + len].to_vec();
                let to = input.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let text = input.take(len.min(24));
                bytes.splice(at..at, text.iter().copied());
            }
        }
    }
}

pub(crate) fn shop() -> ArtifactName {
    "shop".parse().expect("a name")
}

pub(crate) fn reference(digest: Digest) -> ArtifactRef {
    ArtifactRef {
        name: shop(),
        version: Version::new(1, 0, 0),
        digest,
    }
}

/// A small artifact of every sort of thing, taken apart.
pub(crate) struct Good {
    /// The files of a store that it is published in, without what writers hold; by their paths in the store.
    pub(crate) store: BTreeMap<String, Vec<u8>>,
    pub(crate) manifest: Value,
    pub(crate) toc: Value,
    /// All layers but the table of contents.
    pub(crate) layers: Vec<Vec<u8>>,
    /// What comes out.
    pub(crate) content: BTreeMap<String, Vec<u8>>,
}

pub(crate) fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let dir = scratch();
        let tree = dir.path().join("tree");
        for (path, bytes) in [
            ("etc/app.conf", "threads = 4\n"),
            ("bin/app", "#!/bin/sh\n"),
            ("a/b/c", ""),
        ] {
            fs::create_dir_all(tree.join(path).parent().expect("a directory")).expect("made");
            fs::write(tree.join(path), bytes).expect("written");
        }
        fs::set_permissions(tree.join("bin/app"), fs::Permissions::from_mode(0o755)).expect("a mode");
        symlink("bin/app", tree.join("run")).expect("a link");
        symlink("../etc", tree.join("a/etc")).expect("a link");
        let root = dir.path().join("store");
        let store = LocalStore::open(&root).expect("a store");
        let packed = Packer::new(&tree).pack(&store).expect("packed");
        let artifact = store
            .publish(&shop(), &Version::new(1, 0, 0), &packed.digest)
            .expect("published");
        store
            .artifact(&artifact)
            .expect("opened")
            .write_to(&dir.path().join("out"))
            .expect("written");
        drop(store);
        let blob = |digest: &str| {
            let hex = digest.strip_prefix("sha256:").expect("a digest");
            fs::read(root.join("blobs/sha256").join(hex)).expect("a blob")
        };
        let manifest: Value = serde_json::from_slice(&blob(&packed.digest.to_string())).expect("JSON");
        let digests = manifest["layers"].as_array().expect("layers").iter();
        let mut layers: Vec<Vec<u8>> = digests
            .map(|layer| blob(layer["digest"].as_str().expect("a digest")))
            .collect();
        let toc = serde_json::from_slice(&layers.remove(0)).expect("JSON");
        Good {
            store: content(&root),
            manifest,
            toc,
            layers,
            content: content(&dir.path().join("out")),
        }
    })
}

/// Stores blobs and a manifest that names them all, with their true digests and sizes.
pub(crate) fn forge(store: &LocalStore, toc: &[u8], layers: &[Vec<u8>]) -> ArtifactRef {
    let good = &good().manifest;
    let mut manifest = good.clone();
    let types = good["layers"].as_array().expect("layers");
    let described = |bytes: &[u8], like: &Value| {
        let mut layer = like.clone();
        layer["digest"] = store.add_blob(bytes).expect("stored").to_string().into();
        layer["size"] = bytes.len().into();
        layer
    };
    let mut all = vec![described(toc, &types[0])];
    all.extend(
        layers
            .iter()
            .map(|layer| described(layer, types.last().expect("a layer"))),
    );
    manifest["layers"] = all.into();
    store.add_blob(b"{}").expect("stored");
    let bytes = canonical_json(&manifest).expect("JSON");
    reference(store.add_blob(&bytes).expect("stored"))
}

/// Every path below a directory, and what is there, without what a writer holds open.
pub(crate) fn content(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(dir) = ahead.pop() {
        for file in fs::read_dir(&dir).expect("a directory") {
            let path: PathBuf = file.expect("an entry").path();
            let name = path
                .strip_prefix(root)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            let kind = fs::symlink_metadata(&path).expect("there").file_type();
            if ["tmp/", "cache/"].iter().any(|held| name.starts_with(held)) {
                continue;
            }
            let what = if kind.is_symlink() {
                [
                    b"link ",
                    fs::read_link(&path)
                        .expect("a link")
                        .as_os_str()
                        .as_encoded_bytes(),
                ]
                .concat()
            } else if kind.is_dir() {
                ahead.push(path);
                b"directory".to_vec()
            } else {
                [b"file ", &fs::read(&path).expect("a file")[..]].concat()
            };
            found.insert(name, what);
        }
    }
    found
}
