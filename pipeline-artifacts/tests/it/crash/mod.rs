//! Power is lost at any moment.
//!
//! A child of the test does what users do, and `strace` writes down what it asks of the system: every write, rename,
//! link, and every flush. The record is then cut at every point, what was not flushed by then is dropped in several
//! ways, and the store that is left must be one: it opens, what was acknowledged is there and whole, nothing half is
//! visible, and the next writer clears away what is left over.
//!
//! The record comes from the system and not from the store, so a flush that the store forgets is not in it.

mod disk;
mod record;
pub(crate) mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use disk::{Disk, Loss};
use pipeline_artifacts::{LocalStore, Packer};
use pipeline_core::{ArtifactRef, Digest};
use record::{Event, Record};
pub(crate) use record::{SAID, TASK};

use crate::{Bench, files, long, shop, v};

/// What a child said that it had done, each once it had.
#[derive(Debug, Default, Clone)]
pub(crate) struct Acknowledged {
    /// Digest of the manifest, and the tree that was packed.
    packed: BTreeMap<Digest, String>,
    /// Version, and digest.
    published: BTreeMap<String, Digest>,
    blobs: Vec<Digest>,
}

impl Acknowledged {
    /// Whether the child said everything that it says.
    pub(crate) fn is_complete(&self) -> bool {
        !self.blobs.is_empty()
    }

    pub(crate) fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["opened" | "collected"] => {}
            ["packed", tree, digest] => {
                self.packed.insert(digest.parse().unwrap(), tree.to_owned());
            }
            ["published", version, digest] => {
                self.published.insert(version.to_owned(), digest.parse().unwrap());
            }
            ["stored", digest] => self.blobs.push(digest.parse().unwrap()),
            _ => panic!("{line:?}"),
        }
    }
}

/// Every path below a tree, and what is there.
fn content(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(dir) = ahead.pop() {
        for file in fs::read_dir(&dir).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let what = if kind.is_symlink() {
                [
                    b"link to ",
                    fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes(),
                ]
                .concat()
            } else if kind.is_dir() {
                ahead.push(path);
                b"directory".to_vec()
            } else {
                [b"file ", &fs::read(&path).unwrap()[..]].concat()
            };
            found.insert(name, what);
        }
    }
    found
}

