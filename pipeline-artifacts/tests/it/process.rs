//! What only another process can show: being killed, running out of room, racing without shared memory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};

use pipeline_artifacts::{LocalStore, Packer};

use crate::{Bench, files, shop, v};

/// Where the parent tells the child what to do: directory of the test, name of the tree.
const TASK: &str = "PIPELINE_ARTIFACTS_TEST_TASK";

/// Not a test: what the other process does. It packs, publishes and unpacks a tree, and
/// writes down how that ended.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    let Some(task) = crate::task(TASK) else { return };
    let (dir, tree) = task.split_once(':').unwrap();
    let dir = Path::new(dir);
    let publish = || {
        let store = LocalStore::open(dir.join("store"))?;
        let packed = Packer::new(dir.join(tree)).pack(&store)?;
        let artifact = store.publish(&shop(), &v("1.0.0"), &packed.digest)?;
        store
            .artifact(&artifact)?
            .write_to(&dir.join(format!("{tree}.live")))?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let result = match publish() {
        Ok(()) => "published".to_owned(),
        Err(error) => crate::text(&*error, dir),
    };
    let mut file = fs::File::create(dir.join(format!("{tree}.result"))).unwrap();
    file.write_all(result.as_bytes()).unwrap();
}

/// Starts a child, after some commands of the shell.
fn start(bench: &Bench, tree: &str, before: &str) -> Child {
    let exe = std::env::current_exe().unwrap();
    let script = format!("{before} exec \"$0\" --exact process::child --ignored >/dev/null 2>&1");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(exe);
    command.env(TASK, format!("{}:{tree}", bench.dir.path().display()));
    command.spawn().unwrap()
}

/// What a child says that is nobody, and may do what nobody may; `None` when there can be no such child. The directory of
/// the test is given to it.
pub(crate) fn as_nobody(bench: &Bench, tree: &str) -> Option<String> {
    const NOBODY: &str = "65534";
    // A program that nobody may run, wherever the tests were built.
    let exe = bench.path("exe");
    if !exe.exists() {
        fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    }
    let owned = Command::new("chown")
        .args([NOBODY, &bench.dir.path().display().to_string()])
        .output();
    if !owned.is_ok_and(|owned| owned.status.success()) {
        return None;
    }
    let result = bench.path(&format!("{tree}.result"));
    let _ = fs::remove_file(&result);
    let chown = Command::new("chown")
        .args(["-R", NOBODY])
        .arg(bench.path(tree))
        .status();
    assert!(chown.unwrap().success());
    let ended = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(&exe)
        .args(["--exact", "process::child", "--ignored"])
        .env(TASK, format!("{}:{tree}", bench.dir.path().display()))
        .output();
    ended.ok()?;
    fs::read_to_string(result).ok()
}

fn result(bench: &Bench, tree: &str) -> String {
    fs::read_to_string(bench.path(&format!("{tree}.result"))).unwrap()
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_visible() {
    let bench = Bench::new();
    bench.tree("large").file("a", vec![1; 300_000]);
    // No file may become longer than 128 blocks of 512 bytes; writing more fails instead of killing.
    let mut child = start(&bench, "large", "ulimit -f 128; trap '' XFSZ;");
    assert!(child.wait().unwrap().success());
    let message = result(&bench, "large");
    assert!(
        message.contains("cannot write to the store") && message.contains("File too large"),
        "{message}"
    );
    let store = bench.path("store");
    assert_eq!(
        (
            files(&store.join("blobs")).len(),
            files(&store.join("catalog")).len()
        ),
        (0, 0)
    );
    assert_eq!(files(&store.join("tmp")).len(), 0, "its lease has ended");
}

#[test]
fn a_writer_that_is_killed_leaves_nothing_visible() {
    let bench = Bench::new();
    let tree = bench.tree("large").file("a", vec![1; 300_000]);
    let before = files(&bench.path("store/tmp"));
    // The system kills it in the middle of writing.
    let mut child = start(&bench, "large", "ulimit -f 128;");
    // `SIGXFSZ` has number 25 on Linux and the BSDs.
    assert_eq!(child.wait().unwrap().signal(), Some(25));
    let mut left = files(&bench.path("store/tmp"));
    left.retain(|path| !before.contains(path));
    assert_eq!(left.len(), 2, "its lock and half a tar: {left:?}");
    assert!(bench.store.verify().unwrap().is_good());
    assert_eq!(files(&bench.path("store/blobs")).len(), 0);

    // The next writer is not disturbed, and cleans up.
    bench.store.add_blob(b"x").unwrap();
    let next = LocalStore::open(bench.path("store")).unwrap();
    next.add_blob(b"y").unwrap();
    assert!(left.iter().all(|path| !path.exists()), "{left:?}");
    bench.publish(&tree, "1.0.0");
    assert!(bench.store.verify().unwrap().is_good());
}

#[test]
fn publishers_in_processes_agree() {
    let bench = Bench::new();
    bench.tree("one").file("same", "s").file("a", "1");
    bench.tree("two").file("same", "s").file("a", "2");
    let mut children = [start(&bench, "one", ""), start(&bench, "two", "")];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let mut results = [result(&bench, "one"), result(&bench, "two")];
    results.sort();
    assert_eq!(results[0], "published");
    assert!(
        results[1].contains("shop 1.0.0 is published already"),
        "{results:?}"
    );
    assert!(bench.store.verify().unwrap().is_good());
}

#[test]
fn the_umask_and_the_locale_do_not_count() {
    let bench = Bench::new();
    let tree = bench.tree("tree").filled();
    let mut child = start(
        &bench,
        "tree",
        "umask 077; LC_ALL=tr_TR.UTF-8; TZ=Asia/Tokyo; export LC_ALL TZ;",
    );
    assert!(child.wait().unwrap().success());
    assert_eq!(result(&bench, "tree"), "published");
    let published = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    assert_eq!(published.digest, bench.pack(&tree).digest);
    let mode = |path: &str| fs::metadata(bench.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("tree.live"), 0o755);
    assert_eq!(mode("tree.live/etc"), 0o755);
    assert_eq!(mode("tree.live/etc/app.conf"), 0o644);
    assert_eq!(mode("store/catalog/shop/1.0.0.json"), 0o444);
}
