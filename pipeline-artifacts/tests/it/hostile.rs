//! Artifacts that somebody made by hand to do harm.

use std::fs;

#[cfg(feature = "zstd")]
use pipeline_artifacts::{EnvironmentFree, Packer, ProblemKind};
use pipeline_artifacts::{Limits, limits};
#[cfg(feature = "zstd")]
use pipeline_core::Configuration;
use pipeline_core::{ArtifactRef, Digest, StoreError, canonical_json};
use serde_json::{Value, json};

use crate::{Bench, files, shop, text, v};

/// Stores an artifact made of this table of contents and tar, whatever they say.
fn forge(bench: &Bench, toc: &Value, tar: &[u8]) -> ArtifactRef {
    forge_layers(bench, toc, &[tar])
}

/// The same, with the tar cut into layers.
fn forge_layers(bench: &Bench, toc: &Value, tar: &[&[u8]]) -> ArtifactRef {
    let manifest = forged_manifest(bench, toc, tar);
    let digest = bench.store.add_blob(&canonical_json(&manifest).unwrap()).unwrap();
    ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest,
    }
}

fn forged_manifest(bench: &Bench, toc: &Value, tar: &[&[u8]]) -> Value {
    let toc = canonical_json(toc).unwrap();
    let layer = |kind: &str, bytes: &[u8]| {
        let digest = bench.store.add_blob(bytes).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let mut layers = vec![layer("application/vnd.release-pipeline.toc.v1+json", &toc)];
    layers.extend(
        tar.iter()
            .map(|tar| layer("application/vnd.oci.image.layer.v1.tar", tar)),
    );
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.release-pipeline.artifact.v1",
        "config": layer("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": layers,
    })
}

/// The tar of a tree with one file `a` that holds `x`.
fn honest(bench: &Bench) -> Vec<u8> {
    bench.pack(&bench.tree("honest-tree").file("a", "x"));
    let blobs = files(&bench.path("store/blobs"));
    let tar = blobs
        .iter()
        .map(|path| fs::read(path).unwrap())
        .find(|bytes| bytes.len() == 2048);
    tar.unwrap()
}

/// Why an artifact with these entries is refused. It must be refused before anything is written.
fn refusal(entries: Value) -> String {
    refusal_of(entries, 64 * 1024)
}

/// The same, with a tar of this size.
fn refusal_of(entries: Value, size: usize) -> String {
    let bench = Bench::new();
    let tar = vec![0; size];
    let artifact = forge(
        &bench,
        &json!({"entries": entries, "format": 2, "layers": [tar.len()]}),
        &tar,
    );
    let error = bench.store.artifact(&artifact).unwrap_err();
    assert!(
        bench
            .store
            .publish(&artifact.name, &artifact.version, &artifact.digest)
            .is_err()
    );
    assert!(!bench.store.verify().unwrap().is_good());
    let message = text(&error, bench.dir.path());
    message
        .split_once("table of contents of an artifact: ")
        .expect(&message)
        .1
        .to_owned()
}

fn file(path: &str) -> Value {
    json!({
        "kind": "file", "path": path, "size": 1, "executable": false,
        "digest": Digest::of("x"), "layer": 1, "offset": 512,
    })
}

fn link(path: &str, target: &str) -> Value {
    json!({"kind": "symlink", "path": path, "target": target})
}

fn dir(path: &str) -> Value {
    json!({"kind": "directory", "path": path})
}