/// Looks at what a loss left of a store, and goes on with it.
pub(crate) fn check(left: &Path, bench: &Bench, acknowledged: &Acknowledged, case: &str) {
    let root = left.join("store");
    let store =
        LocalStore::open(&root).unwrap_or_else(|error| panic!("{case}: {}", crate::text(&error, left)));
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{case}: {report}");

    let whole = |artifact: &ArtifactRef, tree: &str| {
        let out = left.join("out");
        let opened = store
            .artifact(artifact)
            .unwrap_or_else(|error| panic!("{case}: {artifact}: {error}"));
        opened
            .write_to(&out)
            .unwrap_or_else(|error| panic!("{case}: {artifact}: {error}"));
        assert_eq!(content(&out), content(&bench.path(tree)), "{case}: {artifact}");
        fs::remove_dir_all(&out).unwrap();
    };
    for (digest, tree) in &acknowledged.packed {
        let artifact = ArtifactRef {
            name: shop(),
            version: v("0.0.0"),
            digest: *digest,
        };
        whole(&artifact, tree);
    }
    for (version, digest) in &acknowledged.published {
        let found = store.find(&shop(), &v(version)).unwrap();
        let found = found.unwrap_or_else(|| panic!("{case}: {version} is gone"));
        assert_eq!(found.digest, *digest, "{case}");
    }
    for digest in &acknowledged.blobs {
        store
            .read_blob(digest)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    // Whatever is listed can be had, acknowledged or not.
    for artifact in crate::listed(&store) {
        let opened = store
            .artifact(&artifact)
            .unwrap_or_else(|error| panic!("{case}: {artifact}: {error}"));
        opened
            .write_to(&left.join("out"))
            .unwrap_or_else(|error| panic!("{case}: {artifact}: {error}"));
        fs::remove_dir_all(left.join("out")).unwrap();
    }

    // The next writer finds no obstacle, and clears away what the dead one left.
    let tmp = |root: &Path| files(&root.join("tmp")).len();
    store.add_blob(b"the next writer").unwrap();
    let own = tmp(&root);
    assert!(
        own <= 1,
        "{case}: {own} files in tmp: {:?}",
        files(&root.join("tmp"))
    );
    for (version, tree) in script::VERSIONS {
        if !bench.path(tree).exists() {
            continue;
        }
        let packed = Packer::new(bench.path(tree))
            .pack(&store)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        let published = store.publish(&shop(), &v(version), &packed.digest);
        published.unwrap_or_else(|error| panic!("{case}: {}", crate::text(&error, left)));
    }
    // What other tools read shows everything again.
    let report = store.verify().unwrap();
    assert!(report.problems.is_empty(), "{case}, gone on: {report}");
}

/// Cuts a record at every point, or at some when it is long.
fn cut_everywhere(bench: &Bench, record: &Record, most: usize) {
    let count = record.events.len();
    assert!(count > 20, "the record is short: {:?}", record.events);
    let syncs = record.events.iter().filter(|event| event.is_sync()).count();
    assert!(syncs > 3, "only {syncs} flushes were seen");
    let step = if long() { 1 } else { count.div_ceil(most).max(1) };
    let mut cuts = 0;
    // Before a flush most is at stake.
    let before_flush = (0..count).filter(|at| record.events[*at].is_sync());
    let cuts_at: BTreeSet<usize> = (0..=count).step_by(step).chain([count]).collect();
    let before_flush: BTreeSet<usize> = before_flush.collect();
    for &cut in cuts_at.union(&before_flush) {
        let mut acknowledged = Acknowledged::default();
        for event in &record.events[..cut] {
            if let Event::Said(line) = event {
                acknowledged.add(line);
            }
        }
        let mut seen = Vec::new();
        for loss in Loss::all(cut, long()) {
            if !cuts_at.contains(&cut) && loss != Loss::Reordered {
                continue;
            }
            let disk = Disk::after(record, cut, loss);
            if seen.contains(&disk) {
                continue;
            }
            let left = crate::memory_dir();
            disk.write(left.path());
            let last = format!("{:?}", record.events[..cut].last());
            let at: String = last.chars().take(100).collect();
            check(
                left.path(),
                bench,
                &acknowledged,
                &format!("cut at {cut} of {count}, {loss:?}, after {at}"),
            );
            seen.push(disk);
            cuts += 1;
        }
    }
    assert!(cuts > 8, "only {cuts} cuts");
}

/// Cuts a record at one point, and loses in every way.
fn cut_once(bench: &Bench, record: &Record, cut: usize, acknowledged: &Acknowledged, what: &str) {
    for loss in Loss::all(cut, long()) {
        let left = crate::memory_dir();
        Disk::after(record, cut, loss).write(left.path());
        let case = format!("{what}, cut at {cut}, {loss:?}");
        check(left.path(), bench, acknowledged, &case);
    }
}

fn recorded(bench: &Bench, script: &str) -> Option<Record> {
    let record = record::record(bench, script)?;
    let said = record
        .events
        .iter()
        .filter(|event| matches!(event, Event::Said(_)))
        .count();
    assert!(said > 1, "the child acknowledged {said} times");
    Some(record)
}

/// A directory without a store yet.
fn bench() -> Bench {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("store")).unwrap();
    bench
}

#[test]
fn power_is_lost_while_versions_are_published() {
    let bench = bench();
    bench.tree("one").filled().file("etc/other", "1");
    bench
        .tree("two")
        .filled()
        .file("etc/other", "2")
        .file("etc/new", "n");
    if let Some(record) = recorded(&bench, "publish") {
        cut_everywhere(&bench, &record, 18);
    }
}

