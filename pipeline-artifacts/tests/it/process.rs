//! What only another process can show: being killed, running out of room, racing without shared memory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use pipeline_artifacts::{LocalStore, Packer};
use rustix::process::{Signal, WaitOptions};

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

/// Not a test: it looks at a store that it may only read.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn reader() {
    let Some(task) = crate::task(TASK) else { return };
    let (dir, name) = task.split_once(':').unwrap();
    let dir = Path::new(dir);
    let said = match crate::collect::look(&dir.join("store")) {
        Ok(said) => said,
        Err(error) => crate::text(&*error, dir),
    };
    fs::write(dir.join(format!("{name}.result")), said).unwrap();
}

/// Not a test: it unpacks the shop into a directory.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn unpacker() {
    let Some(task) = crate::task(TASK) else { return };
    let (dir, into) = task.split_once(':').unwrap();
    let store = LocalStore::open(Path::new(dir).join("store")).unwrap();
    let shop = store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    let artifact = store.artifact(&shop).unwrap();
    artifact.write_to(&Path::new(dir).join(into)).unwrap();
}

/// Starts a child, after some commands of the shell.
fn start(bench: &Bench, tree: &str, before: &str) -> Child {
    start_as("child", bench, tree, before)
}

fn start_as(what: &str, bench: &Bench, tree: &str, before: &str) -> Child {
    let exe = std::env::current_exe().unwrap();
    let script = format!("{before} exec \"$0\" --exact process::{what} --ignored >/dev/null 2>&1");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(exe);
    command.env(TASK, format!("{}:{tree}", bench.dir.path().display()));
    command.spawn().unwrap()
}

/// What a child says that is nobody, and may do what nobody may; `None` when there can be no such child. The directory of
/// the test is given to it, and the tree.
pub(crate) fn as_nobody(bench: &Bench, tree: &str) -> Option<String> {
    run_as_nobody("child", bench, tree)
}

/// The same for another child, which is given the directory of the test and one in it.
pub(crate) fn run_as_nobody(what: &str, bench: &Bench, tree: &str) -> Option<String> {
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
        .args(["--exact", &format!("process::{what}"), "--ignored"])
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

/// What is being unpacked beside other things.
fn unfinished(bench: &Bench) -> Vec<PathBuf> {
    let names = fs::read_dir(bench.dir.path()).unwrap();
    let paths = names.map(|file| file.unwrap().path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "unfinished")
        })
        .collect()
}

/// Unpacks in a process that stands still in the middle.
fn halfway(bench: &Bench, into: &str) -> Child {
    // One may be done before it is stopped; then another one begins.
    for _ in 0..100 {
        let before = unfinished(bench);
        let mut child = start_as("unpacker", bench, into, "");
        while unfinished(bench) == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_none() {
            let process = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(process, Signal::STOP).unwrap();
            let waited = rustix::process::waitpid(Some(process), WaitOptions::UNTRACED);
            if waited.unwrap().unwrap().1.stopped() && unfinished(bench).len() > before.len() {
                return child;
            }
            rustix::process::kill_process(process, Signal::CONT).unwrap();
        }
        let _ = child.wait();
        let _ = fs::remove_dir_all(bench.path(into));
    }
    panic!("it is always done at once");
}

#[test]
fn what_a_killed_checkout_left_goes_with_the_next_and_a_living_one_stays() {
    let bench = Bench::new();
    let tree = (0..400).fold(bench.tree("tree"), |tree, number| {
        tree.file(&format!("d/{number}"), [7; 100])
    });
    let artifact = bench.publish(&tree.file("large", vec![1; 300_000]), "1.0.0");
    // The system kills it in the middle of writing the large file.
    let mut killed = start_as("unpacker", &bench, "dead", "ulimit -f 128;");
    assert_eq!(killed.wait().unwrap().signal(), Some(25));
    let left = unfinished(&bench);
    assert!(left.len() == 1 && !bench.path("dead").exists(), "{left:?}");

    // Another process stands in the middle of it. It has cleared away what was left, and nobody clears its own away.
    let mut living = halfway(&bench, "living");
    let stands = unfinished(&bench);
    assert!(stands.len() == 1 && stands != left, "{stands:?}");
    let opened = bench.store.artifact(&artifact).unwrap();
    opened.write_to(&bench.path("live")).unwrap();
    opened.replace(&bench.path("live")).unwrap();
    assert_eq!(unfinished(&bench), stands);
    let process = rustix::process::Pid::from_child(&living);
    rustix::process::kill_process(process, Signal::CONT).unwrap();
    assert!(living.wait().unwrap().success());
    assert_eq!(files(&bench.path("living")).len(), 401);

    // One that is killed standing is dead as well.
    let mut killed = halfway(&bench, "again");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(unfinished(&bench).len(), 1);
    opened.replace(&bench.path("live")).unwrap();
    assert_eq!(unfinished(&bench), Vec::<PathBuf>::new());
    assert_eq!(files(&bench.path("live")).len(), 401);
}