#[test]
fn a_table_of_contents_that_leads_out_is_refused() {
    let huge = |size: u64| {
        json!({
            "kind": "file", "path": "a", "size": size, "executable": false,
            "digest": Digest::of("x"), "layer": 1, "offset": 512,
        })
    };
    let shifted = json!({
        "kind": "file", "path": "a", "size": 1, "executable": false,
        "digest": Digest::of("x"), "layer": 1, "offset": 1024,
    });
    let extra = json!({"kind": "directory", "path": "a", "mode": "4755"});
    let messages = [
        refusal(json!([file("/etc/passwd")])),
        refusal(json!([file("../out")])),
        refusal(json!([dir("a"), file("a/../../out")])),
        refusal(json!([file("")])),
        refusal(json!([file("a\u{0}b")])),
        refusal(json!([file(&"x".repeat(256))])),
        refusal(json!([file("a"), file("a")])),
        refusal(json!([file("b"), file("a")])),
        refusal(json!([file("a/b")])),
        refusal(json!([link("a", "."), file("a/b")])),
        refusal(json!([file("a"), file("a/b")])),
        refusal(json!([link("a", "/etc")])),
        refusal(json!([link("a", "..")])),
        refusal(json!([link("a", "b/../.."), dir("b")])),
        refusal(json!([
            dir("a"),
            dir("a/b"),
            link("a/b/c", "d/../../x"),
            link("a/b/d", "../../e"),
            dir("e")
        ])),
        refusal(json!([huge(limits::MAX_FILE)])),
        refusal(json!([huge(limits::MAX_FILE + 1)])),
        refusal_of(json!([shifted]), 2048),
        refusal(json!([extra])),
        refusal(json!([{"kind": "device", "path": "a"}])),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    "/etc/passwd": the path is absolute
    "../out": a part of the path is empty, `.` or `..`
    "a/../../out": a part of the path is empty, `.` or `..`
    "": the path is empty
    entry 1: a path holds a control character
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": a part of the path is longer than 255 bytes
    "a" is listed twice or out of order
    "a" is listed twice or out of order
    "a/b" does not lie in a directory that is listed
    "a/b" does not lie in a directory that is listed
    "a/b" does not lie in a directory that is listed
    the target of "a": the path is absolute
    "a" is a link to "..", which leads out of the tree
    "a" is a link to "b/../..", which leads out of the tree
    "a/b/c" is a link to "d/../../x", which leads out of the tree
    the sizes add up to too much
    "a" is larger than 9007199254740991 bytes
    "a" lies at 512 of layer 1, and not where it says
    entry 1: expected a file, a directory or a link, as they are written here, found `{"kind":"directory","mode":"4755","path"`
    entry 1: expected a file, a directory or a link, as they are written here, found `{"kind":"device","path":"a"}],"format":2`
    "#);
}

/// What is not as it is written here says something else to another reader.
#[test]
fn a_table_of_contents_has_one_spelling() {
    let bench = Bench::new();
    let tar = honest(&bench);
    let refused = |toc: &Value, more: &str, layers: &[&[u8]]| {
        let mut bytes = canonical_json(toc).unwrap();
        match more.split_once(" is ") {
            Some((from, to)) => {
                let text = String::from_utf8(bytes).unwrap();
                assert!(text.contains(from), "{text}");
                bytes = text.replace(from, to).into_bytes();
            }
            None => bytes.extend(more.as_bytes()),
        }
        let mut manifest = forged_manifest(&bench, toc, layers);
        manifest["layers"][0]["digest"] = json!(bench.store.add_blob(&bytes).unwrap());
        manifest["layers"][0]["size"] = json!(bytes.len());
        let artifact = ArtifactRef {
            name: shop(),
            version: v("1.0.0"),
            digest: bench.store.add_blob(&canonical_json(&manifest).unwrap()).unwrap(),
        };
        text(&bench.store.artifact(&artifact).unwrap_err(), bench.dir.path())
    };
    let toc = |format: u32, layer: u32, layers: &[usize]| {
        let mut entry = file("a");
        entry["layer"] = json!(layer);
        json!({"entries": [entry], "format": format, "layers": layers})
    };
    let (good, whole) = (toc(2, 1, &[2048]), [&tar[..]]);
    let cut = [&tar[..1024], &tar[1024..]];
    for (error, said) in [
        (refused(&good, "\n", &whole), "something follows its end"),
        (refused(&good, "{}", &whole), "something follows its end"),
        (
            refused(&good, "\"layer\":1 is \"layer\":01", &whole),
            "expected a whole number, found `01",
        ),
        (refused(&toc(3, 1, &[2048]), "", &whole), "it has format 3"),
        // A number of a layer that is as large as the bits beside it.
        (
            refused(&toc(2, 513, &[2048]), "", &whole),
            "lies in no layer of the tar",
        ),
        (
            refused(&toc(2, 401, &[2048]), "", &whole),
            "lies in no layer of the tar",
        ),
        (refused(&toc(2, 2, &[2048]), "", &whole), "and not where it says"),
        // A layer that nothing describes, and one that nothing holds.
        (
            refused(&good, "", &[&tar, b"more"]),
            "it describes 1 layers; the manifest names 2",
        ),
        (
            refused(&toc(2, 1, &[1024, 1024]), "", &whole),
            "it describes 2 layers; the manifest names 1",
        ),
        (
            refused(&good, "", &cut),
            "it describes 1 layers; the manifest names 2",
        ),
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// It is refused by its size, unread.
#[test]
fn a_table_of_contents_is_not_larger_than_allowed() {
    let bench = Bench::new();
    let tar = honest(&bench);
    let toc = json!({"entries": [file("a")], "format": 2, "layers": [2048]});
    let mut manifest = forged_manifest(&bench, &toc, &[&tar]);
    let (digest, size) = (Digest::of("large"), limits::MAX_TOC + 1);
    manifest["layers"][0]["digest"] = json!(digest);
    manifest["layers"][0]["size"] = json!(size);
    let path = bench.path("store/blobs/sha256").join(digest.hex());
    // Nothing but holes.
    fs::File::create(path).unwrap().set_len(size).unwrap();
    let artifact = ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest: bench.store.add_blob(&canonical_json(&manifest).unwrap()).unwrap(),
    };
    let error = bench.store.artifact(&artifact).unwrap_err();
    let said = "it has 536870913 bytes; at most 536870912 are allowed";
    assert!(error.to_string().contains(said), "{error}");
    // So is a manifest.
    let artifact = ArtifactRef { digest, ..artifact };
    let error = bench.store.artifact(&artifact).unwrap_err();
    let said = "it has 536870913 bytes; at most 4194304 are allowed";
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let bench = Bench::new();
    let artifact = forge(&bench, &json!({"slices": [], "format": 3}), &[0; 1024]);
    let error = bench.store.artifact(&artifact).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it has format 3; this version reads format 2"),
        "{error}"
    );
}

#[test]
fn a_tar_that_says_other_things_than_the_table_of_contents_is_refused() {
    let bench = Bench::new();
    let honest = honest(&bench);
    let toc = json!({"entries": [file("a")], "format": 2, "layers": [2048]});
    let artifact = bench.store.artifact(&forge(&bench, &toc, &honest)).unwrap();
    artifact.write_to(&bench.path("honest")).unwrap();
    for (at, what) in [
        (0, "another path"),
        (100, "another mode"),
        (512, "other bytes"),
        (600, "padding"),
        (2000, "the end"),
    ] {
        let mut bytes = honest.clone();
        bytes[at] ^= 1;
        let artifact = bench.store.artifact(&forge(&bench, &toc, &bytes)).unwrap();
        let live = bench.path(&format!("live-{at}"));
        let tar = artifact.export_tar(&mut Vec::new());
        assert!(matches!(tar, Err(StoreError::Damaged { .. })), "{what}: {tar:?}");
        // A header is not interpreted, so what it says does no harm.
        if at != 512 {
            continue;
        }
        let error = artifact.write_to(&live).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error:?}");
        assert!(!live.exists(), "{what}: something stayed");
        assert!(!bench.store.verify().unwrap().is_good(), "{what}");
    }
    // Sizes that do not fit are found without reading the tar.
    for bytes in [
        &honest[..honest.len() - 512],
        &[honest.clone(), vec![0; 512]].concat()[..],
    ] {
        let error = bench.store.artifact(&forge(&bench, &toc, bytes)).unwrap_err();
        assert!(
            error.to_string().contains("describes a layer 1 of 2048 bytes"),
            "{error}"
        );
    }
}

