//! Names of files as a tree may have them: any bytes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use pipeline_artifacts::{LocalStore, PackError, Packer};

use super::support::{content, reference, scratch};

/// Each line is a path: of a directory when it ends with `/`, of a link when it holds `>`, else of a file.
pub(crate) fn run(data: &[u8]) {
    let dir = scratch();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).expect("a directory");
    for line in data.split(|byte| *byte == b'\n').take(40) {
        make(&tree, line);
    }
    let store = LocalStore::open(dir.path().join("store")).expect("a store");
    let packed = match Packer::new(&tree).pack(&store) {
        Ok(packed) => packed,
        Err(PackError::Refused { path, reason }) => {
            assert!(!reason.to_string().is_empty());
            let shown = PackError::Refused { path, reason }.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    let out = dir.path().join("out");
    let opened = store
        .artifact(&reference(packed.digest))
        .expect("what was packed opens");
    opened.write_to(&out).expect("what was packed is whole");
    // What is left out is told in the docs: anything called `.git`.
    let mut expected = content(&tree);
    expected.retain(|path, _| !path.split('/').any(|part| part == ".git"));
    assert_eq!(content(&out), expected);
    assert_eq!(Packer::new(&out).pack(&store).expect("it packs again"), packed);
    assert!(store.verify().expect("listed").is_good());
}

fn make(tree: &Path, line: &[u8]) {
    let (path, target) = match line.iter().position(|byte| *byte == b'>') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    if path.contains(&0) || target.is_some_and(|target| target.contains(&0)) {
        return;
    }
    let relative = Path::new(OsStr::from_bytes(path));
    // The file system's own words for here and above, and no way through a link.
    if relative
        .components()
        .any(|part| !matches!(part, Component::Normal(_)))
        || path.is_empty()
    {
        return;
    }
    let mut above = tree.to_owned();
    let parts: Vec<_> = relative.components().collect();
    for part in &parts[..parts.len() - 1] {
        above.push(part);
        if fs::symlink_metadata(&above).is_ok_and(|there| !there.is_dir())
            || fs::create_dir(&above).is_err() && !above.is_dir()
        {
            return;
        }
    }
    let full = tree.join(relative);
    if fs::symlink_metadata(&full).is_ok() {
        return;
    }
    match target {
        Some(target) => drop(symlink(OsStr::from_bytes(target), &full)),
        None if path.ends_with(b"/") => drop(fs::create_dir(&full)),
        None => drop(fs::write(&full, path)),
    }
}
