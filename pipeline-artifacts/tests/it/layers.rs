//! How a tree is cut into layers, and that it does not matter.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[cfg(feature = "chunking")]
use pipeline_artifacts::BlobId;
use pipeline_artifacts::{Fineness, LocalStore, Packer, StoredArtifact};
use pipeline_core::{ArtifactRef, Digest, canonical_json};
use serde_json::{Value, json};

use crate::{Bench, Tree, shop, text, v};

/// Enough small files for several layers, and two large ones.
fn sizeable(tree: Tree) -> Tree {
    let mut tree = tree.filled();
    for number in 0..300_u32 {
        let bytes = vec![number.to_le_bytes()[0]; 20_000 + number as usize];
        tree = tree.file(&format!("data/{}/{number}", number % 7), bytes);
    }
    tree.file("large/one", noise(1, 5 << 20))
        .file("large/two", noise(2, (4 << 20) + 1))
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

fn open(store: &LocalStore, digest: Digest) -> StoredArtifact {
    let reference = ArtifactRef {
        name: shop(),
        version: v("1.0.0"),
        digest,
    };
    store.artifact(&reference).unwrap()
}

/// Whether what an artifact writes is the tree that was packed.
fn assert_same(bench: &Bench, artifact: &StoredArtifact, tree: &Tree, name: &str) {
    let live = bench.path(name);
    artifact.write_to(&live).unwrap();
    let diff = std::process::Command::new("diff")
        .args(["-r", "--no-dereference"])
        .arg(&tree.0)
        .arg(&live)
        .output();
    let diff = diff.unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

#[test]
fn a_large_file_is_a_blob_of_its_own_and_threads_do_not_count() {
    let bench = Bench::new();
    let tree = sizeable(bench.tree("tree"));
    let packed = bench.pack(&tree);
    let artifact = open(&bench.store, packed.digest);
    let layers = artifact.layers();
    assert!((8..70).contains(&layers.len()), "{}", layers.len());
    for name in ["large/one", "large/two"] {
        let bytes = fs::read(tree.0.join(name)).unwrap();
        assert!(
            layers.iter().any(|layer| layer.digest == Digest::of(&bytes)),
            "{name}"
        );
        assert_eq!(artifact.file(name).unwrap(), bytes);
    }
    assert_same(&bench, &artifact, &tree, "live");
    for threads in [1, 2, 5] {
        let other = Bench::new();
        assert_eq!(
            Packer::new(&tree.0).threads(threads).pack(&other.store).unwrap(),
            packed
        );
    }
    // Perhaps other layers, the same tree.
    let fine = Packer::new(&tree.0)
        .fineness(Fineness::Fine)
        .pack(&bench.store)
        .unwrap();
    assert_eq!(fine.tree, packed.tree);
    assert!(open(&bench.store, fine.digest).layers().len() >= layers.len());
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "{report}");
}

#[test]
fn the_layers_one_after_another_are_a_tar_for_everybody() {
    let bench = Bench::new();
    let tree = sizeable(bench.tree("tree"));
    let artifact = open(&bench.store, bench.pack(&tree).digest);
    let mut tar = Vec::new();
    artifact.export_tar(&mut tar).unwrap();
    let out = bench.path("out");
    tar::Archive::new(&tar[..]).unpack(&out).unwrap();
    assert_eq!(
        Packer::new(&out).pack(&bench.store).unwrap().digest,
        artifact.reference().digest
    );
}

/// Stores the artifact again, with its tar cut into layers of this size.
fn cut_again(store: &LocalStore, artifact: &StoredArtifact, size: usize) -> Digest {
    let blob = |bytes: &[u8]| store.add_blob(bytes).unwrap();
    let path = |digest: Digest| store.root().join("blobs/sha256").join(digest.hex());
    let layers = artifact.layers();
    let mut toc: Value = serde_json::from_slice(&fs::read(path(layers[0].digest)).unwrap()).unwrap();
    let begins: Vec<u64> = layers[1..]
        .iter()
        .scan(0, |at, layer| {
            *at += layer.size;
            Some(*at - layer.size)
        })
        .collect();
    for entry in toc["entries"].as_array_mut().unwrap() {
        if let (Some(layer), Some(offset)) = (entry["layer"].as_u64(), entry["offset"].as_u64()) {
            let at = begins[layer as usize - 1] + offset;
            entry["layer"] = json!(at / size as u64 + 1);
            entry["offset"] = json!(at % size as u64);
        }
    }
    let mut tar = Vec::new();
    artifact.export_tar(&mut tar).unwrap();
    toc["layers"] = tar.chunks(size).map(|layer| json!(layer.len())).collect();
    let toc = canonical_json(&toc).unwrap();
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(path(artifact.reference().digest)).unwrap()).unwrap();
    let descriptor =
        |kind: &Value, bytes: &[u8]| json!({"mediaType": kind, "digest": blob(bytes), "size": bytes.len()});
    let kind = |number: usize| manifest["layers"][number]["mediaType"].clone();
    let first = descriptor(&kind(0), &toc);
    let rest = tar.chunks(size).map(|layer| descriptor(&kind(1), layer));
    manifest["layers"] = std::iter::once(first).chain(rest).collect();
    blob(&canonical_json(&manifest).unwrap())
}