/// The same layer, and tables of contents that say different things of it: what is true of one is not true of another.
#[test]
fn a_layer_is_held_against_each_table_of_contents_that_has_it() {
    let bench = Bench::new();
    let tar = honest(&bench);
    assert!(bench.store.verify().unwrap().is_good());
    let lie = |change: &dyn Fn(&mut Value)| {
        let mut entry = file("a");
        change(&mut entry);
        let toc = json!({"entries": [entry], "format": 2, "layers": [2048]});
        forge(&bench, &toc, &tar).digest
    };
    let lies = [
        lie(&|entry| entry["digest"] = json!(Digest::of("y"))),
        lie(&|entry| entry["executable"] = json!(true)),
        lie(&|entry| entry["path"] = json!("b")),
        lie(&|entry| entry["digest"] = json!(Digest::of("z"))),
    ];
    let report = bench.store.verify().unwrap();
    let named: Vec<_> = report
        .problems
        .iter()
        .map(|problem| problem.path.clone())
        .collect();
    for digest in &lies {
        let path = std::path::Path::new("blobs/sha256").join(digest.hex());
        assert!(named.contains(&path), "{digest} is not named: {report}");
    }
    assert_eq!(named.len(), lies.len(), "{report}");

    // The same lie of the same layer in two artifacts, of which the rest is right: it is read once, and both are named.
    let mut entry = file("a");
    entry["digest"] = json!(Digest::of("y"));
    let twice = [&[1024, 1024][..], &[1024, 512, 512]].map(|sizes| {
        let toc = json!({"entries": [entry], "format": 2, "layers": sizes});
        let mut rest = &tar[..];
        let mut pieces = Vec::new();
        for size in sizes {
            let (piece, after) = rest.split_at(*size);
            pieces.push(piece);
            rest = after;
        }
        forge_layers(&bench, &toc, &pieces).digest
    });
    let report = bench.store.verify().unwrap().to_string();
    for digest in twice {
        assert!(report.contains(&digest.hex()), "{digest}: {report}");
    }
}

