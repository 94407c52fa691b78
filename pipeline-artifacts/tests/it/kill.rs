//! Writers that are killed (`kill -9`), at many moments.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;

use crate::crash::{Acknowledged, SAID, TASK, check};
use crate::{Bench, Tree, long};

/// Starts a process that packs and publishes the trees, and says what is done.
fn start(dir: &Path) -> Child {
    let mut command = crate::child(
        "crash::script::child",
        TASK,
        &format!("publish:{}", dir.display()),
    );
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// How many names a directory and those below it hold now; whoever writes meanwhile is not waited for.
fn names(dir: &Path) -> usize {
    let Ok(files) = fs::read_dir(dir) else { return 0 };
    files
        .flatten()
        .map(|file| {
            1 + if file.file_type().is_ok_and(|kind| kind.is_dir()) {
                names(&file.path())
            } else {
                0
            }
        })
        .sum()
}

fn said(dir: &Path) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    // A line that is not closed was not said.
    let text = fs::read_to_string(dir.join(SAID)).unwrap_or_default();
    for line in text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
    {
        acknowledged.add(line);
    }
    acknowledged
}

fn many_small(tree: Tree, mark: &str) -> Tree {
    (0..300).fold(tree.filled(), |tree, number| {
        tree.file(
            &format!("d{}/f{number}", number % 7),
            format!("{mark} {number}\n"),
        )
    })
}

/// Each round kills one at another moment: when so many names are there, and so many looks later.
#[test]
fn a_publisher_is_killed_at_any_moment() {
    let (rounds, step) = if long() { (200, 1) } else { (12, 7) };
    let bench = Bench::new();
    many_small(bench.tree("one"), "1").file("large", vec![7; 600_000]);
    many_small(bench.tree("two"), "2").file("large", vec![8; 600_000]);
    let (mut killed, mut half, mut round) = (0, 0, 0);
    // On a computer that is busy a child may be done before it is looked at; then it takes more rounds.
    let enough = |count: usize| count > rounds / 3;
    while round < rounds || (!enough(killed) || !enough(half)) && round < 20 * rounds {
        let moment = (round * step) % 30;
        let dir = crate::memory_dir();
        for tree in ["one", "two"] {
            std::os::unix::fs::symlink(bench.path(tree), dir.path().join(tree)).unwrap();
        }
        let mut child = start(dir.path());
        while names(&dir.path().join("store")) < moment && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        for _ in 0..round % 4 * 40 {
            thread::yield_now();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = said(dir.path());
        half += usize::from(!acknowledged.is_complete());
        fs::remove_file(dir.path().join("one")).unwrap();
        fs::remove_file(dir.path().join("two")).unwrap();
        check(
            dir.path(),
            &bench,
            &acknowledged,
            &format!("killed when {moment} names were there"),
        );
        round += 1;
    }
    assert!(
        enough(killed) && enough(half),
        "{killed} were alive, {half} not done, of {round}"
    );
}

/// One store, and one after the other dies in it.
#[test]
fn a_store_survives_one_death_after_the_other() {
    let rounds = if long() { 100 } else { 8 };
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("store")).unwrap();
    many_small(bench.tree("one"), "1");
    many_small(bench.tree("two"), "2");
    let mut acknowledged = Acknowledged::default();
    for round in 0..rounds {
        let before = names(&bench.path("store"));
        let mut child = start(bench.dir.path());
        while names(&bench.path("store")) < before + round % 6 && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = said(bench.dir.path());
    }
    check(bench.dir.path(), &bench, &acknowledged, "after all deaths");
}
