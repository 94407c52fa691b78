use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use pipeline_artifacts::{LocalStore, NewAttachment, Packer, StoreReport};
use pipeline_core::{Artifact, ArtifactRef, ArtifactStore, Digest, StoreError};

use crate::gated::{Gated, is_awaited, lock};
use crate::{Bench, damage, files, shop, text, v};

#[test]
fn a_version_stands_for_one_digest_for_ever() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let two = bench.pack(&bench.tree("two").file("a", "2"));

    assert_eq!(
        bench.store.publish(&shop(), &v("1.0.0"), &one.digest).unwrap(),
        one
    );
    let error = bench
        .store
        .publish(&shop(), &v("1.0.0"), &two.digest)
        .unwrap_err();
    assert!(matches!(error, StoreError::Taken { published, offered, .. }
        if published == one.digest && offered == two.digest));
    assert_eq!(bench.store.find(&shop(), &v("1.0.0")).unwrap(), Some(one.clone()));

    // Build metadata does not make another version.
    assert_eq!(
        bench.store.publish(&shop(), &v("1.0.0+b"), &one.digest).unwrap(),
        one
    );
    assert!(matches!(
        bench.store.publish(&shop(), &v("1.0.0+b"), &two.digest),
        Err(StoreError::Taken { .. })
    ));
    assert_eq!(
        bench.store.find(&shop(), &v("1.0.0+c")).unwrap(),
        Some(one.clone())
    );

    // Who is refused is told by which version, and that a change behind the `+` is none.
    let with = bench.store.publish(&shop(), &v("2.0.0+a"), &one.digest).unwrap();
    for (offered, what) in [
        (
            "2.0.0+a",
            "shop 2.0.0+a is published already as ONE; publish TWO under another version",
        ),
        (
            "2.0.0+c",
            "shop 2.0.0+a is published already as ONE and stands in the way of 2.0.0+c: what is behind a `+` does not \
             tell versions apart; publish TWO under another number",
        ),
    ] {
        let error = bench
            .store
            .publish(&shop(), &v(offered), &two.digest)
            .unwrap_err();
        let what = what
            .replace("ONE", &one.digest.to_string())
            .replace("TWO", &two.digest.to_string());
        assert_eq!(error.to_string(), what);
        assert!(matches!(error, StoreError::Taken { standing, .. } if *standing == with.version));
    }
}

#[test]
fn only_what_is_whole_is_published() {
    let bench = Bench::new();
    let packed = bench.pack(&bench.tree("tree").filled());
    let missing = Digest::of("nothing");
    let error = bench.store.publish(&shop(), &v("1.0.0"), &missing).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    for blob in files(&bench.path("store/blobs")) {
        let bytes = fs::read(&blob).unwrap();
        fs::remove_file(&blob).unwrap();
        assert!(
            bench.store.publish(&shop(), &v("1.0.0"), &packed.digest).is_err(),
            "{blob:?}"
        );
        fs::write(&blob, &bytes).unwrap();
    }
    assert!(bench.store.catalog().names().unwrap().is_empty());
    let long = v(&format!("1.0.0-{}", "x".repeat(200)));
    assert!(matches!(
        bench.store.publish(&shop(), &long, &packed.digest),
        Err(StoreError::Refused { .. })
    ));
    assert_eq!(
        bench
            .store
            .find(&shop(), &v(&format!("1.0.0-{}", "x".repeat(300))))
            .unwrap(),
        None
    );
    bench.store.publish(&shop(), &v("1.0.0"), &packed.digest).unwrap();
}