/// So it is with where a link leads.
#[test]
fn a_link_is_held_against_each_table_of_contents_that_has_it() {
    let bench = Bench::new();
    let tree = bench.tree("tree").file("a", "x").file("b", "x").link("l", "a");
    let packed = bench.pack(&tree);
    let reference = ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest: packed.digest,
    };
    let mut tar = Vec::new();
    let artifact = bench.store.artifact(&reference).unwrap();
    artifact.export_tar(&mut tar).unwrap();
    let mut second = file("b");
    second["offset"] = json!(1536);
    let toc = |target: &str| {
        let entries = json!([file("a"), second, link("l", target)]);
        json!({"entries": entries, "format": 2, "layers": [tar.len()]})
    };
    assert_eq!(forge(&bench, &toc("a"), &tar).digest, packed.digest);
    let lie = forge(&bench, &toc("b"), &tar).digest;
    let report = bench.store.verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].path.ends_with(lie.hex()), "{report}");
}

/// How long a compressed layer is, its descriptor does not tell.
#[cfg(feature = "zstd")]
#[test]
fn a_compressed_layer_is_neither_longer_nor_shorter() {
    let bench = Bench::new();
    let honest = honest(&bench);
    let toc = json!({"entries": [file("a")], "format": 2, "layers": [2048]});
    for size in [2048, 2048 + 512, 2048 - 512] {
        let bench = Bench::new();
        let mut tar = honest.clone();
        tar.resize(size, 0);
        let tar = zstd::encode_all(&tar[..], 3).unwrap();
        let mut manifest = forged_manifest(&bench, &toc, &[&tar]);
        manifest["layers"][1]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
        bench.store.add_blob(&canonical_json(&manifest).unwrap()).unwrap();
        let report = bench.store.verify().unwrap();
        assert_eq!(report.is_good(), size == honest.len(), "{size} bytes: {report}");
    }
}

