//! Whatever happens to the files of a store: it is found, named, and told what it breaks; what it does not break
//! still works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pipeline_artifacts::{LocalStore, StoreReport};
use proptest::prelude::*;

use crate::{Bench, damage, files, shop, v};

/// What happens to a file.
#[derive(Debug, Clone)]
enum Harm {
    Flip(u32, u8),
    Cut(u32),
    Grow(Vec<u8>),
    Zero(u32, u8),
    Remove,
    /// It gets the bytes of another one, and the other one gets its.
    Swap(usize),
    /// Another file's bytes, all of them.
    Copy(usize),
    Directory,
    Link,
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => (any::<u32>(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        2 => any::<u32>().prop_map(Harm::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Harm::Grow),
        1 => (any::<u32>(), any::<u8>()).prop_map(|(at, len)| Harm::Zero(at, len)),
        2 => Just(Harm::Remove),
        2 => any::<usize>().prop_map(Harm::Swap),
        1 => any::<usize>().prop_map(Harm::Copy),
        1 => Just(Harm::Directory),
        1 => Just(Harm::Link),
    ]
}

/// The files whose bytes are a source of truth: blobs and records. What is derived may be anything.
fn truth(root: &Path) -> Vec<PathBuf> {
    ["blobs", "catalog"]
        .iter()
        .flat_map(|name| files(&root.join(name)))
        .collect()
}

fn inflict(harm: &Harm, path: &Path, all: &[PathBuf]) {
    let bytes = fs::read(path).unwrap();
    let place = |at: u32| at as usize % bytes.len().max(1);
    let mut changed = bytes.clone();
    match harm {
        Harm::Flip(..) if bytes.is_empty() => {}
        Harm::Flip(at, bit) => changed[place(*at)] ^= 1 << bit,
        Harm::Cut(at) => changed.truncate(place(*at)),
        Harm::Grow(more) => changed.extend(more),
        Harm::Zero(at, len) => {
            let from = place(*at);
            let until = (from + usize::from(*len) + 1).min(bytes.len());
            changed[from..until].fill(0);
        }
        Harm::Swap(other) => {
            let other = &all[other % all.len()];
            changed = fs::read(other).unwrap();
            damage(other, &bytes);
        }
        Harm::Copy(other) => changed = fs::read(&all[other % all.len()]).unwrap(),
        Harm::Remove | Harm::Directory | Harm::Link => {
            fs::remove_file(path).unwrap();
            match harm {
                Harm::Directory => fs::create_dir(path).unwrap(),
                Harm::Link => std::os::unix::fs::symlink("/etc/hostname", path).unwrap(),
                _ => {}
            }
            return;
        }
    }
    damage(path, &changed);
}

/// The versions that cannot be had.
fn broken(store: &LocalStore, versions: &[&str], out: &Path) -> BTreeSet<String> {
    let have = |version: &str| -> bool {
        let Ok(Some(found)) = store.find(&shop(), &v(version)) else {
            return false;
        };
        let _ = fs::remove_dir_all(out);
        store
            .artifact(&found)
            .is_ok_and(|opened| opened.write_to(out).is_ok())
    };
    versions
        .iter()
        .filter(|version| !have(version))
        .map(ToString::to_string)
        .collect()
}

fn told(report: &StoreReport) -> BTreeSet<String> {
    report
        .problems
        .iter()
        .flat_map(|problem| &problem.breaks)
        .map(|(_, version)| version.to_string())
        .collect()
}

const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "2.0.0"];

/// Three versions that share some blobs; one is published as another is.
fn store() -> Bench {
    let bench = Bench::new();
    let filler: String = (0..400).map(|number| format!("line {number}\n")).collect();
    for (version, mark) in VERSIONS.iter().zip(["a", "b", "b"]) {
        let tree = bench
            .tree(&format!("tree-{version}"))
            .filled()
            .file("mark", mark)
            .file("same/filler", &filler);
        bench.publish(&tree, version);
    }
    bench
}