#[test]
fn a_blob_of_another_size_is_found_before_it_is_read() {
    let bench = Bench::new();
    let shop = bench.publish(&bench.tree("tree").filled(), "1.0.0");
    let layer = bench.store.artifact(&shop).unwrap().layers()[1];
    let path = bench.path("store/blobs/sha256").join(layer.digest.hex());
    let bytes = fs::read(&path).unwrap();
    for wrong in [
        &bytes[..bytes.len() - 512],
        &[&bytes[..], &[0; 512]].concat(),
        b"",
    ] {
        damage(&path, wrong);
        let error = bench.store.artifact(&shop).unwrap_err();
        assert!(
            matches!(&error, StoreError::Damaged { what, reason }
                if what.contains(&layer.digest.hex()) && reason.contains("the manifest says")),
            "{error}"
        );
        assert!(
            bench
                .store
                .publish(&shop.name, &v("1.1.0"), &shop.digest)
                .is_err()
        );
    }
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let bench = Bench::new();
    let tree = bench.tree("tree").file("a/conf", "x = 1").link("run", "a");
    let broken = BTreeSet::from([(shop(), v("1.0.0"))]);
    bench.publish(&tree, "1.0.0");
    let root = bench.path("store");
    assert!(bench.store.verify().unwrap().is_good());

    let mut flips = 0;
    // What is derived from the rest is not looked at.
    let derived = ["tmp", "cache", "layouts"].map(|dir| root.join(dir));
    for path in files(&root) {
        if derived.iter().any(|dir| path.starts_with(dir)) || path.ends_with("gc.lock") {
            continue;
        }
        let relative = path.strip_prefix(&root).unwrap();
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            damage(&path, &flipped);
            let report = bench.store.verify().unwrap();
            let problem = report.problems.iter().find(|problem| problem.path == relative);
            let problem = problem.unwrap_or_else(|| panic!("byte {at} of {relative:?}: {report}"));
            if relative != Path::new("store.json") {
                assert_eq!(problem.breaks, broken, "byte {at}: {report}");
            }
            flips += 1;
        }
        damage(&path, &bytes);
        // As does a file that is cut, grows, or is empty.
        let grown = [&bytes[..], b" "].concat();
        for wrong in [&bytes[..bytes.len() - 1], &grown, b""] {
            damage(&path, wrong);
            assert!(!bench.store.verify().unwrap().is_good(), "{relative:?}");
        }
        damage(&path, &bytes);
    }
    assert!(flips > 3000, "{flips}");
    assert!(bench.store.verify().unwrap().is_good());
}

/// One artifact is verified as all are, and nothing else is.
#[test]
fn one_artifact_is_verified_whole_and_alone() {
    let bench = Bench::new();
    let tree = bench.tree("one").file("a", "1").file("large", vec![7; 4 << 20]);
    let one = bench.publish(&tree, "1.0.0");
    let why = crate::retention::why();
    bench.store.catalog().yank(&shop(), &v("1.0.0"), &why).unwrap();
    let note = bench
        .store
        .attach(&one.digest, &NewAttachment::note("# Know this\n"))
        .unwrap();
    let on_it = bench
        .store
        .attach(&note.digest, &NewAttachment::note("# And this\n"))
        .unwrap();
    let own: BTreeSet<_> = files(&bench.path("store/blobs"))
        .into_iter()
        .chain(files(&bench.path("store/catalog")))
        .collect();
    let two = bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let whole = bench.store.verify_artifact(&one).unwrap();
    // Manifest, configuration, table of contents, two layers; two notes with a manifest each; record and mark.
    assert_eq!((whole.blobs, whole.records), (10, 2), "{whole}");
    assert!(whole.problems.is_empty(), "{whole}");
    assert_eq!(own.len(), 12);

    let root = bench.path("store");
    let config = Digest::of("{}");
    for path in files(&root.join("blobs"))
        .into_iter()
        .chain(files(&root.join("catalog")))
    {
        let bytes = fs::read(&path).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        for harm in [Some(&flipped), None] {
            let _ = fs::remove_file(&path);
            if let Some(bytes) = harm {
                fs::write(&path, bytes).unwrap();
            }
            let (all, alone) = (
                bench.store.verify().unwrap(),
                bench.store.verify_artifact(&one).unwrap(),
            );
            let relative = path.strip_prefix(&root).unwrap();
            // A record or a mark that is gone is missed by nothing that lies there.
            let missed = own.contains(&path) && (harm.is_some() || relative.starts_with("blobs"));
            let named = |report: &StoreReport| {
                let problems = report.problems.iter();
                problems
                    .filter(|problem| problem.path == relative)
                    // One that is missing is missed by the first that needs it.
                    .map(|problem| (problem.kind, problem.breaks.clone()))
                    .collect::<Vec<_>>()
            };
            let mut expected = named(&all);
            for (_, breaks) in &mut expected {
                breaks.retain(|(_, version)| *version == one.version);
            }
            expected.retain(|_| own.contains(&path));
            assert_eq!(named(&alone), expected, "{harm:?} {relative:?}: {all}\n{alone}");
            assert_eq!(!alone.is_good(), missed, "{relative:?}: {alone}");
            let broken = alone.problems.iter().any(|problem| !problem.breaks.is_empty());
            let attached = [
                note.digest,
                note.parts[0].digest,
                on_it.digest,
                on_it.parts[0].digest,
            ];
            let is_attached = attached.iter().any(|digest| path.ends_with(digest.hex()));
            assert_eq!(broken, missed && !is_attached, "{relative:?}: {alone}");
        }
        fs::write(&path, bytes).unwrap();
    }
    assert!(own.contains(&root.join("blobs/sha256").join(config.hex())));

    // A reference that the record contradicts.
    let wrong = ArtifactRef {
        digest: two.digest,
        ..one.clone()
    };
    let report = bench.store.verify_artifact(&wrong).unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(
        report.problems[0]
            .what
            .contains(&format!("it stands for {}, not for {}", one.digest, two.digest)),
        "{report}"
    );
    // One that is published nowhere is whole without a record.
    let nowhere = ArtifactRef {
        version: v("9.9.9"),
        ..one
    };
    assert!(bench.store.verify_artifact(&nowhere).unwrap().is_good());
}