/// Files of zeros in one compressed layer: some thousand bytes that unpack to as much as somebody likes.
#[cfg(feature = "zstd")]
fn bomb(bench: &Bench, names: &[&str], size: usize) -> ArtifactRef {
    let header = |name: &str| {
        let scratch = Bench::new();
        let artifact = scratch.publish(&scratch.tree("tree").file(name, vec![0; size]), "1.0.0");
        let mut tar = Vec::new();
        let opened = scratch.store.artifact(&artifact).unwrap();
        opened.export_tar(&mut tar).unwrap();
        tar.truncate(512);
        tar
    };
    let (mut tar, mut entries) = (Vec::new(), Vec::new());
    let zeros = Digest::of(vec![0; size]);
    for name in names {
        tar.extend(header(name));
        let mut entry = file(name);
        (entry["size"], entry["digest"], entry["offset"]) = (json!(size), json!(zeros), json!(tar.len()));
        tar.resize(tar.len() + size, 0);
        entries.push(entry);
    }
    tar.resize(tar.len() + 1024, 0);
    entries.sort_by_key(|entry| entry["path"].to_string());
    let toc = json!({"entries": entries, "format": 2, "layers": [tar.len()]});
    let blob = zstd::encode_all(&tar[..], 3).unwrap();
    assert!(blob.len() * 100 < tar.len());
    let mut manifest = forged_manifest(bench, &toc, &[&blob]);
    manifest["layers"][1]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
    let digest = bench.store.add_blob(&canonical_json(&manifest).unwrap()).unwrap();
    ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest,
    }
}

#[cfg(feature = "zstd")]
#[test]
fn no_more_is_unpacked_than_the_limits_of_the_store_allow() {
    const MIB: usize = 1024 * 1024;
    let bench = Bench::new();
    // Read in the order of their paths, each is before the one before.
    let names = ["h", "g", "f", "e", "d", "c", "b", "a"];
    let artifact = bomb(&bench, &names, MIB);
    let whole = 8 * (MIB as u64 + 512) + 1024;
    assert!(bench.store.verify().unwrap().is_good());

    // The bytes of the blob are as they should be; what they unpack to, nobody looks at.
    let limited = |bytes: u64| bench.store.limiting(Limits::default().bytes(bytes));
    let report = limited(whole - 1).verify_artifact(&artifact).unwrap();
    let manifest = format!("blobs/sha256/{}", artifact.digest.hex());
    assert_eq!(report.problems.len(), 1, "{report}");
    assert_eq!(report.problems[0].path.to_str(), Some(&*manifest));
    assert_eq!(report.problems[0].kind, ProblemKind::Unreadable);
    let what = format!(
        "it has {whole} bytes as a tar, at most {} are taken: raise `Limits::bytes` if it is trusted",
        whole - 1
    );
    assert_eq!(report.problems[0].what, what);
    assert_eq!(
        bench.store.quarantine_all(&report).unwrap(),
        [],
        "it is no damage"
    );
    assert!(limited(whole).verify().unwrap().is_good());

    // A small file far behind, and all of them from back to front: 28 MiB are unpacked for nothing.
    let read = |bytes: u64, path: &str| limited(bytes).artifact(&artifact).unwrap().file(path);
    let refused = |error: StoreError| {
        let said = text(&error, bench.dir.path());
        assert!(said.contains("for nothing: raise `Limits::bytes`"), "{said}");
    };
    refused(read(2 * MIB as u64, "a").unwrap_err());
    assert_eq!(read(2 * MIB as u64, "h").unwrap().len(), MIB);
    assert_eq!(read(8 * MIB as u64, "a").unwrap().len(), MIB);
    let free = EnvironmentFree::new().configuration(
        &Configuration::parse("live".parse().unwrap(), "host = 'www.example.com'", "live.toml").unwrap(),
    );
    let check = |bytes: u64| free.check(&limited(bytes).artifact(&artifact).unwrap());
    refused(check(20 * MIB as u64).unwrap_err());
    assert!(check(30 * MIB as u64).unwrap().is_free());
    let error = check(whole - 1).unwrap_err().to_string();
    assert!(error.contains("bytes as a tar"), "{error}");
    // In the order of the tar nothing is.
    let opened = limited(whole).artifact(&artifact).unwrap();
    opened.write_to(&bench.path("live")).unwrap();
    assert_eq!(opened.export_tar(&mut std::io::sink()).unwrap(), whole);
}