#[test]
fn an_artifact_that_another_packer_cut_is_read() {
    let bench = Bench::new();
    let tree = sizeable(bench.tree("tree"));
    let packed = bench.pack(&tree);
    let artifact = open(&bench.store, packed.digest);
    // One layer, a few, and cuts through headers, contents and padding.
    for size in [100 << 20, 4 << 20, 777_777, 50_021] {
        let other = open(&bench.store, cut_again(&bench.store, &artifact, size));
        assert_ne!(other.reference().digest, packed.digest);
        assert_eq!(other.tree().unwrap(), packed.tree);
        assert_same(&bench, &other, &tree, &format!("live-{size}"));
        assert_eq!(
            other.file("large/one").unwrap(),
            artifact.file("large/one").unwrap()
        );
    }
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "{report}");
}

#[test]
fn a_change_in_one_file_changes_one_layer() {
    let bench = Bench::new();
    let tree = sizeable(bench.tree("tree"));
    let layers = |digest| -> BTreeSet<Digest> {
        open(&bench.store, digest)
            .layers()
            .into_iter()
            .map(|layer| layer.digest)
            .collect()
    };
    let before = layers(bench.pack(&tree).digest);
    let news = |digest| layers(digest).difference(&before).count();

    let tree = tree.file("data/3/101", "edited");
    // The table of contents, and the bundle.
    assert_eq!(news(bench.pack(&tree).digest), 2);
    let tree = tree
        .file("data/3/101", vec![101; 20_101])
        .file("data/3/new", "new");
    assert!(
        (2..=3).contains(&news(bench.pack(&tree).digest)),
        "a bundle may be cut in two"
    );
    fs::remove_file(tree.0.join("data/3/new")).unwrap();
    let tree = tree.file("large/one", noise(3, 5 << 20));
    assert_eq!(news(bench.pack(&tree).digest), 2, "its header is the same");
}

#[test]
fn the_ignore_file_has_the_usual_syntax() {
    let bench = Bench::new();
    let expected = bench.pack(
        &bench
            .tree("a")
            .file("src/a.txt", "a")
            .file("src/keep.log", "k")
            .file("x/logs", ""),
    );
    let tree = bench
        .tree("b")
        .file("src/a.txt", "a")
        .file("src/keep.log", "k")
        .file("src/a.log", "l")
        .file("logs/x", "x")
        .file("x/logs", "")
        .file("target/deep/x", "x");
    // What is ignored is not looked at: it may be anything.
    let tree = tree
        .link("target/out", "/etc")
        .file(".artifactignore", "# noise\n*.log\n!keep.log\n\n/logs\ntarget/\n");
    fs::write(tree.0.join("src").join(OsStr::from_bytes(b"caf\xe9.log")), "l").unwrap();
    assert_eq!(bench.pack(&tree), expected);

    let tree = tree.file(".artifactignore", "fine\n[z-a]\n");
    let error = Packer::new(&tree.0).pack(&bench.store).unwrap_err();
    insta::assert_snapshot!(
        text(&error, bench.dir.path()),
        @".artifactignore, line 2: error parsing glob '[z-a]': invalid range; 'z' > 'a'"
    );
    fs::remove_file(tree.0.join("target/out")).unwrap();
    let tree = tree.file(".artifactignore", b"caf\xe9");
    let error = Packer::new(&tree.0).pack(&bench.store).unwrap_err();
    insta::assert_snapshot!(
        text(&error, bench.dir.path()),
        @".artifactignore: it is not UTF-8; write it in UTF-8"
    );
}

#[cfg(feature = "zstd")]
#[test]
fn compressed_layers_hold_the_same_tree() {
    let bench = Bench::new();
    let tree = sizeable(bench.tree("tree"));
    let plain = bench.pack(&tree);
    let packed = Packer::new(&tree.0).compress(3).pack(&bench.store).unwrap();
    assert_eq!(packed.tree, plain.tree);
    assert_ne!(packed.digest, plain.digest);
    let artifact = open(&bench.store, packed.digest);
    let size = |artifact: &StoredArtifact| artifact.layers().iter().map(|layer| layer.size).sum::<u64>();
    assert!(size(&artifact) + (4 << 20) < size(&open(&bench.store, plain.digest)));
    assert_same(&bench, &artifact, &tree, "live");
    assert_eq!(artifact.file("etc/app.conf").unwrap(), b"threads = 4\n");
    let (mut one, mut two) = (Vec::new(), Vec::new());
    artifact.export_tar(&mut one).unwrap();
    open(&bench.store, plain.digest).export_tar(&mut two).unwrap();
    assert!(one == two, "the tars differ");
    assert!(bench.store.verify().unwrap().is_good());
    // Damage is found, whatever the decoder makes of it.
    let largest = artifact
        .layers()
        .into_iter()
        .max_by_key(|layer| layer.size)
        .unwrap();
    let path = bench.path("store/blobs/sha256").join(largest.digest.hex());
    let mut bytes = fs::read(&path).unwrap();
    bytes[1_000_000] ^= 1;
    crate::damage(&path, &bytes);
    assert!(artifact.write_to(&bench.path("broken")).is_err());
    assert!(!bench.path("broken").exists());
    assert!(!bench.store.verify().unwrap().is_good());
}