/// The files that each version needs, its record first.
fn needs(store: &LocalStore) -> BTreeMap<String, Vec<PathBuf>> {
    let root = store.root();
    let blob = |digest: &str| {
        root.join("blobs/sha256")
            .join(digest.strip_prefix("sha256:").unwrap())
    };
    let needs = |version: &&str| {
        let artifact = store.find(&shop(), &v(version)).unwrap().unwrap();
        let manifest = blob(&artifact.digest.to_string());
        let parsed: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        let layers = parsed["layers"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&parsed["config"]]);
        let layers = layers.map(|layer| blob(layer["digest"].as_str().unwrap()));
        let record = root.join(format!("catalog/shop/{version}.json"));
        [record, manifest].into_iter().chain(layers).collect()
    };
    VERSIONS
        .iter()
        .map(|version| (version.to_string(), needs(version)))
        .collect()
}

/// A record that is gone leaves no trace: only the journal knows it.
fn lost(root: &Path) -> BTreeSet<String> {
    let there = |version: &&&str| !root.join(format!("catalog/shop/{version}.json")).exists();
    VERSIONS.iter().filter(there).map(ToString::to_string).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn harm_is_named_with_exactly_what_it_breaks(harms in prop::collection::vec((any::<usize>(), harm()), 1..4)) {
        let bench = store();
        let root = bench.path("store");
        let all = truth(&root);
        let needs = needs(&bench.store);
        let before: Vec<Vec<u8>> = all.iter().map(|path| fs::read(path).unwrap()).collect();
        for (at, harm) in &harms {
            let path = &all[at % all.len()];
            if path.is_file() && !path.is_symlink() && all.iter().all(|path| path.is_file() && !path.is_symlink()) {
                inflict(harm, path, &all);
            }
        }
        let store = LocalStore::open(&root).unwrap();
        let report = store.verify().unwrap();
        let changed = |path: &Path| {
            let at = all.iter().position(|there| there == path).unwrap();
            !path.is_file() || path.is_symlink() || fs::read(path).unwrap() != before[at]
        };
        for (path, bytes) in all.iter().zip(&before) {
            let relative = path.strip_prefix(&root).unwrap();
            let is_named = report.problems.iter().any(|problem| problem.path == relative);
            let same = path.is_file() && !path.is_symlink() && fs::read(path).unwrap() == *bytes;
            // Gone, and so is what would tell of it: a record, or a blob that only spoilt manifests name.
            let told_of = |paths: &Vec<PathBuf>| paths.contains(path) && !paths[..2].iter().any(|path| changed(path));
            let is_forgotten = !path.exists() && !needs.values().any(told_of);
            prop_assert!(is_named || same || is_forgotten, "{} changed: {}", relative.display(), report);
            if same {
                let about = report.problems.iter().find(|problem| problem.path == relative);
                prop_assert!(about.is_none(), "{} is as it was: {}", relative.display(), report);
            }
        }
        let told: BTreeSet<_> = told(&report).union(&lost(&root)).cloned().collect();
        let broken = broken(&store, &VERSIONS, &bench.path("out"));
        prop_assert!(told.is_superset(&broken), "{} breaks more: {:?}", report, broken);
        // What cannot be had is broken, and so is what needs something that is not what it was, be it a part that
        // reading passes over. Whatever lies in the place of a record may name another version, too.
        let harmed = needs.iter().filter(|(_, paths)| paths.iter().any(|path| changed(path)));
        let expected: BTreeSet<String> = harmed.map(|(version, _)| version.clone()).collect();
        if needs.values().all(|paths| !changed(&paths[0])) {
            prop_assert_eq!(told, expected, "{}", report);
        } else {
            prop_assert!(told.is_superset(&expected), "{} is more: {:?}", report, expected);
        }
    }
}

/// One at a time, each blob that is gone is missed, each by its name.
#[test]
fn every_blob_that_is_gone_is_missed() {
    let bench = store();
    let root = bench.path("store");
    for path in files(&root.join("blobs")) {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let report = bench.store.verify().unwrap();
        let relative = path.strip_prefix(&root).unwrap();
        let named: Vec<_> = report.problems.iter().map(|problem| &*problem.path).collect();
        assert_eq!(named, [relative], "{report}");
        assert_eq!(
            told(&report),
            broken(&bench.store, &VERSIONS, &bench.path("out")),
            "{report}"
        );
        assert!(!told(&report).is_empty(), "{report}");
        assert_eq!(
            bench.store.add_blob(&bytes).unwrap().hex(),
            path.file_name().unwrap().to_str().unwrap()
        );
        assert!(bench.store.verify().unwrap().is_good());
    }
}