/// Files of any size, one after another: nothing of the layer is unpacked twice.
#[cfg(feature = "zstd")]
#[test]
fn a_compressed_layer_is_unpacked_once() {
    let bench = Bench::new();
    let mut tree = bench.tree("tree");
    for number in 0..60_u8 {
        tree = tree.file(&format!("{number:02}"), vec![number; 50_001]);
    }
    let packed = Packer::new(&tree.0).compress(3).pack(&bench.store).unwrap();
    let artifact = bench.store.publish(&shop(), &v("1.0.0"), &packed.digest).unwrap();
    let opened = bench.store.artifact(&artifact).unwrap();
    let size = opened.export_tar(&mut std::io::sink()).unwrap();
    let store = bench.store.limiting(Limits::default().bytes(size));
    store
        .artifact(&artifact)
        .unwrap()
        .write_to(&bench.path("live"))
        .unwrap();
}

#[test]
fn a_file_that_goes_through_layers_is_held_against_its_digest() {
    let bench = Bench::new();
    let content: Vec<u8> = (0..3000_u32).map(|at| (at % 251) as u8).collect();
    let tree = bench.tree("tree").file("a", &content);
    let packed = bench.pack(&tree);
    let reference = |digest| ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest,
    };
    let mut tar = Vec::new();
    let artifact = bench.store.artifact(&reference(packed.digest)).unwrap();
    artifact.export_tar(&mut tar).unwrap();
    let toc = |digest: Digest| {
        let entry = json!({
            "kind": "file", "path": "a", "size": content.len(), "executable": false,
            "digest": digest, "layer": 1, "offset": 512,
        });
        json!({"entries": [entry], "format": 2, "layers": [1000, 1000, tar.len() - 2000]})
    };
    let cut = [&tar[..1000], &tar[1000..2000], &tar[2000..]];
    let good = forge_layers(&bench, &toc(Digest::of(&content)), &cut);
    let opened = bench.store.artifact(&good).unwrap();
    assert_eq!(opened.file("a").unwrap(), content);
    assert_eq!(opened.tree().unwrap(), packed.tree);
    assert!(bench.store.verify().unwrap().is_good());

    // Every layer is what the manifest says, and the file is not what the table of contents says.
    let lying = forge_layers(&bench, &toc(Digest::of("other")), &cut);
    let opened = bench.store.artifact(&lying).unwrap();
    assert!(matches!(opened.file("a"), Err(StoreError::Damaged { .. })));
    assert!(opened.write_to(&bench.path("live")).is_err());
    let report = bench.store.verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].path.ends_with(lying.digest.hex()), "{report}");

    // A byte in the middle of it, in a layer that holds no whole file: an export finds it before it is written.
    let middle = bench.path("store/blobs/sha256").join(Digest::of(cut[1]).hex());
    let mut bytes = cut[1].to_vec();
    bytes[500] ^= 1;
    crate::damage(&middle, &bytes);
    let opened = bench.store.artifact(&good).unwrap();
    let mut out = Vec::new();
    assert!(matches!(
        opened.export_tar(&mut out),
        Err(StoreError::Damaged { .. })
    ));
    assert_eq!(out, cut[0], "nothing of the damaged layer is given");
}

#[test]
fn a_manifest_has_one_spelling_and_a_bounded_number_of_layers() {
    let bench = Bench::new();
    let tar = honest(&bench);
    let toc = json!({"entries": [file("a")], "format": 2, "layers": [2048]});
    let why = |bytes: &[u8]| {
        let artifact = ArtifactRef {
            name: shop(),
            version: v("1.0.0"),
            digest: bench.store.add_blob(bytes).unwrap(),
        };
        let error = bench.store.artifact(&artifact).unwrap_err();
        text(&error, bench.dir.path())
            .split("artifact: ")
            .last()
            .unwrap()
            .to_owned()
    };
    let manifest = forged_manifest(&bench, &toc, &[&tar]);
    let mut noted = manifest.clone();
    noted["annotations"] = json!({"built-at": "noon"});
    let mut about = manifest.clone();
    about["layers"][1]["annotations"] = json!({"a": "b"});
    let spaced = serde_json::to_vec_pretty(&manifest).unwrap();
    let form = "it has more fields or another form than we write";
    assert_eq!(why(&canonical_json(&noted).unwrap()), form);
    assert_eq!(why(&canonical_json(&about).unwrap()), form);
    assert_eq!(why(&spaced), form);

    for (pointer, said) in [
        ("/artifactType", "expected an artifact of type"),
        ("/layers/0/mediaType", "expected an artifact of type"),
        ("/layers/1/mediaType", "a layer has the media type \"text/plain\""),
        ("/mediaType", "expected an image manifest of type"),
    ] {
        let mut other = manifest.clone();
        *other.pointer_mut(pointer).unwrap() = json!("text/plain");
        let error = why(&canonical_json(&other).unwrap());
        assert!(error.contains(said), "{pointer}: {error}");
    }

    let pieces: Vec<&[u8]> = (0..401).map(|at| &tar[at..=at]).collect();
    let many = forged_manifest(&bench, &toc, &pieces);
    assert_eq!(
        why(&canonical_json(&many).unwrap()),
        "it has more than 400 layers"
    );
}

