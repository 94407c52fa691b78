use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

use pipeline_artifacts::{PackError, Packer, limits};
use pipeline_core::EntryKind;

use crate::{Bench, Tree, text};

#[test]
fn a_known_tree_has_a_known_digest() {
    let bench = Bench::new();
    let packed = bench.pack(&bench.tree("tree").filled());
    // When one of these changes, so do the digests of everybody's artifacts: that needs a new format.
    insta::assert_snapshot!(format!("{}\n{}", packed.digest, packed.tree), @r"
    sha256:76282596f7aef664454fa7b9f98a280945b5c2674de94f101bd8e31b4008311c
    sha256:e6bda3d99e1bc92cda80d4fbb99ba6b13387c4452e6a54be2462c6fb52440fa8
    ");
    let manifest = bench.store.read_blob(&packed.digest).unwrap();
    insta::assert_snapshot!(String::from_utf8(manifest).unwrap(), @r#"{"artifactType":"application/vnd.release-pipeline.artifact.v1","config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.empty.v1+json","size":2},"layers":[{"digest":"sha256:2923d78109c8452469ba7b5eb6ca9438eefb133cbf08974f21cf4ada5e37ff78","mediaType":"application/vnd.release-pipeline.toc.v1+json","size":575},{"digest":"sha256:c38caa201d3e75a208a3792f5588ec716090802bfa6f7ac24b28ac6fa3f68870","mediaType":"application/vnd.oci.image.layer.v1.tar","size":5632}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#);
}

#[test]
fn the_table_of_contents_says_where_everything_is() {
    let bench = Bench::new();
    let shop = bench.publish(&bench.tree("tree").filled(), "1.0.0");
    let manifest = bench.store.read_blob(&shop.digest).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let toc = manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    let toc = String::from_utf8(bench.store.read_blob(&toc).unwrap()).unwrap();
    insta::assert_snapshot!(toc, @r#"{"entries":[{"kind":"directory","path":"bin"},{"digest":"sha256:a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf","executable":true,"kind":"file","layer":1,"offset":2560,"path":"bin/app","size":10},{"kind":"directory","path":"etc"},{"digest":"sha256:74a53ef98a0527c89aa55408ce26b2cca8e0e5a86f98eddb9d630b211b29f8b3","executable":false,"kind":"file","layer":1,"offset":3584,"path":"etc/app.conf","size":12},{"kind":"symlink","path":"run","target":"bin/app"},{"kind":"directory","path":"var"},{"kind":"directory","path":"var/empty"}],"format":2,"layers":[5632]}"#);
}

#[test]
fn only_content_counts() {
    let bench = Bench::new();
    let expected = bench.pack(&bench.tree("a").filled());

    // Another place and order, other times and rights of the group, one file hard linked.
    let other = bench
        .tree("b/deeper")
        .link("run", "bin/app")
        .dir("var/empty")
        .executable("bin/app", "#!/bin/sh\n")
        .file("etc/app.conf", "threads = 4\n")
        .mode("etc/app.conf", 0o600)
        .mode("bin/app", 0o4700)
        .mode("var/empty", 0o700);
    fs::hard_link(other.0.join("etc/app.conf"), bench.path("elsewhere")).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    File::open(other.0.join("etc/app.conf"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    File::open(other.0.join("var"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(bench.pack(&other), expected);

    // The store's place and history do not count either.
    let fresh = Bench::new();
    assert_eq!(Packer::new(&other.0).pack(&fresh.store).unwrap(), expected);
}

#[test]
fn another_tar_reads_ours() {
    let bench = Bench::new();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let tree = bench
        .tree("tree")
        .filled()
        .file(&long, "far")
        .file("grün", "x".repeat(1000))
        .file("empty", "")
        .link("ß", &format!("./{long}"));
    let shop = bench.publish(&tree, "1.0.0");
    let artifact = bench.store.artifact(&shop).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&bench.store.read_blob(&shop.digest).unwrap()).unwrap();
    let mut bytes = Vec::new();
    for layer in &manifest["layers"].as_array().unwrap()[1..] {
        let digest = layer["digest"].as_str().unwrap().parse().unwrap();
        bytes.extend(bench.store.read_blob(&digest).unwrap());
    }
    let mut exported = Vec::new();
    artifact.export_tar(&mut exported).unwrap();
    assert_eq!(exported, bytes, "the layers one after another are the tar");

    let mut archive = tar::Archive::new(&bytes[..]);
    // Directories, files, links; each by path.
    let mut listed: Vec<_> = artifact.entries().map(Result::unwrap).collect();
    listed.sort_by_key(|entry| match entry.kind {
        EntryKind::Directory => 0,
        EntryKind::File { .. } => 1,
        EntryKind::Symlink { .. } => 2,
    });
    let mut listed = listed.into_iter();
    for file in archive.entries().unwrap() {
        let mut file = file.unwrap();
        let entry = listed.next().unwrap();
        let path = String::from_utf8(file.path_bytes().into_owned()).unwrap();
        assert_eq!(path.trim_end_matches('/'), entry.path);
        let header = file.header().clone();
        assert_eq!(
            (
                header.mtime().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap()
            ),
            (0, 0, 0)
        );
        match &entry.kind {
            EntryKind::File { executable, .. } => {
                assert_eq!(header.mode().unwrap(), if *executable { 0o755 } else { 0o644 });
                let mut content = Vec::new();
                file.read_to_end(&mut content).unwrap();
                assert_eq!(content, artifact.file(&entry.path).unwrap());
            }
            EntryKind::Directory => assert!(header.entry_type().is_dir()),
            EntryKind::Symlink { target } => {
                assert_eq!(file.link_name_bytes().unwrap(), target.as_bytes());
            }
        }
    }
    assert!(listed.next().is_none());
}

#[test]
fn git_and_what_is_excluded_are_left_out() {
    let bench = Bench::new();
    let expected = bench.pack(&bench.tree("a").file("logs2/x", "x").file("src/.gitignore", "x"));
    let tree = bench
        .tree("b")
        .file("logs2/x", "x")
        .file("src/.gitignore", "x")
        .file(".git/HEAD", "x")
        .file("src/.git", "a worktree")
        .file("logs/x", "x")
        .file("src/cache/deep/x", "x");
    // What is excluded is not looked at: it may be anything.
    let tree = tree.link("src/cache/out", "/etc");
    let packer = Packer::new(&tree.0);
    let packer = packer
        .exclude("logs".parse().unwrap())
        .exclude("src/cache".parse().unwrap());
    assert_eq!(packer.pack(&bench.store).unwrap(), expected);
}

/// The message for a tree that is refused.
fn refusal(build: impl FnOnce(Tree) -> Tree) -> String {
    let bench = Bench::new();
    let tree = build(bench.tree("tree"));
    let error = Packer::new(&tree.0).pack(&bench.store).unwrap_err();
    assert!(matches!(error, PackError::Refused { .. }), "{error:?}");
    text(&error, bench.dir.path())
}

#[test]
fn what_is_not_the_same_elsewhere_is_refused_by_name() {
    let fifo = |tree: Tree| {
        let status = Command::new("mkfifo").arg(tree.0.join("pipe")).status();
        assert!(status.unwrap().success());
        tree
    };
    let socket = |tree: Tree| {
        UnixListener::bind(tree.0.join("socket")).unwrap();
        tree
    };
    let latin1 = |tree: Tree| {
        fs::write(tree.0.join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        tree
    };
    let latin1_link = |tree: Tree| {
        symlink(OsStr::from_bytes(b"caf\xe9"), tree.0.join("link")).unwrap();
        tree
    };
    let deep = vec!["d".repeat(250); 4].join("/");
    let messages = [
        refusal(fifo),
        refusal(socket),
        refusal(latin1),
        refusal(latin1_link),
        refusal(|tree| tree.file("a\nb", "")),
        refusal(|tree| tree.file(&format!("{deep}/{}", "f".repeat(30)), "")).replace(&deep, "<deep>"),
        refusal(|tree| tree.file("Makefile", "").file("makefile", "")),
        refusal(|tree| tree.file("Ärger/a", "").file("ärger/b", "")),
        refusal(|tree| tree.link("link", "/etc/passwd")),
        refusal(|tree| tree.dir("a").link("a/link", "../../out")),
        refusal(|tree| {
            tree.dir("a/b")
                .dir("c")
                .link("a/b/up", "../../c")
                .link("a/b/link", "up/../../out")
        }),
        refusal(|tree| Tree(tree.file("file", "").0.join("file"))),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    "pipe" cannot be packed: it is a fifo; exclude it
    "socket" cannot be packed: it is a socket; exclude it
    "caf\xE9" cannot be packed: its name is not UTF-8; rename or exclude it
    "link" cannot be packed: it is a symbolic link with a target that cannot be stored (the path is not UTF-8); replace or exclude it
    "a\nb" cannot be packed: the path holds a control character; rename or exclude it
    "<deep>/ffffffffffffffffffffffffffffff" cannot be packed: the path is longer than 1024 bytes; rename or exclude it
    "makefile" cannot be packed: it differs from "Makefile" only by case; rename or exclude one of them
    "ärger" cannot be packed: it differs from "Ärger" only by case; rename or exclude one of them
    "link" cannot be packed: it is a symbolic link to the absolute path "/etc/passwd"; make it relative or exclude it
    "a/link" cannot be packed: it is a symbolic link to "../../out", which leads out of the tree; copy what it means or exclude it
    "a/b/link" cannot be packed: it is a symbolic link to "up/../../out", which leads out of the tree; copy what it means or exclude it
    "<dir>/tree/file" cannot be packed: it is not a directory; pack the directory that it lies in
    "#);
}

/// Sizes and counts that a reader would not follow are refused before anything is read.
#[test]
fn what_is_more_than_the_limits_allow_is_refused() {
    let bench = Bench::new();
    let tree = bench.tree("tree");
    let file = File::create(tree.0.join("huge")).unwrap();
    // A hole. Some file systems have none that is so large.
    match file.set_len(limits::MAX_FILE + 1) {
        Ok(()) => {
            let error = Packer::new(&tree.0).pack(&bench.store).unwrap_err();
            assert!(
                text(&error, bench.dir.path()).contains("it is larger than 9007199254740991 bytes"),
                "{error}"
            );
        }
        Err(error) => crate::skipped(&format!("no file can be so large here: {error}")),
    }
    if !crate::long() {
        return crate::skipped("a million names are for PIPELINE_LONG");
    }
    let many = bench.tree("many");
    fs::write(many.0.join("0"), "").unwrap();
    for number in 1..=limits::MAX_ENTRIES {
        fs::hard_link(many.0.join("0"), many.0.join(number.to_string())).unwrap();
    }
    let error = Packer::new(&many.0).pack(&bench.store).unwrap_err();
    assert!(
        text(&error, bench.dir.path()).contains("it holds more than 1000000 files, directories and links"),
        "{error}"
    );
}

#[test]
fn links_inside_are_kept_as_they_are() {
    let bench = Bench::new();
    let tree = bench
        .tree("tree")
        .file("a/b/file", "x")
        .link("a/up", "../a/./b/../b/file")
        .link("nowhere", "not/there")
        .link("circle", "circle")
        .link("here", ".");
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let live = bench.path("live");
    artifact.write_to(&live).unwrap();
    assert_eq!(
        fs::read_link(live.join("a/up")).unwrap(),
        OsStr::new("../a/./b/../b/file")
    );
    assert_eq!(fs::read(live.join("a/up")).unwrap(), b"x");
    assert_eq!(
        fs::read_link(live.join("nowhere")).unwrap(),
        OsStr::new("not/there")
    );
}

#[test]
fn a_store_does_not_pack_itself() {
    let bench = Bench::new();
    let error = Packer::new(bench.dir.path()).pack(&bench.store).unwrap_err();
    insta::assert_snapshot!(
        text(&error, bench.dir.path()),
        @r#""store" cannot be packed: it is the store of the artifacts itself; exclude it"#
    );
    let packer = Packer::new(bench.dir.path()).exclude("store".parse().unwrap());
    packer.pack(&bench.store).unwrap();
}

/// The message when a tree changes before `b` is packed.
fn change(change: impl Fn(&Tree) + Sync) -> String {
    let bench = Bench::new();
    let tree = bench
        .tree("tree")
        .file("a", "aaaa")
        .file("b", "bbbb")
        .file("c", "cccc");
    let result = Packer::new(&tree.0).pack_watched(&bench.store, |progress| {
        if progress.path == "b" {
            change(&tree);
        }
        ControlFlow::Continue(())
    });
    let error = result.unwrap_err();
    assert!(matches!(error, PackError::Changed { .. }), "{error:?}");
    assert!(bench.store.verify().unwrap().is_good());
    text(&error, bench.dir.path())
}

#[test]
fn a_tree_that_changes_meanwhile_is_noticed() {
    let touch = |tree: &Tree, path: &str| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        File::open(tree.0.join(path)).unwrap().set_modified(time).unwrap();
    };
    let messages = [
        change(|tree| fs::write(tree.0.join("b"), "bb").unwrap()),
        change(|tree| fs::write(tree.0.join("c"), "ccccc").unwrap()),
        change(|tree| touch(tree, "c")),
        change(|tree| fs::remove_file(tree.0.join("c")).unwrap()),
        change(|tree| {
            fs::copy(tree.0.join("c"), tree.0.join("d")).unwrap();
            fs::rename(tree.0.join("d"), tree.0.join("c")).unwrap();
        }),
        // What is packed already.
        change(|tree| touch(tree, "a")),
        change(|tree| fs::remove_file(tree.0.join("a")).unwrap()),
        change(|tree| fs::write(tree.0.join("aa"), "").unwrap()),
        change(|tree| fs::create_dir(tree.0.join("d")).unwrap()),
        // Other things in the place of the file that comes next: nobody waits for them, or follows them.
        change(|tree| {
            fs::remove_file(tree.0.join("b")).unwrap();
            let made = Command::new("mkfifo").arg(tree.0.join("b")).status();
            assert!(made.unwrap().success());
        }),
        change(|tree| {
            fs::rename(tree.0.join("b"), tree.0.join("../elsewhere")).unwrap();
            symlink("../elsewhere", tree.0.join("b")).unwrap();
        }),
        change(|tree| {
            fs::remove_file(tree.0.join("b")).unwrap();
            fs::create_dir(tree.0.join("b")).unwrap();
        }),
        // Whoever writes and sets the time back is betrayed by the time of the change.
        change(|tree| {
            let path = tree.0.join("a");
            let before = fs::metadata(&path).unwrap();
            let changed = |metadata: &fs::Metadata| (metadata.ctime(), metadata.ctime_nsec());
            // Until the clock of the file system has gone on, which is coarse on some.
            while changed(&fs::metadata(&path).unwrap()) == changed(&before) {
                fs::write(&path, "AAAA").unwrap();
                File::open(&path)
                    .unwrap()
                    .set_modified(before.modified().unwrap())
                    .unwrap();
            }
        }),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    "b" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "c" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "c" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "c" changed while it was packed: it is gone; pack a tree that nobody writes to
    "c" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "a" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "a" changed while it was packed: it is gone; pack a tree that nobody writes to
    "aa" changed while it was packed: it is new; pack a tree that nobody writes to
    "d" changed while it was packed: it is new; pack a tree that nobody writes to
    "b" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "b" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "b" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "a" changed while it was packed: it is not what it was; pack a tree that nobody writes to
    "#);
}

#[test]
fn an_ignore_file_is_a_short_text() {
    let bench = Bench::new();
    let said = |tree: &Tree| {
        let error = Packer::new(&tree.0).pack(&bench.store).unwrap_err();
        text(&error, bench.dir.path())
    };
    let tree = bench
        .tree("long")
        .file(".artifactignore", "#".repeat(1024 * 1024));
    bench.pack(&tree);
    let tree = tree.file(".artifactignore", "#".repeat(1024 * 1024 + 1));
    let mut messages = vec![said(&tree)];
    // As an editor on Windows writes it.
    let windows = bench.tree("windows").file("a.log", "").file("keep.log", "");
    let windows = windows.file(".artifactignore", "\u{feff}*.log\r\n!keep.log\r\n");
    let kept = bench.tree("kept").file("keep.log", "");
    assert_eq!(bench.pack(&windows), bench.pack(&kept));
    messages.push(said(&bench.tree("bytes").file(".artifactignore", b"\xff")));
    messages.push(said(
        &bench.tree("link").file("a", "*").link(".artifactignore", "a"),
    ));
    messages.push(said(&bench.tree("dir").dir(".artifactignore")));
    insta::assert_snapshot!(messages.join("\n"), @r"
    .artifactignore: it is larger than 1048576 bytes; shorten it
    .artifactignore: it is not UTF-8; write it in UTF-8
    .artifactignore: it is not a file; remove it
    .artifactignore: it is not a file; remove it
    ");
}

#[test]
fn watching_can_stop_it() {
    let bench = Bench::new();
    let tree = bench.tree("tree").file("a", "aa").file("b", "b");
    let mut seen = Vec::new();
    let result = Packer::new(&tree.0).pack_watched(&bench.store, |progress| {
        seen.push((progress.path.to_owned(), progress.done, progress.total));
        if seen.len() == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(result, Err(PackError::Stopped)));
    assert_eq!(seen, [("a".to_owned(), 0, 3), ("b".to_owned(), 2, 3)]);
    assert_eq!(crate::files(&bench.path("store/blobs")).len(), 0);
}

#[test]
fn an_empty_tree_is_an_artifact() {
    let bench = Bench::new();
    let shop = bench.publish(&bench.tree("tree"), "1.0.0");
    let artifact = bench.store.artifact(&shop).unwrap();
    assert!(artifact.entries().len() == 0);
    artifact.write_to(&bench.path("live")).unwrap();
    assert!(bench.path("live").is_dir());
}