#[test]
fn power_is_lost_after_somebody_else_made_the_directory_of_the_name() {
    let bench = bench();
    bench.tree("one").filled();
    let Some(record) = recorded(&bench, "publish-beside") else {
        return;
    };
    let mut acknowledged = Acknowledged::default();
    let published = record.events.iter().position(|event| {
        let Event::Said(line) = event else { return false };
        acknowledged.add(line);
        line.starts_with("published")
    });
    cut_once(
        &bench,
        &record,
        published.unwrap() + 1,
        &acknowledged,
        "published",
    );
}

#[test]
fn power_is_lost_while_a_large_file_is_published() {
    let bench = bench();
    // Large enough for a blob of its own, and small enough to be replayed.
    bench.tree("one").filled().file("large", vec![b'a'; 9 << 20]);
    if let Some(record) = recorded(&bench, "publish") {
        cut_everywhere(&bench, &record, 3);
    }
}

#[test]
fn power_is_lost_while_a_damaged_store_is_healed() {
    let bench = Bench::new();
    let tree = bench.tree("one").filled();
    bench.publish(&tree, "1.0.0");
    // Damage that the record starts with: what is acknowledged afterwards is whole again.
    for blob in files(&bench.path("store/blobs")) {
        let mut bytes = fs::read(&blob).unwrap();
        bytes[0] ^= 1;
        crate::damage(&blob, &bytes);
    }
    let Some(record) = record::record(&bench, "heal") else {
        return;
    };
    let healed = record
        .events
        .iter()
        .position(|event| matches!(event, Event::Said(line) if line.starts_with("packed")));
    let healed = healed.expect("the child says when it has packed");
    let mut acknowledged = Acknowledged::default();
    if let Event::Said(line) = &record.events[healed] {
        acknowledged.add(line);
    }
    let step = if long() { 1 } else { 4 };
    for cut in (healed + 1..=record.events.len()).step_by(step) {
        cut_once(&bench, &record, cut, &acknowledged, "healed");
    }
}

#[test]
fn power_is_lost_after_a_store_was_healed_from_another() {
    let bench = Bench::new();
    let published = bench.publish(&bench.tree("one").filled(), "1.0.0");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([bench.path("store"), bench.path("mirror")])
        .status();
    assert!(copied.unwrap().success());
    for (at, blob) in files(&bench.path("store/blobs")).iter().enumerate() {
        match at % 2 {
            0 => crate::damage(blob, b"rust"),
            _ => fs::remove_file(blob).unwrap(),
        }
    }
    let Some(record) = record::record(&bench, "mirror") else {
        return;
    };
    let healed = record
        .events
        .iter()
        .position(|event| matches!(event, Event::Said(line) if line.starts_with("packed")));
    let healed = healed.expect("the child says when it has healed");
    let mut acknowledged = Acknowledged::default();
    acknowledged.add(&format!("packed one {}", published.digest));
    for cut in [healed + 1, record.events.len()] {
        cut_once(&bench, &record, cut, &acknowledged, "healed from another");
    }
}

#[cfg(feature = "oci")]
#[test]
fn power_is_lost_while_a_version_is_pulled() {
    let bench = Bench::new();
    let artifact = bench.publish(&bench.tree("one").filled(), "1.0.0");
    let note = pipeline_artifacts::NewAttachment::note("# Know this\n");
    let note = bench.store.attach(&artifact.digest, &note).unwrap().digest;
    let manifest = bench.store.read_blob(&artifact.digest).unwrap();
    // It is given by a registry, and goes into a store that is not there yet.
    let origin = bench.path("origin");
    fs::rename(bench.path("store"), &origin).unwrap();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
            { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": note, "size": 1 }
        ],
    });
    let list = artifact.digest.to_string().replace(':', "-");
    let mut registry = crate::oci::strange::Strange::of(&origin);
    registry.answers = BTreeMap::from([
        ("/manifests/1.0.0".to_owned(), manifest),
        (format!("/manifests/{list}"), index.to_string().into_bytes()),
    ]);
    if let Some(record) = recorded(&bench, &format!("pull-{}", registry.serve())) {
        cut_everywhere(&bench, &record, 6);
    }
}

