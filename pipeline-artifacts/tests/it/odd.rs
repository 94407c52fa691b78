//! Trees that are odd and allowed, and file systems that are odd and there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pipeline_artifacts::{LocalStore, Packer, StoredArtifact};
use pipeline_core::{EntryKind, StoreError};

use crate::mount::Mounted;
use crate::{Bench, Tree, damage, files, shop, skipped, text, v};

/// Packs, publishes, opens, writes out, and compares; what was written is beside the tree.
fn round_trip(bench: &Bench, tree: &Tree, version: &str) -> (StoredArtifact, PathBuf) {
    let artifact = bench.store.artifact(&bench.publish(tree, version)).unwrap();
    let live = bench.path(&format!("live-{version}"));
    artifact.write_to(&live).unwrap();
    let diff = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .args([&tree.0, &live])
        .output()
        .unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    let again = Packer::new(&live).pack(&bench.store).unwrap();
    assert_eq!(again.digest, artifact.reference().digest, "{version}");
    (artifact, live)
}

#[test]
fn names_are_kept_byte_for_byte() {
    let bench = Bench::new();
    // The same letter in two spellings of Unicode is two names, as Linux has it; nothing is normalised.
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let tree = [
        composed, decomposed, " ", " lead", "trail ", "dot.", "-rf", "a\\b", "\"q\"", "$(x)", "*", "🦀", "~",
        "...", ".hidden",
    ]
    .into_iter()
    .fold(bench.tree("tree"), |tree, name| tree.file(name, name));
    let (artifact, live) = round_trip(&bench, &tree, "1.0.0");
    assert_eq!(artifact.file(decomposed).unwrap(), decomposed.as_bytes());
    assert_eq!(artifact.file(composed).unwrap(), composed.as_bytes());
    assert_eq!(fs::read_dir(live).unwrap().count(), 15);
    let paths: Vec<_> = artifact.entries().map(|entry| entry.unwrap().path).collect();
    assert!(paths.is_sorted(), "{paths:?}");
}

#[test]
fn paths_may_be_as_long_as_the_limits_say() {
    let bench = Bench::new();
    let part = "p".repeat(255);
    let deep = [&part, &part, &part, &part[..254]].join("/");
    let longest = format!("{deep}/f");
    let tree = bench.tree("tree").file(&longest, "far").link("l", &longest);
    let (artifact, live) = round_trip(&bench, &tree, "1.0.0");
    assert_eq!(longest.len(), 1024);
    assert_eq!(artifact.file(&longest).unwrap(), b"far");
    assert_eq!(fs::read(live.join("l")).unwrap(), b"far");
    // Many short parts, too.
    let many = ["d"; 512].join("/");
    round_trip(&bench, &bench.tree("many").dir(&many), "2.0.0");
}

#[test]
fn a_tree_may_hold_next_to_nothing() {
    let bench = Bench::new();
    let trees = [
        bench.tree("nothing"),
        bench.tree("directory").dir("d"),
        bench.tree("empty").file("a", "").file("b", "").file("d/c", ""),
        bench.tree("link").link("only", "nowhere"),
        bench.tree("circle").link("self", "self"),
        bench.tree("here").link("here", "."),
    ];
    let mut digests = Vec::new();
    for (number, tree) in trees.iter().enumerate() {
        let (artifact, _) = round_trip(&bench, tree, &format!("1.{number}.0"));
        digests.push(artifact.reference().digest);
        let mut tar = Vec::new();
        artifact.export_tar(&mut tar).unwrap();
        assert_eq!(tar.len() % 512, 0);
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), trees.len(), "each is another one");
    assert!(bench.store.verify().unwrap().is_good());
}

