//! Artifacts that are written where something is in the way.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use pipeline_artifacts::StoredArtifact;
use pipeline_core::StoreError;
use rustix::fs::{Mode, OFlags, open, openat};

use crate::mount::Mounted;
use crate::{Bench, files, text};

/// An artifact of some megabytes.
fn large(bench: &Bench) -> StoredArtifact {
    let tree = (0..40).fold(bench.tree("large"), |tree, number| {
        tree.file(&format!("d/{number}"), vec![number; 200_000])
    });
    bench.store.artifact(&bench.publish(&tree, "2.0.0")).unwrap()
}

fn small(bench: &Bench) -> StoredArtifact {
    let tree = bench.tree("small").file("a", "new").file("d/b", "");
    bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap()
}

/// The names in a directory.
fn names(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_disk_that_fills_up_keeps_what_was_there() {
    let bench = Bench::new();
    let artifact = large(&bench);
    let Some(disk) = Mounted::tmpfs(&bench.path("disk"), "size=3m") else {
        return;
    };
    let live = disk.path().join("live");
    let full = |done: Result<(), StoreError>| match done.unwrap_err() {
        StoreError::Io { source, .. } => assert_eq!(source.kind(), ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    };
    full(artifact.write_to(&live));
    assert_eq!(names(disk.path()), [""; 0]);
    fs::create_dir(&live).unwrap();
    full(artifact.write_to(&live));
    assert_eq!(
        (names(disk.path()), names(&live)),
        (vec!["live".to_owned()], vec![])
    );
    fs::write(live.join("mine"), "mine").unwrap();
    full(artifact.replace(&live));
    assert_eq!(names(disk.path()), ["live"]);
    assert_eq!(fs::read(live.join("mine")).unwrap(), b"mine");
    // In its place.
    fs::remove_dir_all(&live).unwrap();
    full(artifact.write_to(disk.path()));
    assert_eq!(names(disk.path()), [""; 0]);
    disk.again("size=30m");
    artifact.write_to(disk.path()).unwrap();
    assert_eq!(files(disk.path()).len(), 40);
}

/// Somebody keeps data in a file system of its own within what is deployed: it is not deleted with the old directory.
#[test]
fn a_directory_with_a_mount_point_in_it_is_not_replaced() {
    let bench = Bench::new();
    let artifact = small(&bench);
    let live = bench.tree("live").dir("var/data").file("a", "old").0;
    let Some(data) = Mounted::tmpfs(&live.join("var/data"), "size=1m") else {
        return;
    };
    fs::write(data.path().join("precious"), "p").unwrap();
    let before = names(bench.dir.path());
    let error = artifact.replace(&live).unwrap_err();
    let there = fs::read(live.join("var/data/precious"));
    assert_eq!(there.unwrap(), b"p");
    assert_eq!(fs::read(live.join("a")).unwrap(), b"old");
    assert_eq!(names(bench.dir.path()), before);
    insta::assert_snapshot!(text(&error, bench.dir.path()), @"an artifact in the place of <dir>/live is refused: <dir>/live/var/data is a mount point: unmount it first");
    drop(data);
    artifact.replace(&live).unwrap();
    assert_eq!(fs::read(live.join("a")).unwrap(), b"new");
}

#[test]
fn who_reads_the_old_files_reads_on() {
    let bench = Bench::new();
    let artifact = small(&bench);
    let old = vec![b'o'; 300_000];
    let live = bench.tree("live").file("a", &old).0;
    let mut reader = fs::File::open(live.join("a")).unwrap();
    let mut begin = vec![0; 1000];
    reader.read_exact(&mut begin).unwrap();
    artifact.replace(&live).unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!([begin, rest].concat(), old);
    assert_eq!(fs::read(live.join("a")).unwrap(), b"new");
}

#[test]
fn a_link_in_the_place_of_an_artifact_stays() {
    let bench = Bench::new();
    let artifact = small(&bench);
    let (nowhere, leading) = (bench.path("nowhere"), bench.path("leading"));
    symlink("gone", &nowhere).unwrap();
    let before = names(bench.dir.path());
    for done in [artifact.write_to(&nowhere), artifact.replace(&nowhere)] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(&done.unwrap_err(), bench.dir.path()), @"an artifact in <dir>/nowhere is refused: it is a link that leads nowhere: remove it, or make the directory");
        }
        assert_eq!(fs::read_link(&nowhere).unwrap(), Path::new("gone"));
        assert_eq!(names(bench.dir.path()), before);
    }
    // What it leads to is filled, and is refused when something is in it.
    fs::create_dir(bench.path("empty")).unwrap();
    symlink("empty", &leading).unwrap();
    artifact.write_to(&leading).unwrap();
    assert_eq!(fs::read_link(&leading).unwrap(), Path::new("empty"));
    assert_eq!(fs::read(bench.path("empty/a")).unwrap(), b"new");
    let again = artifact.write_to(&leading);
    assert!(matches!(again, Err(StoreError::Refused { .. })), "{again:?}");
}

/// No path of the system has more than 4096 bytes. Those below a directory are given from there.
#[test]
fn a_place_may_be_as_deep_as_the_system_goes() {
    let bench = Bench::new();
    let part = "p".repeat(250);
    let inner = [&*part; 4].join("/");
    let tree = bench
        .tree("tree")
        .file(&format!("{inner}/f"), "far")
        .link("l", &inner);
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let mut live: PathBuf = bench.path("live");
    while live.as_os_str().len() < 3500 {
        live.push(&part);
    }
    for _ in 0..2 {
        artifact.replace(&live).unwrap();
        let flags = OFlags::CLOEXEC;
        let root = open(&live, flags | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let file = openat(&root, "l/f", flags, Mode::empty()).unwrap();
        let mut read = String::new();
        fs::File::from(file).read_to_string(&mut read).unwrap();
        assert_eq!(read, "far");
        assert_eq!(names(live.parent().unwrap()), [&*part]);
    }
    while live.as_os_str().len() < 4080 {
        live.push("deeper");
    }
    let error = artifact.write_to(&live.join(&part)).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { source, .. } if source.kind() == ErrorKind::InvalidFilename),
        "{error:?}"
    );
}
