//! The catalog: what is published, what is selected, and the index that is only a cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;

use pipeline_artifacts::{
    ArtifactQuery, Because, Catalog, LocalStore, MarkKind, Publication, SelectError, Selection,
};
use pipeline_core::{Actor, ArtifactName, ArtifactRef, Digest, Revision, StoreError};
use proptest::prelude::*;
use semver::Version;

use crate::{Bench, damage, shop, text, v};

pub(crate) fn because(reason: &str) -> Because {
    let at = "2026-11-25T12:00:00Z".parse().unwrap();
    Because::new(reason, Actor::person("ada").unwrap(), at).unwrap()
}

fn revision(id: &str) -> Revision {
    Revision {
        id: id.to_owned(),
        at: "2026-11-24T12:00:00Z".parse().unwrap(),
        summary: "Change it".to_owned(),
    }
}

/// What a query chooses, or why nothing.
fn select(catalog: &Catalog, query: &str) -> String {
    match catalog.select(&query.parse().unwrap()) {
        Ok(found) => format!("{} {}", found.name, found.version),
        Err(error) => error.to_string(),
    }
}

fn search(catalog: &Catalog, query: &str) -> Vec<String> {
    let found = catalog.search(&query.parse().unwrap()).unwrap();
    found
        .iter()
        .map(|found| format!("{} {}", found.name, found.version))
        .collect()
}