/// More than a directory of a zip can count in 16 bits, and than fit into 16 bits anywhere else.
#[test]
fn a_directory_may_hold_more_than_65_536_files() {
    const COUNT: usize = 65_540;
    let bench = Bench::new();
    let dir = bench.tree("tree").dir("d").0.join("d");
    // Names of one file: it is as good as many, and made faster.
    fs::write(dir.join("0"), "same").unwrap();
    for number in 1..COUNT {
        fs::hard_link(dir.join("0"), dir.join(number.to_string())).unwrap();
    }
    let shop = bench.publish(&Tree(bench.path("tree")), "1.0.0");
    let artifact = bench.store.artifact(&shop).unwrap();
    assert_eq!(artifact.entries().len(), COUNT + 1);
    assert_eq!(artifact.file("d/65539").unwrap(), b"same");
    let live = bench.path("live");
    artifact.write_to(&live).unwrap();
    assert_eq!(fs::read_dir(live.join("d")).unwrap().count(), COUNT);
    assert_eq!(
        fs::metadata(live.join("d/7")).unwrap().permissions().mode() & 0o777,
        0o644
    );

    #[cfg(feature = "export")]
    {
        let zip = bench.path("a.zip");
        artifact.export_zip(&mut fs::File::create(&zip).unwrap()).unwrap();
        let script = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\n\
            assert z.read('d/65539')==b'same'\nprint(len(z.infolist()))";
        match Command::new("python3").args(["-c", script]).arg(&zip).output() {
            Ok(said) => assert_eq!(
                String::from_utf8_lossy(&said.stdout).trim(),
                (COUNT + 1).to_string(),
                "{}",
                String::from_utf8_lossy(&said.stderr)
            ),
            Err(error) => skipped(&format!("the zip is not read: no python3 ({error})")),
        }
    }
}

/// More than 4 GiB in one file, which a zip can say only in 64 bits.
#[cfg(feature = "export")]
#[test]
fn a_zip_may_hold_more_than_4_gib() {
    const SIZE: u64 = (4 << 30) + 12_345;
    if !crate::long() {
        return skipped("4 GiB are for PIPELINE_LONG");
    }
    let bench = Bench::on_disk();
    let tree = bench.tree("tree").file("a", "a").file("z", "z");
    // A hole: it takes no room here, and little when it is deflated.
    fs::File::create(tree.0.join("large"))
        .unwrap()
        .set_len(SIZE)
        .unwrap();
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let zip = bench.path("a.zip");
    artifact.export_zip(&mut fs::File::create(&zip).unwrap()).unwrap();
    let script = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
        print(*[(i.filename,i.file_size) for i in z.infolist()])";
    match Command::new("python3").args(["-c", script]).arg(&zip).output() {
        Ok(said) => assert_eq!(
            String::from_utf8_lossy(&said.stdout).trim(),
            format!("('a', 1) ('large', {SIZE}) ('z', 1)"),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        ),
        Err(error) => skipped(&format!("the zip is not read: no python3 ({error})")),
    }
}

/// What packing says of a tree with something in it that nobody may read, to one who is not root.
#[test]
fn what_may_not_be_read_is_named() {
    let bench = Bench::new();
    let tree = bench
        .tree("tree")
        .file("a", "a")
        .file("d/secret", "s")
        .file("z", "z");
    fs::remove_dir_all(bench.path("store")).unwrap();
    for (path, mode) in [("d/secret", 0o000), ("d", 0o000)] {
        let locked = tree.0.join(path);
        fs::set_permissions(&locked, fs::Permissions::from_mode(mode)).unwrap();
        let said = crate::process::as_nobody(&bench, "tree");
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
        let Some(said) = said else {
            return skipped("nobody else can be had here: no root, or no setpriv");
        };
        assert!(
            said.ends_with(&format!(
                "cannot read \"<dir>/tree/{path}\": Permission denied (os error 13)"
            )),
            "{said}"
        );
        let store = LocalStore::open(bench.path("store")).unwrap();
        assert!(store.verify().unwrap().is_good() && store.catalog().names().unwrap().is_empty());
        assert_eq!(files(&bench.path("store/tmp")), Vec::<PathBuf>::new());
    }
    assert_eq!(crate::process::as_nobody(&bench, "tree").unwrap(), "published");
}

