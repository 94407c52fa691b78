//! The directory of a store, in which anybody may have done anything.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use pipeline_artifacts::{LocalStore, Selection};

use super::support::{Input, content, edit, good, scratch, shop};

/// Each operation changes a file of a good store.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut files: BTreeMap<String, Vec<u8>> = good().store.clone();
    for _ in 0..6 {
        if input.is_empty() || files.is_empty() {
            break;
        }
        change(&mut files, &mut input);
    }
    let dir = scratch();
    let root = dir.path().join("store");
    fs::create_dir(&root).expect("a directory");
    write(&files, &root);
    let Ok(store) = LocalStore::open(&root) else {
        return;
    };
    let Ok(report) = store.verify() else { return };
    let _ = report.to_string();
    let catalog = store.catalog();
    let listed: Vec<_> = catalog
        .names()
        .into_iter()
        .flatten()
        .map(|name| (catalog.versions(&name), name))
        .collect();
    let _ = catalog.newest(&shop(), &Selection::any());
    let _ = catalog.refresh();
    if report.is_good() {
        for (versions, name) in listed {
            let versions =
                versions.unwrap_or_else(|error| panic!("{name} is good, and cannot be listed: {error}"));
            for entry in versions.entries() {
                let out = dir.path().join("out");
                let opened = store
                    .artifact(&entry.reference(&name))
                    .expect("what is good opens");
                opened.write_to(&out).expect("what is good is whole");
                assert_eq!(content(&out), good().content);
                fs::remove_dir_all(&out).expect("removed");
            }
        }
    }
    // Whatever is there, a writer can go on, or says why not.
    if let Ok(digest) = store.add_blob(b"more") {
        assert_eq!(store.read_blob(&digest).expect("just stored"), b"more");
    }
}

fn change(files: &mut BTreeMap<String, Vec<u8>>, input: &mut Input<'_>) {
    let operation = input.byte() % 8;
    let at = input.below(files.len());
    let path = files.keys().nth(at).expect("a file").clone();
    let mut bytes = files[&path].clone();
    let is_file = bytes.starts_with(b"file ");
    match operation {
        0 | 1 if is_file => {
            let mut inner = bytes[5..].to_vec();
            edit(&mut inner, input);
            files.insert(path, [b"file ", &inner[..]].concat());
        }
        2 => drop(files.remove(&path)),
        3 => {
            // Under another's name, or a name that the input says.
            let other = files
                .keys()
                .nth(input.below(files.len()))
                .expect("a file")
                .clone();
            files.insert(other, bytes);
        }
        4 => {
            let name = String::from_utf8_lossy(input.take(12)).replace('\0', "_");
            files.insert(
                format!("{}/{name}", path.rsplit_once('/').map_or("", |(above, _)| above)),
                bytes,
            );
        }
        5 => drop(files.insert(path, b"directory".to_vec())),
        6 => drop(files.insert(path, b"link ../../elsewhere".to_vec())),
        _ => {
            bytes.truncate(5 + input.below(bytes.len()));
            files.insert(path, if is_file { bytes } else { b"file ".to_vec() });
        }
    }
}

/// Writes what can be written: a file below a file cannot.
fn write(files: &BTreeMap<String, Vec<u8>>, root: &Path) {
    for (path, bytes) in files {
        if path.split('/').any(|part| matches!(part, ".." | "." | "")) {
            continue;
        }
        let full = root.join(path);
        if full
            .parent()
            .is_none_or(|parent| fs::create_dir_all(parent).is_err())
            || !inside(&full, root)
        {
            continue;
        }
        if bytes == b"directory" {
            let _ = fs::create_dir_all(&full);
        } else if let Some(target) = bytes.strip_prefix(b"link ") {
            let _ = symlink(String::from_utf8_lossy(target).into_owned(), &full);
        } else if let Some(inner) = bytes.strip_prefix(b"file ") {
            let _ = fs::write(&full, inner);
        }
    }
}

/// Links that this target made lead nowhere; nothing is written through one.
fn inside(path: &Path, root: &Path) -> bool {
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    parent.is_some_and(|parent| parent.starts_with(root.canonicalize().expect("the root")))
        && fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) | !path.exists()
}