#[cfg(feature = "chunking")]
fn layers(artifact: &StoredArtifact) -> BTreeSet<BlobId> {
    artifact.layers().into_iter().collect()
}

#[cfg(feature = "chunking")]
#[test]
fn pieces_of_large_files_are_shared_between_versions() {
    let bench = Bench::new();
    let tree = bench
        .tree("tree")
        .file("small", "s")
        .file("large", noise(1, 12 << 20))
        .file("larger", noise(2, 20 << 20));
    let packer = || Packer::new(&tree.0).chunking(true);
    let one = packer().pack(&bench.store).unwrap();
    assert_eq!(one.tree, bench.pack(&tree).tree);
    let before = layers(&open(&bench.store, one.digest));
    assert!((180..=400).contains(&before.len()), "{}", before.len());
    // Where it cuts is a form: whoever changes it gives these artifacts another digest, and says so in docs/format.md.
    insta::assert_snapshot!(one.digest, @"sha256:ef9c2d2a4f36d6d2df6f35e75bedcaa062844b16d63c57933e54eb1f35a2f86e");

    // An insertion early in one file, and some bytes written over in the other.
    let mut bytes = noise(1, 12 << 20);
    bytes.splice(5000..5000, [7; 1000]);
    fs::write(tree.0.join("large"), &bytes).unwrap();
    let mut other = noise(2, 20 << 20);
    other[10 << 20..][..50_000].fill(3);
    fs::write(tree.0.join("larger"), &other).unwrap();
    let two = packer().pack(&bench.store).unwrap();
    let artifact = open(&bench.store, two.digest);
    let new: u64 = layers(&artifact)
        .difference(&before)
        .map(|layer| layer.size)
        .sum();
    assert!(new < 1 << 20, "{new} new bytes");
    assert_eq!(artifact.file("large").unwrap(), bytes);
    assert_same(&bench, &artifact, &tree, "live");
    assert_eq!(packer().threads(1).pack(&bench.store).unwrap(), two);
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "{report}");
}

#[cfg(feature = "chunking")]
#[test]
fn content_without_a_place_to_cut_is_one_piece() {
    let bench = Bench::new();
    let tree = bench.tree("tree").file("zeros", vec![0; 5 << 20]);
    let packed = Packer::new(&tree.0).chunking(true).pack(&bench.store).unwrap();
    assert_eq!(packed, bench.pack(&tree));
}

#[cfg(feature = "export")]
#[expect(clippy::print_stdout, reason = "says that it skipped something")]
#[test]
fn exports_are_read_by_other_tools() {
    use std::process::Command;

    let bench = Bench::new();
    let tree = bench
        .tree("tree")
        .filled()
        .file("grün/ä b", "x".repeat(100_000))
        .file("zero", "");
    let packed = bench.pack(&tree);
    let artifact = open(&bench.store, packed.digest);
    let (mut gz, mut again, mut zip) = (Vec::new(), Vec::new(), Vec::new());
    artifact.export_tar_gz(&mut gz).unwrap();
    artifact.export_tar_gz(&mut again).unwrap();
    assert_eq!(gz, again);
    artifact.export_zip(&mut zip).unwrap();
    fs::write(bench.path("a.tgz"), gz).unwrap();
    fs::write(bench.path("a.zip"), &zip).unwrap();

    let out = bench.tree("tar").0;
    let status = Command::new("tar")
        .arg("-xzf")
        .arg(bench.path("a.tgz"))
        .arg("-C")
        .arg(&out)
        .status();
    assert!(status.unwrap().success());
    assert_eq!(Packer::new(&out).pack(&bench.store).unwrap(), packed);

    // Python is not everywhere; where it is, it judges the zip and tells modes and sums.
    let script = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
        for i in z.infolist(): print(oct(i.external_attr>>16),i.file_size,i.filename)";
    match Command::new("python3")
        .env("PYTHONIOENCODING", "utf-8")
        .args(["-c", script])
        .arg(bench.path("a.zip"))
        .output()
    {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap().trim_end(), @r"
            0o40755 0 bin/
            0o100755 10 bin/app
            0o40755 0 etc/
            0o100644 12 etc/app.conf
            0o40755 0 grün/
            0o100644 100000 grün/ä b
            0o120777 7 run
            0o40755 0 var/
            0o40755 0 var/empty/
            0o100644 0 zero
            ");
        }
        Err(error) => println!("skipped the zip: no python3 ({error})"),
    }
}