/// What is read of a pipe never ends.
#[test]
fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let root = bench.path("store");
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        let mode = rustix::fs::Mode::from(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    pipe(&root.join("catalog/shop/1.0.0.json"));
    pipe(&root.join("catalog/shop/2.0.0~1.json"));
    pipe(&root.join("layouts/shop/index.json"));
    pipe(&root.join("blobs/sha256").join(one.digest.hex()));
    fs::remove_dir_all(root.join("cache")).unwrap();
    let store = LocalStore::open(&root).unwrap();
    let report = store.verify().unwrap();
    let told: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.path.to_str().unwrap(), &*problem.what))
        .collect();
    let blob = format!("blobs/sha256/{}", one.digest.hex());
    let what = "it is not a file";
    assert_eq!(
        told,
        [
            (&*blob, what),
            ("catalog/shop/1.0.0.json", what),
            ("catalog/shop/2.0.0~1.json", what)
        ]
    );
    for version in ["1.0.0", "2.0.0"] {
        let error = store.find(&shop(), &v(version)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_report_names_everything_and_what_it_breaks() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    bench.publish(&bench.tree("one"), "1.0.1");
    bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let root = bench.path("store");
    fs::rename(
        root.join("catalog/shop/2.0.0.json"),
        root.join("catalog/shop/2.1.0.json"),
    )
    .unwrap();
    fs::write(root.join("catalog/shop/1.0.0.json~"), "").unwrap();
    fs::write(root.join("catalog/README"), "").unwrap();
    fs::write(root.join("blobs/sha256/abc"), "").unwrap();
    fs::create_dir(root.join("blobs/md5")).unwrap();
    fs::remove_file(root.join("blobs/sha256").join(one.digest.hex())).unwrap();
    let config = root.join("blobs/sha256").join(Digest::of("{}").hex());
    damage(&config, b"[]");
    let report = bench.store.verify().unwrap();
    assert!(!report.is_good());
    insta::assert_snapshot!(report, @r"
    6 blobs with 5105 bytes, 3 records: 7 problems
    unexpected blobs/md5: only blobs by their SHA-256 are kept here
    damaged blobs/sha256/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a: its bytes have digest sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945
    missing blobs/sha256/76fbf65a157c6ee72feee24fcd956dc7ec1211fa076f87a77dc7472fba336b3f: a record names it; it breaks shop 1.0.0, shop 1.0.1
    unexpected blobs/sha256/abc: it is not a blob
    unexpected catalog/README: it is not the directory of a name
    unexpected catalog/shop/1.0.0.json~: it is neither the record of a version nor a mark
    damaged catalog/shop/2.1.0.json: it is the record of shop 2.0.0; it breaks shop 2.0.0, shop 2.1.0
    ");
}

#[test]
fn what_is_no_file_is_named_though_nothing_needs_it() {
    let bench = Bench::new();
    let path = bench
        .path("store/blobs/sha256")
        .join(Digest::of("nobody's").hex());
    fs::create_dir(&path).unwrap();
    let report = bench.store.verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.to_string().contains("it is not a file"), "{report}");
    assert_eq!(bench.store.list_blobs().unwrap(), []);

    // Nor is a link followed, also when it leads to the right bytes.
    fs::remove_dir(&path).unwrap();
    fs::write(bench.path("elsewhere"), "nobody's").unwrap();
    std::os::unix::fs::symlink(bench.path("elsewhere"), &path).unwrap();
    let error = bench.store.read_blob(&Digest::of("nobody's")).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { reason, .. } if reason == "it is not a file"),
        "{error}"
    );
}