#[test]
fn power_is_lost_after_something_came_back_from_the_trash() {
    let bench = Bench::new();
    let digest = bench.pack(&bench.tree("one").filled()).digest;
    crate::attach_race::collect(&bench.store, 1);
    assert_eq!(
        files(&bench.path("store/blobs")).len(),
        0,
        "all of it is in the trash"
    );
    let Some(record) = recorded(&bench, &format!("restore-{}", digest.hex())) else {
        return;
    };
    let mut acknowledged = Acknowledged::default();
    acknowledged.add(&format!("published 1.0.0 {digest}"));
    let end = record.events.len();
    cut_once(&bench, &record, end, &acknowledged, "restored");
}

/// What was put aside is there, and not in its place: whoever was told looks for it there.
#[test]
fn power_is_lost_after_something_was_put_aside() {
    let bench = Bench::new();
    let digest = bench.store.add_blob(b"whole").unwrap();
    let (blob, aside) = (
        format!("store/blobs/sha256/{}", digest.hex()),
        format!("store/quarantine/{}", digest.hex()),
    );
    crate::damage(&bench.path(&blob), b"wrong");
    let Some(record) = recorded(&bench, "quarantine") else {
        return;
    };
    let said = Event::Said(format!("quarantined {digest}"));
    let said = format!("{said:?}");
    let said = record
        .events
        .iter()
        .position(|event| format!("{event:?}") == said);
    for loss in Loss::all(0, long()) {
        let left = crate::memory_dir();
        Disk::after(&record, said.unwrap() + 1, loss).write(left.path());
        assert!(!left.path().join(&blob).exists(), "{loss:?}");
        assert_eq!(fs::read(left.path().join(&aside)).unwrap(), b"wrong", "{loss:?}");
    }
}

#[test]
fn power_is_lost_while_a_store_is_collected() {
    let bench = Bench::new();
    let published = bench.publish(&bench.tree("one").filled(), "1.0.0");
    // What nothing refers to, some of it shared with what is published.
    bench.pack(&bench.tree("orphan").filled().file("more", "orphan"));
    bench.store.add_blob(b"left over").unwrap();
    let mut always = Acknowledged::default();
    always.published.insert("1.0.0".to_owned(), published.digest);
    always.packed.insert(published.digest, "one".to_owned());
    // The writer of this test has to be gone, or nothing is collected.
    let Bench { dir, store } = bench;
    drop(store);
    let bench = Bench {
        store: LocalStore::open(dir.path().join("store")).unwrap(),
        dir,
    };
    let before = files(&bench.path("store/blobs")).len();
    let Some(record) = record::record(&bench, "collect") else {
        return;
    };
    let after = files(&bench.path("store/blobs")).len();
    assert!(after < before, "nothing was collected: {before} blobs");
    let start = record
        .events
        .iter()
        .position(|event| matches!(event, Event::Said(_)))
        .unwrap();
    let step = if long() { 1 } else { 2 };
    for cut in (start..=record.events.len()).step_by(step) {
        cut_once(&bench, &record, cut, &always, "collected");
    }
}

/// Not a test of the store: a flush that was left out must be noticed by the tests above.
#[test]
fn a_forgotten_flush_is_noticed() {
    let bench = bench();
    bench.tree("one").filled();
    let Some(record) = recorded(&bench, "publish") else {
        return;
    };
    let mut without = record.clone();
    without.events.retain(|event| !event.is_sync());
    let count = without.events.len();
    let disk = Disk::after(&without, count, Loss::Unflushed);
    let left = crate::memory_dir();
    disk.write(left.path());
    let store = LocalStore::open(left.path().join("store")).unwrap();
    assert_eq!(
        store.find(&shop(), &v("1.0.0")).unwrap(),
        None,
        "what was never flushed is not there"
    );
    // The names alone are kept: then bytes are missing, and that is seen, too.
    let left = crate::memory_dir();
    Disk::after(&without, count, Loss::Bytes).write(left.path());
    let bad = LocalStore::open(left.path().join("store")).map(|store| store.verify().unwrap().is_good());
    assert!(!matches!(bad, Ok(true)), "files without their bytes are good");
}