/// The directory is a file system of its own: it cannot be renamed away, so what goes there is written in its place.
#[test]
fn a_mount_point_is_filled_in_its_place() {
    let bench = Bench::new();
    let tree = bench.tree("tree").filled().file("large", vec![b'l'; 5 << 20]);
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let above = bench.path("above");
    let Some(parent) = Mounted::tmpfs(&above, "size=20m") else {
        return;
    };
    let live = above.join("live");
    let Some(_inner) = Mounted::tmpfs(&live, "size=20m") else {
        return;
    };
    let names = |dir: &Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    artifact.write_to(&live).unwrap();
    let all = ["bin", "etc", "large", "run", "var"].map(OsStr::new);
    assert_eq!(names(&live), all);
    assert_eq!(names(&above), ["live"], "nothing stays beside it");
    assert_eq!(fs::metadata(&live).unwrap().permissions().mode() & 0o777, 0o755);
    // It is full now, and says so; and it cannot be exchanged for another: the old one stays.
    assert!(matches!(
        artifact.write_to(&live),
        Err(StoreError::Refused { .. })
    ));
    let error = artifact.replace(&live).unwrap_err();
    let shown = text(&error, bench.dir.path());
    assert!(
        shown.starts_with("cannot exchange the directory <dir>/above/live"),
        "{shown}"
    );
    assert_eq!(
        (names(&live), names(&above)),
        (all.map(Into::into).to_vec(), vec!["live".into()])
    );

    // The one above is not ours to write to; and damage leaves the place as empty as it was.
    let empty = || {
        for name in names(&live) {
            let path = live.join(name);
            match path.is_dir() && !path.is_symlink() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
    };
    empty();
    parent.again("ro");
    artifact.write_to(&live).unwrap();
    assert_eq!(names(&live), all);
    empty();
    let large = artifact
        .layers()
        .into_iter()
        .max_by_key(|layer| layer.size)
        .unwrap();
    let blob = bench.path("store/blobs/sha256").join(large.digest.hex());
    damage(&blob, &vec![b'x'; usize::try_from(large.size).unwrap()]);
    let error = artifact.write_to(&live).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(names(&live), Vec::<&OsStr>::new());
    parent.again("rw");
}

/// A file system that shares blocks: what is written out takes no room, and is verified all the same.
fn shared_blocks(program: &str, arguments: &[&str], size: u64) {
    const LARGE: usize = 24 << 20;
    let bench = Bench::on_disk();
    let Some(disk) = Mounted::image(&bench.path("disk"), program, arguments, size) else {
        return;
    };
    let at = bench.path("disk");
    let room = || {
        rustix::fs::sync();
        let found = rustix::fs::statvfs(&at).unwrap();
        found.f_bfree * found.f_frsize
    };
    let tree = Tree::at(at.join("tree"))
        .filled()
        .file(
            "large",
            (0..LARGE).map(|at| (at / 7 % 251) as u8).collect::<Vec<_>>(),
        )
        .mode("large", 0o755)
        .file("odd", vec![7; (5 << 20) + 13]);
    let store = LocalStore::open(at.join("store")).unwrap();
    let packed = Packer::new(&tree.0).pack(&store).unwrap();
    let shop = store.publish(&shop(), &v("1.0.0"), &packed.digest).unwrap();
    let artifact = store.artifact(&shop).unwrap();
    let before = room();
    let live = at.join("live");
    artifact.write_to(&live).unwrap();
    let taken = before.saturating_sub(room());
    assert!(taken < LARGE as u64 / 4, "{taken} bytes were taken for {LARGE}");
    assert_eq!(
        fs::metadata(live.join("large")).unwrap().permissions().mode() & 0o7777,
        0o755
    );
    assert_eq!(Packer::new(&live).pack(&store).unwrap(), packed);
    // What a user writes there is the user's own.
    let blob = artifact
        .entry("large")
        .unwrap()
        .and_then(|entry| match entry.kind {
            EntryKind::File { digest, .. } => Some(digest),
            _ => None,
        })
        .unwrap();
    fs::write(live.join("large"), "scribble").unwrap();
    assert!(store.verify().unwrap().is_good());
    // Blocks that are damaged are shared as fast, and found.
    let blob = at.join("store/blobs/sha256").join(blob.hex());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[LARGE / 2] ^= 1;
    damage(&blob, &bytes);
    let other = at.join("other");
    let error = artifact.write_to(&other).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(!other.exists());
    drop((artifact, store, disk));
}

#[test]
fn blocks_are_shared_on_xfs() {
    shared_blocks("mkfs.xfs", &["-q", "-m", "reflink=1"], 320 << 20);
}

#[test]
fn blocks_are_shared_on_btrfs() {
    shared_blocks("mkfs.btrfs", &["-q"], 256 << 20);
}
