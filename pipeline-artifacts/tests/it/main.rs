//! Tests of the crate as its users see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]
#![allow(
    clippy::result_large_err,
    reason = "`StoreError` is the core's; tests may move it"
)]

mod attach;
mod attach_race;
mod blob_stores;
mod blobs;
mod catalog;
mod checkout;
mod collect;
mod compare;
mod conformance;
mod corruption;
mod crash;
mod flawed_blobs;
mod fuzz;
mod gated;
mod heal_records;
mod hostile;
mod kill;
mod layers;
mod layout;
mod layout_check;
mod layout_steps;
mod mount;
#[cfg(feature = "oci")]
mod oci;
mod odd;
mod origin;
mod pack;
mod package;
mod process;
mod promote;
mod promote_limits;
mod properties;
mod race;
mod retention;
mod room;
mod store;
mod writers;

use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pipeline_artifacts::{LocalStore, Packed, Packer};
use pipeline_core::{ArtifactName, ArtifactRef};
use semver::Version;
use tempfile::TempDir;

/// A directory for one test, with a store in it.
struct Bench {
    dir: TempDir,
    store: LocalStore,
}

/// A directory for what nobody reads after a loss of power: in memory, where there is room, since flushes take most of
/// the time of what is done very often.
fn memory_dir() -> TempDir {
    const ROOM: u64 = 1 << 30;
    let at = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(at).map(|found| found.f_bavail * found.f_frsize);
    match room {
        Ok(room) if room > ROOM => tempfile::tempdir_in(at).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    }
}

impl Bench {
    /// See [`memory_dir`].
    fn new() -> Self {
        Self::in_dir(memory_dir())
    }

    /// For what is large, and for who flushes beside others.
    fn on_disk() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap())
    }

    fn in_dir(dir: TempDir) -> Self {
        let store = LocalStore::open(dir.path().join("store")).unwrap();
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A tree of a few things.
    fn tree(&self, name: &str) -> Tree {
        Tree::at(self.path(name))
    }

    fn pack(&self, tree: &Tree) -> Packed {
        Packer::new(&tree.0).pack(&self.store).unwrap()
    }

    fn publish(&self, tree: &Tree, version: &str) -> ArtifactRef {
        let packed = self.pack(tree);
        self.store.publish(&shop(), &v(version), &packed.digest).unwrap()
    }
}

/// Whether to try everything, however long it takes.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever starts the tests says how long they may take"
)]
fn long() -> bool {
    std::env::var_os("PIPELINE_LONG").is_some()
}

/// What a parent tells a child to do, in a variable of its own: the test harness passes no arguments on.
#[expect(clippy::disallowed_methods, reason = "it is how a parent speaks to its child")]
fn task(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// A process that runs one ignored test, which is none, and reads its task.
fn child(test: &str, variable: &str, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored"]).env(variable, task);
    command
}

/// All versions of the shop that are listed.
fn listed(store: &LocalStore) -> Vec<ArtifactRef> {
    let versions = store.catalog().versions(&shop()).unwrap();
    versions
        .entries()
        .iter()
        .map(|entry| entry.reference(&shop()))
        .collect()
}

/// Says that something could not be tried here, and why.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is told")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// A tree that is being built.
struct Tree(PathBuf);

impl Tree {
    fn at(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::create_dir_all(self.0.join(path).parent().unwrap()).unwrap();
        fs::write(self.0.join(path), bytes).unwrap();
        self
    }

    fn executable(self, path: &str, bytes: &str) -> Self {
        let tree = self.file(path, bytes);
        tree.mode(path, 0o755)
    }

    fn mode(self, path: &str, mode: u32) -> Self {
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn dir(self, path: &str) -> Self {
        fs::create_dir_all(self.0.join(path)).unwrap();
        self
    }

    fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.0.join(path)).unwrap();
        self
    }

    /// A file, a program, an empty directory and a link.
    fn filled(self) -> Self {
        self.file("etc/app.conf", "threads = 4\n")
            .executable("bin/app", "#!/bin/sh\n")
            .dir("var/empty")
            .link("run", "bin/app")
    }
}

fn shop() -> ArtifactName {
    "shop".parse().unwrap()
}

fn v(version: &str) -> Version {
    version.parse().unwrap()
}

/// An error and what caused it, as a person reads it, without the directory of the test.
fn text(error: &dyn Error, dir: &Path) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace(dir.to_str().unwrap(), "<dir>")
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Overwrites a stored file as a failing disk does.
fn damage(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}
