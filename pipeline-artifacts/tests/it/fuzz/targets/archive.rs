//! Artifacts of strangers: a table of contents and layers, under digests that fit.

use std::fs;
use std::path::Path;

use pipeline_artifacts::{LocalStore, StoredArtifact};
use pipeline_core::{EntryKind, canonical_json};
use serde_json::{Value, json};

use super::support::{Input, edit, forge, good, scratch};

/// Paths and targets that lead out, or are another's.
const PATHS: [&str; 20] = [
    "..",
    "../x",
    "/",
    "/etc/passwd",
    "a",
    "a/b",
    "a/b/c",
    "A/b",
    "bin/app",
    "bin/app/x",
    "run/x",
    "a/etc/x",
    ".",
    "",
    "a//b",
    "a/../..",
    "\u{0}",
    "é",
    "e\u{301}",
    "../../../../../../../../tmp/x",
];

const NUMBERS: [u64; 12] = [
    0,
    1,
    2,
    3,
    511,
    512,
    513,
    1 << 31,
    u32::MAX as u64,
    (1 << 53) - 1,
    1 << 53,
    u64::MAX,
];

/// The first byte chooses: a raw table of contents, edits of a good one, edits of the layers, or values that are put
/// into a good one.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let mut layers = good().layers.clone();
    let mut toc = canonical_json(&good().toc).expect("JSON");
    match choice % 4 {
        0 => toc = input.0.to_vec(),
        1 => edit(&mut toc, &mut input),
        2 => {
            let at = input.below(layers.len());
            edit(&mut layers[at], &mut input);
            if input.byte() % 4 == 1 {
                let other = layers[at].clone();
                layers.push(other);
            }
        }
        _ => {
            let mut value = good().toc.clone();
            for _ in 0..4 {
                if !input.is_empty() {
                    put(&mut value, &mut input);
                }
            }
            toc = canonical_json(&value).expect("JSON");
        }
    }
    let dir = scratch();
    let store = LocalStore::open(dir.path().join("store")).expect("a store");
    let artifact = forge(&store, &toc, &layers);
    if let Ok(opened) = store.artifact(&artifact) {
        check(&opened, dir.path());
    }
    let _ = store.publish(&artifact.name, &artifact.version, &artifact.digest);
    // It may be wrong, and it is said so without a panic.
    let _ = store.verify().expect("the store can be listed").to_string();
}

/// Puts a value somewhere into a table of contents.
fn put(toc: &mut Value, input: &mut Input<'_>) {
    let number = NUMBERS[input.below(NUMBERS.len())];
    let text = PATHS[input.below(PATHS.len())];
    let operation = input.byte() % 12;
    if operation == 0 {
        toc["layers"] = json!([number]);
        return;
    }
    let Some(entries) = toc["entries"]
        .as_array_mut()
        .filter(|entries| !entries.is_empty())
    else {
        return;
    };
    let at = input.below(entries.len());
    match operation {
        1 => entries[at]["path"] = text.into(),
        2 => entries[at]["target"] = text.into(),
        3 => entries[at]["size"] = number.into(),
        4 => entries[at]["offset"] = number.into(),
        5 => entries[at]["layer"] = number.into(),
        6 => {
            let copy = entries[at].clone();
            entries.insert(at, copy);
        }
        7 => drop(entries.remove(at)),
        8 => {
            entries.push(json!({"kind": "symlink", "path": text, "target": PATHS[input.below(PATHS.len())]}))
        }
        9 => entries[at]["digest"] = format!("sha256:{number:064x}").into(),
        10 => entries.sort_by(|one, two| one["path"].as_str().cmp(&two["path"].as_str())),
        _ => {
            let entry = json!({"kind": "file", "path": text, "size": number, "executable": true,
                "digest": format!("sha256:{number:064x}"), "layer": 1, "offset": 512});
            entries.insert(at, entry);
        }
    }
}

/// What was opened is written as it says, or not at all, and nowhere else.
fn check(opened: &StoredArtifact, dir: &Path) {
    let jail = dir.join("jail");
    let out = jail.join("out");
    fs::create_dir(&jail).expect("a directory");
    fs::write(jail.join("x"), "beside").expect("a file");
    let entries = opened.entries().collect::<Result<Vec<_>, _>>();
    let entries = entries.expect("what was opened is listed");
    let paths: Vec<&str> = entries.iter().map(|entry| &*entry.path).collect();
    assert!(paths.is_sorted_by(|one, two| one < two), "{paths:?}");
    for entry in &entries {
        if let EntryKind::File { size, .. } = &entry.kind {
            // A size that nobody can hold must be found out, not allocated.
            if let Ok(bytes) = opened.file(&entry.path) {
                assert_eq!(bytes.len() as u64, *size);
            }
        }
    }
    let written = opened.write_to(&out);
    let beside: Vec<_> = fs::read_dir(&jail)
        .expect("the jail")
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert!(
        beside.iter().all(|name| name == "x" || name == "out"),
        "{beside:?}"
    );
    assert_eq!(fs::read(jail.join("x")).expect("it is there"), b"beside");
    if written.is_err() {
        return;
    }
    let root = out.canonicalize().expect("it is there");
    for entry in &entries {
        let path = out.join(&entry.path);
        let metadata = fs::symlink_metadata(&path).expect("every entry is written");
        match &entry.kind {
            EntryKind::File { size, .. } => assert!(metadata.is_file() && metadata.len() == *size),
            EntryKind::Directory => assert!(metadata.is_dir()),
            EntryKind::Symlink { target } => {
                assert_eq!(fs::read_link(&path).expect("a link").to_str(), Some(&**target));
                if let Ok(end) = path.canonicalize() {
                    assert!(end.starts_with(&root), "{end:?} is outside");
                }
            }
        }
    }
}