#[test]
fn only_what_is_damaged_goes_to_the_quarantine() {
    let bench = Bench::new();
    let digest = bench.store.add_blob(b"whole").unwrap();
    let path = bench.path("store/blobs/sha256").join(digest.hex());
    assert_eq!(bench.store.quarantine(&digest).unwrap(), None);
    assert_eq!(bench.store.quarantine(&Digest::of("nothing")).unwrap(), None);
    assert!(path.is_file());

    // Somebody heals it after it was looked at, and before it is moved.
    damage(&path, b"wrong");
    let mut gated = Gated::new(&bench);
    let root = gated.root.clone();
    let moving = thread::spawn(move || LocalStore::open(root).unwrap().quarantine(&digest));
    gated.walk(&moving, || {
        bench.store.add_blob(b"whole").unwrap();
    });
    assert_eq!(moving.join().unwrap().unwrap(), None);
    assert_eq!(fs::read(&path).unwrap(), b"whole");

    damage(&path, b"wrong");
    let moved = bench.store.quarantine(&digest).unwrap().unwrap();
    assert_eq!(fs::read(moved).unwrap(), b"wrong");
    assert!(!path.exists());
}

/// Who waits for the lock of a manifest reads the one that is there then.
#[test]
fn a_manifest_that_is_healed_while_a_reader_waits_is_read() {
    let bench = Bench::new();
    let artifact = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let path = bench.path("store/blobs/sha256").join(artifact.digest.hex());
    let bytes = fs::read(&path).unwrap();
    damage(&path, b"wrong");
    let held = fs::File::open(&path).unwrap();
    lock(&held);
    let store = bench.store.clone();
    let opening = thread::spawn(move || store.artifact(&artifact));
    while !is_awaited(&held) {
        thread::yield_now();
    }
    bench.store.add_blob(&bytes).unwrap();
    drop(held);
    assert_eq!(opening.join().unwrap().unwrap().file("a").unwrap(), b"1");
}

#[test]
fn a_directory_that_is_replaced_leaves_nothing_beside_it() {
    let bench = Bench::new();
    let live = bench.path("beside/live");
    for version in ["1.0.0", "1.1.0"] {
        let artifact = bench.publish(&bench.tree(version).file("a", version), version);
        bench.store.artifact(&artifact).unwrap().replace(&live).unwrap();
        assert_eq!(fs::read(live.join("a")).unwrap(), version.as_bytes());
        assert_eq!(fs::read_dir(bench.path("beside")).unwrap().count(), 1);
    }
}

#[test]
fn a_mark_that_is_gone_is_missed() {
    let bench = Bench::new();
    fs::remove_file(bench.path("store/store.json")).unwrap();
    let report = bench.store.verify().unwrap().to_string();
    assert!(report.contains("missing store.json"), "{report}");
    fs::write(bench.path("store/notes"), "").unwrap();
    let report = bench.store.verify().unwrap().to_string();
    assert!(report.contains("unexpected notes"), "{report}");
}