#[test]
fn what_is_no_manifest_is_refused() {
    let bench = Bench::new();
    for bytes in [
        &b"{}"[..],
        b"",
        b"\xff",
        b"null",
        br#"{"artifactType":"application/x"}"#,
    ] {
        let artifact = ArtifactRef {
            name: shop(),
            version: v("1.0.0"),
            digest: bench.store.add_blob(bytes).unwrap(),
        };
        let error = bench.store.artifact(&artifact).unwrap_err();
        assert!(
            error.to_string().contains("it is no manifest of an artifact"),
            "{error}"
        );
    }
    let deep = "[".repeat(100_000);
    let digest = bench.store.add_blob(deep.as_bytes()).unwrap();
    assert!(bench.store.publish(&shop(), &v("1.0.0"), &digest).is_err());
}

#[test]
fn no_more_is_written_than_the_limits_of_the_store_allow() {
    let bench = Bench::new();
    let tree = bench.tree("dist").filled().file("large", vec![7; 100_000]);
    let artifact = bench.publish(&tree, "1.4.0");
    let opened = bench.store.artifact(&artifact).unwrap();
    let size = opened.export_tar(&mut std::io::sink()).unwrap();
    let held = bench.path("held");
    fs::create_dir(&held).unwrap();
    fs::write(held.join("old"), "old").unwrap();
    let refused = |error: StoreError| match error {
        StoreError::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    let (bytes, entries) = (Limits::default().bytes(size - 1), Limits::default().entries(7));
    let mut said = Vec::new();
    for limits in [bytes, entries] {
        let opened = bench.store.limiting(limits).artifact(&artifact).unwrap();
        let mut out = Vec::new();
        said.push(refused(opened.write_to(&bench.path("live")).unwrap_err()));
        said.push(refused(opened.replace(&held).unwrap_err()));
        said.push(refused(opened.export_tar(&mut out).unwrap_err()));
        #[cfg(feature = "export")]
        {
            said.push(refused(opened.export_tar_gz(&mut out).unwrap_err()));
            said.push(refused(opened.export_zip(&mut out).unwrap_err()));
        }
        assert!(out.is_empty());
        assert!(!bench.path("live").exists());
        assert_eq!(files(&held), [held.join("old")]);
    }
    said.sort();
    said.dedup();
    assert_eq!(
        said,
        [
            format!(
                "it has {size} bytes as a tar, at most {} are taken: raise `Limits::bytes` if it is trusted",
                size - 1
            ),
            "it has 8 entries, at most 7 are taken: raise `Limits::entries` if it is trusted".to_owned(),
        ]
    );
    // One file: by its own size.
    let small = bench.store.limiting(Limits::default().bytes(1000));
    let opened = small.artifact(&artifact).unwrap();
    assert_eq!(opened.file("etc/app.conf").unwrap(), b"threads = 4\n");
    assert!(refused(opened.file("large").unwrap_err()).contains("it has 100000 bytes"));
    // As many as it has are allowed.
    let exact = Limits::default().bytes(size).entries(8);
    let opened = bench.store.limiting(exact).artifact(&artifact).unwrap();
    opened.write_to(&bench.path("live")).unwrap();
    assert_eq!(small.limits(), Limits::default().bytes(1000));
}