#[test]
fn versions_are_found_by_order_requirement_digest_and_revision() {
    let bench = Bench::new();
    let tree = bench.tree("one").file("a", "1");
    for version in ["1.10.0", "1.9.0", "2.0.0-rc.1", "1.9.0-rc.2+build", "0.1.0"] {
        bench.publish(&tree, version);
    }
    let two = bench.pack(&bench.tree("two").file("a", "2")).digest;
    let other = ArtifactRef {
        name: shop(),
        version: v("1.11.0"),
        digest: two,
    };
    let publication = Publication::new(other.clone())
        .revision(revision("1f3a77"))
        .run("r1".parse().unwrap());
    let published = bench.store.publish_with(publication).unwrap();
    assert!(published.tree.is_some());
    bench
        .store
        .publish(&"shop-admin".parse().unwrap(), &v("1.0.0"), &two)
        .unwrap();

    let catalog = bench.store.catalog();
    assert_eq!(
        search(&catalog, "shop@*"),
        ["shop 0.1.0", "shop 1.9.0", "shop 1.10.0", "shop 1.11.0"]
    );
    let all = catalog.versions(&shop()).unwrap();
    let all: Vec<_> = all
        .entries()
        .iter()
        .map(|entry| entry.version.to_string())
        .collect();
    assert_eq!(
        all,
        [
            "0.1.0",
            "1.9.0-rc.2+build",
            "1.9.0",
            "1.10.0",
            "1.11.0",
            "2.0.0-rc.1"
        ]
    );
    assert_eq!(catalog.names().unwrap(), ["shop", "shop-admin"]);

    let queries = [
        "shop",
        "shop@^1.2",
        "shop@~1.9",
        "shop@>=2.0.0-rc.0",
        "shop@2.0.0-rc.1",
        "shop@1.9.0-rc.2",
        "shop@1.9.0+other",
        "shop@^2",
        "shop@^3",
        "shop@3.0.0",
        "shoe",
        "shoe@1.0.0",
        "revision:1f3a",
        "revision:2",
        "shop@sha256:0000",
        "shoe@sha256:0000",
    ];
    let chosen: Vec<_> = queries
        .iter()
        .map(|query| format!("{query}: {}", select(&catalog, query)))
        .collect();
    insta::assert_snapshot!(chosen.join("\n"), @r"
        shop: shop 1.11.0
        shop@^1.2: shop 1.11.0
        shop@~1.9: shop 1.9.0
        shop@>=2.0.0-rc.0: shop 2.0.0-rc.1
        shop@2.0.0-rc.1: shop 2.0.0-rc.1
        shop@1.9.0-rc.2: shop 1.9.0-rc.2+build
        shop@1.9.0+other: shop 1.9.0
        shop@^2: no artifact fits `shop@^2`: 2.0.0-rc.1 is a pre-release; ask for it
        shop@^3: no artifact fits `shop@^3`: the newest is 2.0.0-rc.1
        shop@3.0.0: no artifact fits `shop@3.0.0`: the newest is 2.0.0-rc.1
        shoe: nothing is published under the name `shoe`
        shoe@1.0.0: nothing is published under the name `shoe`
        revision:1f3a: shop 1.11.0
        revision:2: no artifact fits `revision:2`
        shop@sha256:0000: no artifact fits `shop@sha256:0000`
        shoe@sha256:0000: no artifact fits `shoe@sha256:0000`
        ");

    let prefix = &two.hex()[..12];
    assert_eq!(
        search(&catalog, &format!("sha256:{prefix}")),
        ["shop 1.11.0", "shop-admin 1.0.0"]
    );
    assert_eq!(select(&catalog, &format!("sha256:{prefix}")), "shop 1.11.0");
    assert_eq!(select(&catalog, &format!("shop-admin@{two}")), "shop-admin 1.0.0");
    assert_eq!(catalog.by_digest(&prefix.parse().unwrap()).unwrap().len(), 2);
    assert_eq!(
        bench.store.newest(&shop(), &"^1.2".parse().unwrap()).unwrap(),
        Some(other)
    );
    assert_eq!(bench.store.newest(&shop(), &"^3".parse().unwrap()).unwrap(), None);
    let record = catalog.record(&shop(), &v("1.11.0")).unwrap().unwrap();
    assert_eq!(record, published);
    assert_eq!(record.revision, Some(revision("1f3a77")));
}

#[test]
fn what_is_ambiguous_is_listed() {
    let bench = Bench::new();
    // Sixteen trees have two digests that begin alike, whatever they are … with one digit. Four are needed: so revisions.
    for (at, id) in ["1f3a77", "1f3b00", "2a"].iter().enumerate() {
        let digest = bench.pack(&bench.tree(id).file("a", id)).digest;
        let version = Version::new(1, at as u64, 0);
        let artifact = ArtifactRef {
            name: shop(),
            version,
            digest,
        };
        bench
            .store
            .publish_with(Publication::new(artifact).revision(revision(id)))
            .unwrap();
    }
    let catalog = bench.store.catalog();
    let error = catalog.select(&"revision:1f3".parse().unwrap()).unwrap_err();
    let SelectError::Ambiguous { candidates, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(candidates.len(), 2);
    let shown = format!(
        "`revision:1f3` may be {} or {}: name one of them",
        candidates[0], candidates[1]
    );
    assert_eq!(error.to_string(), shown);
    assert_eq!(select(&catalog, "revision:1f3b"), "shop 1.1.0");
}

/// A mark is no mark of another version, and none of another number.
#[test]
fn a_mark_stands_for_what_it_names() {
    let bench = Bench::new();
    let tree = bench.tree("one").file("a", "1");
    for version in ["1.0.0", "1.1.0"] {
        bench.publish(&tree, version);
    }
    let catalog = bench.store.catalog();
    catalog
        .yank(&shop(), &v("1.0.0"), &because("it loses orders"))
        .unwrap();
    let dir = bench.path("store/catalog/shop");
    for (copy, version) in [("1.1.0~1.json", "1.1.0"), ("1.0.0~2.json", "1.0.0")] {
        fs::copy(dir.join("1.0.0~1.json"), dir.join(copy)).unwrap();
        let error = catalog.standing(&shop(), &v(version)).unwrap_err();
        assert!(
            matches!(&error, StoreError::Damaged { reason, .. } if reason.starts_with("it is mark 1 of shop 1.0.0; a copy")),
            "{copy}: {error}"
        );
        let report = bench.store.verify().unwrap();
        assert_eq!(report.problems.len(), 1, "{copy}: {report}");
        fs::remove_file(dir.join(copy)).unwrap();
    }
    assert!(bench.store.verify().unwrap().is_good());
}

#[test]
fn a_reason_is_a_short_line() {
    let because = |reason: &str| {
        let at = "2026-11-25T12:00:00Z".parse().unwrap();
        Because::new(reason, Actor::person("ada").unwrap(), at)
    };
    because(&"x".repeat(1024)).unwrap();
    for (reason, said) in [
        ("x".repeat(1025), "longer than 1024 bytes"),
        (" ".to_owned(), "it is empty"),
        ("one\ntwo".to_owned(), "control characters"),
    ] {
        let error = because(&reason).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_yanked_version_is_readable_and_not_selected() {
    let bench = Bench::new();
    let tree = bench.tree("one").file("a", "1");
    bench.publish(&tree, "1.0.0");
    let bad = bench.publish(&tree, "1.1.0");
    let catalog = bench.store.catalog();
    let other = LocalStore::open(bench.path("store")).unwrap().catalog();
    assert_eq!(select(&other, "shop"), "shop 1.1.0");

    let standing = catalog
        .yank(&shop(), &v("1.1.0+x"), &because("loses orders"))
        .unwrap();
    assert_eq!(standing.yanked.as_ref().unwrap().reason, "loses orders");
    for catalog in [&catalog, &other] {
        assert_eq!(select(catalog, "shop"), "shop 1.0.0");
        assert_eq!(select(catalog, "shop@1.1.0"), "shop 1.1.0");
        assert_eq!(
            select(catalog, "shop@>=1.1"),
            "no artifact fits `shop@>=1.1`: 1.1.0 was yanked"
        );
        assert_eq!(
            search(catalog, &bad.digest.to_string()),
            ["shop 1.0.0", "shop 1.1.0"]
        );
    }
    assert_eq!(bench.store.find(&shop(), &v("1.1.0")).unwrap(), Some(bad.clone()));
    bench.store.artifact(&bad).unwrap().file("a").unwrap();

    // Doing it twice changes nothing.
    let again = catalog
        .yank(&shop(), &v("1.1.0"), &because("another reason"))
        .unwrap();
    assert_eq!(again, standing);
    let standing = catalog
        .unyank(&shop(), &v("1.1.0"), &because("it was the network"))
        .unwrap();
    assert_eq!((standing.yanked, standing.marks), (None, 2));
    assert_eq!(select(&other, "shop"), "shop 1.1.0");
    catalog
        .yank(&shop(), &v("1.1.0"), &because("it was not"))
        .unwrap();
    let mark = other.standing(&shop(), &v("1.1.0")).unwrap().yanked.unwrap();
    assert_eq!(
        (mark.number, mark.kind, &*mark.reason),
        (3, MarkKind::Yanked, "it was not")
    );
    assert_eq!(select(&other, "shop"), "shop 1.0.0");

    let missing = catalog.yank(&shop(), &v("9.0.0"), &because("x")).unwrap_err();
    assert_eq!(missing.to_string(), "shop 9.0.0 is not in the store");
    for reason in ["", " \t", "a\nb", &"x".repeat(2000)] {
        assert!(Because::new(reason, Actor::Engine, "2026-11-25T12:00:00Z".parse().unwrap()).is_err());
    }
    assert!(bench.store.verify().unwrap().is_good());
}

#[test]
fn yankers_in_threads_agree_on_one_mark() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let standings: Vec<_> = thread::scope(|scope| {
        let yank = |reason: String| {
            let store = LocalStore::open(bench.path("store")).unwrap();
            store
                .catalog()
                .yank(&shop(), &v("1.0.0"), &because(&reason))
                .unwrap()
        };
        let threads: Vec<_> = (0..8)
            .map(|i| scope.spawn(move || yank(format!("reason {i}"))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(
        standings
            .iter()
            .all(|standing| *standing == standings[0] && standing.marks == 1),
        "{standings:?}"
    );
}

/// Writes the record of a version as another process does.
fn forge(bench: &Bench, name: &str, version: &str, digest: &Digest) -> PathBuf {
    let dir = bench.path("store/catalog").join(name);
    fs::create_dir_all(&dir).unwrap();
    let content = format!(
        r#"{{"content":{{"artifact":{{"digest":"{digest}","name":"{name}","version":"{version}"}}}},"format":2"#
    );
    let seal = Digest::of(format!("{content}}}"));
    let path = dir.join(format!("{version}.json"));
    fs::write(&path, format!(r#"{content},"seal":"{seal}"}}"#)).unwrap();
    path
}

/// A catalog of many versions, and its index.
fn filled(names: usize, versions: u64) -> (Bench, PathBuf) {
    let bench = Bench::new();
    for name in 0..names {
        for version in 0..versions {
            forge(
                &bench,
                &format!("n{name}"),
                &format!("1.{version}.0"),
                &Digest::of(version.to_string()),
            );
        }
    }
    bench.store.catalog().refresh().unwrap();
    let index = bench.path("store/cache/catalog.index");
    assert!(index.exists());
    (bench, index)
}

/// Everything that the catalog says, by a process that begins now.
fn said(bench: &Bench) -> BTreeMap<String, Vec<ArtifactRef>> {
    let all = LocalStore::open(bench.path("store"))
        .unwrap()
        .catalog()
        .all()
        .unwrap();
    let said = all.iter().map(|versions| {
        let kept = versions.kept().map(|entry| entry.reference(versions.name()));
        (versions.name().to_string(), kept.collect())
    });
    said.collect()
}

#[test]
fn a_damaged_index_is_never_believed() {
    let (bench, index) = filled(3, 4);
    let (truth, bytes) = (said(&bench), fs::read(&index).unwrap());
    assert_eq!(truth.len(), 3);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&index, &flipped).unwrap();
        assert_eq!(said(&bench), truth, "byte {at}");
        fs::write(&index, &bytes[..at]).unwrap();
        assert_eq!(said(&bench), truth, "cut at {at}");
    }
    fs::write(&index, [&bytes[..], &bytes].concat()).unwrap();
    assert_eq!(said(&bench), truth);
    fs::remove_dir_all(bench.path("store/cache")).unwrap();
    assert_eq!(said(&bench), truth);
    LocalStore::open(bench.path("store"))
        .unwrap()
        .catalog()
        .refresh()
        .unwrap();
    assert_eq!(said(&bench), truth);
}

#[test]
fn an_index_that_does_not_fit_the_records_is_not_believed() {
    let (bench, index) = filled(2, 3);
    let old = fs::read(&index).unwrap();
    // Records that come, and that go, behind its back.
    forge(&bench, "n0", "2.0.0", &Digest::of("new"));
    forge(&bench, "n9", "1.0.0", &Digest::of("new"));
    fs::remove_file(bench.path("store/catalog/n1/1.1.0.json")).unwrap();
    let now = said(&bench);
    let versions = |name: &str| {
        now[name]
            .iter()
            .map(|found| found.version.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(versions("n0"), ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]);
    assert_eq!(versions("n1"), ["1.0.0", "1.2.0"]);
    assert_eq!(versions("n9"), ["1.0.0"]);
    // And an old index that comes back from somewhere.
    bench.store.catalog().refresh().unwrap();
    fs::write(&index, &old).unwrap();
    assert_eq!(said(&bench), now);
    fs::remove_dir_all(bench.path("store/catalog/n1")).unwrap();
    assert_eq!(said(&bench).len(), 2);
}

#[test]
fn the_index_is_what_is_read() {
    let (bench, _) = filled(2, 3);
    let truth = said(&bench);
    // In place, behind everybody's back: only reading the record would show it.
    let path = bench.path("store/catalog/n0/1.1.0.json");
    damage(&path, b"{}");
    assert_eq!(said(&bench), truth, "the record was read");
    let store = LocalStore::open(bench.path("store")).unwrap();
    // Who asks for it by name gets no digest from the index.
    let error = store.find(&"n0".parse().unwrap(), &v("1.1.0")).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    fs::remove_file(bench.path("store/cache/catalog.index")).unwrap();
    let store = LocalStore::open(bench.path("store")).unwrap();
    let error = store.catalog().versions(&"n0".parse().unwrap()).unwrap_err();
    insta::assert_snapshot!(text(&error, bench.dir.path()), @"record <dir>/store/catalog/n0/1.1.0.json is damaged: its seal does not fit its content; a store that has it can give it back (`heal_records`)");
}

#[test]
fn publishers_elsewhere_are_seen_at_once() {
    let bench = Bench::new();
    let digest = bench.pack(&bench.tree("one").file("a", "1")).digest;
    let names: Vec<ArtifactName> = (0..3).map(|i| format!("n{i}").parse().unwrap()).collect();
    // Two stores, as in two processes; one publishes, the other must see it without delay.
    let reader = LocalStore::open(bench.path("store")).unwrap();
    for round in 0..100 {
        let name = &names[round % 3];
        let version = Version::new(1, round as u64, 0);
        forge(&bench, name.as_str(), &version.to_string(), &digest);
        let newest = reader.catalog().newest(name, &Selection::any()).unwrap();
        assert_eq!(newest.version, version, "round {round}");
        if round % 10 == 0 {
            reader.catalog().refresh().unwrap();
        }
    }
    let fresh = LocalStore::open(bench.path("store")).unwrap().catalog();
    assert_eq!(search(&fresh, &digest.to_string()).len(), 100);
}

#[derive(Debug, Clone)]
enum Step {
    Publish(u64, u64, bool),
    Yank(u64, u64),
    Unyank(u64, u64),
    Refresh,
    Reopen,
    SpoilIndex(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || (0..3_u64, 0..4_u64);
    prop_oneof![
        4 => (at(), any::<bool>()).prop_map(|((name, version), other)| Step::Publish(name, version, other)),
        1 => at().prop_map(|(name, version)| Step::Yank(name, version)),
        1 => at().prop_map(|(name, version)| Step::Unyank(name, version)),
        1 => Just(Step::Refresh),
        1 => Just(Step::Reopen),
        1 => any::<u16>().prop_map(Step::SpoilIndex),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 10, ..ProptestConfig::default() })]

    /// The catalog against a map, with a reader that lives as long as the test, one that begins anew, and an
    /// index that is spoilt now and then.
    #[test]
    fn a_catalog_is_a_map(steps in proptest::collection::vec(step(), 1..40)) {
        let bench = Bench::new();
        let one = bench.pack(&bench.tree("one").file("a", "1")).digest;
        let two = bench.pack(&bench.tree("two").file("a", "2")).digest;
        let reader = LocalStore::open(bench.path("store")).unwrap();
        let mut writer = LocalStore::open(bench.path("store")).unwrap();
        let mut model: BTreeMap<(ArtifactName, Version), (Digest, bool)> = BTreeMap::new();
        for step in steps {
            let key = |name, version| {
                let name: ArtifactName = format!("n{name}").parse().unwrap();
                (name, Version::new(1, version, 0))
            };
            match step {
                Step::Publish(name, version, other) => {
                    let (name, version) = key(name, version);
                    let digest = if other { two } else { one };
                    let stands = model.entry((name.clone(), version.clone())).or_insert((digest, false)).0;
                    match writer.publish(&name, &version, &digest) {
                        Ok(_) => prop_assert_eq!(stands, digest),
                        Err(StoreError::Taken { published, offered, .. }) => {
                            prop_assert_eq!((published, offered), (stands, digest));
                            prop_assert_ne!(stands, digest);
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
                Step::Yank(name, version) | Step::Unyank(name, version) => {
                    let yank = matches!(step, Step::Yank(..));
                    let (name, version) = key(name, version);
                    let done = match yank {
                        true => writer.catalog().yank(&name, &version, &because("x")),
                        false => writer.catalog().unyank(&name, &version, &because("x")),
                    };
                    match model.get_mut(&(name, version)) {
                        Some(found) => {
                            found.1 = yank;
                            prop_assert_eq!(done.unwrap().yanked.is_some(), yank);
                        }
                        None => prop_assert!(done.is_err()),
                    }
                }
                Step::Refresh => writer.catalog().refresh().unwrap(),
                Step::Reopen => writer = LocalStore::open(bench.path("store")).unwrap(),
                Step::SpoilIndex(at) => {
                    let index = bench.path("store/cache/catalog.index");
                    if let Ok(mut bytes) = fs::read(&index) {
                        let at = usize::from(at) % bytes.len();
                        bytes[at] ^= 0x10;
                        fs::write(&index, bytes).unwrap();
                    }
                }
            }
            let fresh = LocalStore::open(bench.path("store")).unwrap();
            for store in [&reader, &writer, &fresh] {
                let mut found = BTreeMap::new();
                for versions in store.catalog().all().unwrap() {
                    for entry in versions.entries() {
                        found.insert((versions.name().clone(), entry.version.clone()), (entry.digest, entry.yanked));
                    }
                }
                prop_assert_eq!(&found, &model);
                for name in 0..3 {
                    let name: ArtifactName = format!("n{name}").parse().unwrap();
                    let newest = model.iter().rfind(|((of, _), (_, yanked))| *of == name && !yanked);
                    let query: ArtifactQuery = name.as_str().parse().unwrap();
                    let chosen = store.catalog().select(&query).ok().map(|found| found.version);
                    prop_assert_eq!(chosen, newest.map(|((_, version), _)| version.clone()));
                }
            }
        }
    }
}

/// The tags of a name's OCI layout, with their digests.
fn tags(bench: &Bench, name: &str) -> BTreeMap<String, String> {
    let layout = bench.path("store/layouts").join(name);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(
        fs::read_to_string(layout.join("oci-layout")).unwrap(),
        r#"{"imageLayoutVersion":"1.0.0"}"#
    );
    let manifests = index["manifests"].as_array().unwrap().iter();
    let tags = manifests.map(|found| {
        let digest = found["digest"].as_str().unwrap().to_owned();
        let blob = layout.join("blobs").join(digest.replace(':', "/"));
        assert_eq!(fs::metadata(blob).unwrap().len(), found["size"].as_u64().unwrap());
        let tag = found["annotations"]["org.opencontainers.image.ref.name"]
            .as_str()
            .unwrap();
        (tag.to_owned(), digest)
    });
    tags.collect()
}

#[test]
fn the_layout_of_a_name_shows_every_version() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let two = bench.publish(&bench.tree("two").file("a", "2"), "1.1.0-rc.1+build.7");
    let expected = BTreeMap::from([
        ("1.0.0".to_owned(), one.digest.to_string()),
        ("1.1.0-rc.1".to_owned(), two.digest.to_string()),
    ]);
    assert_eq!(tags(&bench, "shop"), expected);
    // A view: it can go, and be spoilt, and half written.
    fs::write(bench.path("store/layouts/shop/index.json"), "{").unwrap();
    fs::write(bench.path("store/layouts/shop/index.json.new"), "{").unwrap();
    bench.store.write_layouts().unwrap();
    assert_eq!(tags(&bench, "shop"), expected);
    fs::remove_dir_all(bench.path("store/layouts/shop")).unwrap();
    bench.store.publish(&shop(), &v("1.0.0"), &one.digest).unwrap();
    assert_eq!(tags(&bench, "shop"), expected);
}

#[test]
fn no_tag_is_lost_when_many_publish() {
    let bench = Bench::new();
    let digest = bench.pack(&bench.tree("one").file("a", "1")).digest;
    thread::scope(|scope| {
        for thread in 0..6 {
            let store = LocalStore::open(bench.path("store")).unwrap();
            scope.spawn(move || {
                for version in 0..5 {
                    store
                        .publish(&shop(), &Version::new(thread, version, 0), &digest)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(tags(&bench, "shop").len(), 30);
    assert_eq!(
        bench.store.catalog().versions(&shop()).unwrap().entries().len(),
        30
    );
    assert!(bench.store.verify().unwrap().is_good());
}