#[test]
fn a_damaged_blob_is_never_given_and_heals() {
    let bench = Bench::new();
    let tree = bench.tree("tree").filled();
    let shop = bench.publish(&tree, "1.0.0");
    let before: Vec<_> = files(&bench.path("store/blobs"));
    for path in &before {
        let bytes = fs::read(path).unwrap();
        let digest: Digest = format!("sha256:{}", path.file_name().unwrap().to_str().unwrap())
            .parse()
            .unwrap();
        let mut flipped = bytes.clone();
        flipped[0] ^= 1;
        for wrong in [flipped, Vec::new(), bytes[1..].to_vec()] {
            damage(path, &wrong);
            let error = bench.store.read_blob(&digest).unwrap_err();
            assert!(matches!(&error, StoreError::Damaged { what, .. } if what.contains(&digest.hex())));
            // Packing again heals, as does adding the blob.
            bench.pack(&tree);
            assert_eq!(bench.store.read_blob(&digest).unwrap(), bytes);
            damage(path, &wrong);
            assert_eq!(bench.store.add_blob(&bytes).unwrap(), digest);
            assert_eq!(bench.store.read_blob(&digest).unwrap(), bytes);
        }
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o444);
    }
    assert_eq!(files(&bench.path("store/blobs")), before);
    bench
        .store
        .artifact(&shop)
        .unwrap()
        .write_to(&bench.path("live"))
        .unwrap();
}

#[test]
fn a_damaged_file_is_not_given_by_an_open_artifact() {
    let bench = Bench::new();
    let shop = bench.publish(&bench.tree("tree").file("a", "aaaa").file("b", "bbbb"), "1.0.0");
    let artifact = bench.store.artifact(&shop).unwrap();
    let tar = files(&bench.path("store/blobs"))
        .into_iter()
        .max_by_key(|path| path.metadata().unwrap().len());
    let tar = tar.unwrap();
    let mut bytes = fs::read(&tar).unwrap();
    let at = bytes.windows(4).position(|window| window == b"bbbb").unwrap();
    bytes[at] = b'c';
    damage(&tar, &bytes);

    assert_eq!(artifact.file("a").unwrap(), b"aaaa");
    let error = artifact.file("b").unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { reason, .. } if reason.contains("`b`")),
        "{error:?}"
    );
    let live = bench.path("live");
    assert!(matches!(
        artifact.write_to(&live),
        Err(StoreError::Damaged { .. })
    ));
    assert!(!live.join("b").exists(), "wrong bytes stayed");
    assert!(matches!(artifact.file("c"), Err(StoreError::NotFound { .. })));
}

#[test]
fn artifacts_go_only_into_empty_directories() {
    let bench = Bench::new();
    let tree = bench.tree("tree").filled();
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let live = bench.tree("live").file("mine", "").0;
    let error = artifact.write_to(&live).unwrap_err();
    insta::assert_snapshot!(
        text(&error, bench.dir.path()),
        @r#"an artifact in <dir>/live is refused: the directory is not empty: it holds "mine"; name an empty one, or replace the whole directory"#
    );
    assert_eq!(files(&live).len(), 1);

    let new = bench.path("new/deep");
    artifact.write_to(&new).unwrap();
    let mode = |path: &str| fs::metadata(new.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode("etc/app.conf"), mode("bin/app"), mode("var/empty")),
        (0o644, 0o755, 0o755)
    );
    assert_eq!(fs::read_link(new.join("run")).unwrap(), Path::new("bin/app"));
    assert!(artifact.write_to(&new).is_err(), "it is not empty any more");
}

#[test]
fn a_file_is_not_replaced() {
    let bench = Bench::new();
    let artifact = bench
        .store
        .artifact(&bench.publish(&bench.tree("tree").filled(), "1.0.0"))
        .unwrap();
    let mine = bench.tree("mine").file("data", "mine").0;
    let error = artifact.replace(&mine.join("data")).unwrap_err();
    insta::assert_snapshot!(
        text(&error, bench.dir.path()),
        @"an artifact in the place of <dir>/mine/data is refused: it is not a directory; name one, or a path where nothing is"
    );
    assert_eq!(fs::read(mine.join("data")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
}

#[test]
fn two_that_fill_one_directory_lose_nothing() {
    let bench = Bench::new();
    let tree = bench.tree("tree").filled();
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let whole = files(&tree.0).len();
    for round in 0..40 {
        let live = bench.path(&format!("live-{round}"));
        fs::create_dir(&live).unwrap();
        let done: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| artifact.write_to(&live))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
        let refused = |error: &StoreError| matches!(error, StoreError::Refused { .. });
        assert!(
            done.iter().filter_map(|done| done.as_ref().err()).all(refused),
            "{done:?}"
        );
        assert_eq!(files(&live).len(), whole, "round {round}");
    }
}

#[test]
fn publishers_in_threads_agree() {
    let bench = Bench::new();
    let trees: Vec<_> = (0..8)
        .map(|i| {
            bench
                .tree(&format!("{i}"))
                .file("same", "s")
                .file("a", format!("{}", i / 2))
        })
        .collect();
    let results: Vec<_> = thread::scope(|scope| {
        let publish = |tree| {
            // Half of them have a store of their own in the same directory.
            let store = LocalStore::open(bench.path("store")).unwrap();
            let packed = Packer::new(tree).pack(&store).unwrap();
            (packed.digest, store.publish(&shop(), &v("1.0.0"), &packed.digest))
        };
        let threads: Vec<_> = trees
            .iter()
            .map(|tree| scope.spawn(move || publish(&tree.0)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let published = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    let mut won = 0;
    for (digest, result) in results {
        match result {
            Ok(artifact) => {
                assert_eq!((&artifact, artifact.digest), (&published, digest));
                won += 1;
            }
            Err(StoreError::Taken { published: there, .. }) => assert_eq!(there, published.digest),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(won, 2, "two offered the same");
    assert!(bench.store.verify().unwrap().is_good());
    let left: Vec<_> = fs::read_dir(bench.path("store/tmp")).unwrap().collect();
    assert_eq!(left.len(), 0, "no lease is left: {left:?}");
}

#[test]
fn only_a_store_or_an_empty_directory_is_opened() {
    let bench = Bench::new();
    let home = bench.tree("home").file(".profile", "");
    let error = LocalStore::open(&home.0).unwrap_err();
    insta::assert_snapshot!(
        text(&error, bench.dir.path()),
        @r#"a store in <dir>/home is refused: the directory is not empty: it holds ".profile""#
    );
    assert_eq!(files(&home.0).len(), 1);

    // One that was begun by a process that died.
    let begun = bench.tree("begun").dir("blobs");
    LocalStore::open(&begun.0).unwrap().add_blob(b"x").unwrap();

    let later = bench.tree("later").file("store.json", r#"{"format":3}"#);
    let error = LocalStore::open(&later.0).unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
}

#[test]
fn reading_needs_no_right_to_write() {
    let bench = Bench::new();
    let shop = bench.publish(&bench.tree("tree").filled(), "1.0.0");
    let store = LocalStore::open(bench.path("store")).unwrap();
    store.artifact(&shop).unwrap().file("etc/app.conf").unwrap();
    store.catalog().versions(&shop.name).unwrap();
    assert!(store.verify().unwrap().is_good());
    let sessions = fs::read_dir(bench.path("store/tmp")).unwrap().count();
    assert_eq!(sessions, 0, "nobody has a lease");
}

fn through_the_traits(runtime: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()>>>)) {
    let bench = Bench::new();
    let shop = bench.publish(&bench.tree("tree").filled(), "1.0.0");
    let live = bench.path("live");
    let store: std::sync::Arc<dyn ArtifactStore> = std::sync::Arc::new(bench.store.clone());
    runtime(Box::pin(async move {
        let digest = store.put_blob(b"hello").await.unwrap();
        assert_eq!(store.blob(&digest).await.unwrap(), b"hello");
        let found = store.resolve(&shop.name, &shop.version).await.unwrap().unwrap();
        let artifact: Box<dyn Artifact> = store.open(&found).await.unwrap();
        assert_eq!(artifact.reference(), &found);
        assert_eq!(artifact.entries(None, 10).await.unwrap().len(), 7);
        assert_eq!(artifact.read("etc/app.conf").await.unwrap(), b"threads = 4\n");
        artifact.materialise(&live).await.unwrap();
        let missing = ArtifactRef {
            digest: Digest::ZERO,
            ..found
        };
        assert!(matches!(
            store.open(&missing).await,
            Err(StoreError::NotFound { .. })
        ));
        assert!(matches!(
            store.blob(&Digest::ZERO).await,
            Err(StoreError::NotFound { .. })
        ));
    }));
    assert!(bench.path("live/bin/app").exists());
}

#[test]
fn the_traits_work_in_a_runtime_and_without() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    through_the_traits(|future| runtime.block_on(future));
    through_the_traits(|mut future| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(
            future.as_mut().poll(&mut context).is_ready(),
            "nothing to wait for"
        );
    });
}
