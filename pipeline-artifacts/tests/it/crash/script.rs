//! What the child does whose system calls are recorded.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use pipeline_artifacts::{Collection, LocalStore, Packer};
use pipeline_core::{SignedDuration, Timestamp};

use super::record::{SAID, TASK};
#[cfg(feature = "oci")]
use crate::retention::now;
use crate::{shop, v};

/// What is published, if the tree is there.
pub(super) const VERSIONS: [(&str, &str); 2] = [("1.0.0", "one"), ("1.1.0", "two")];

/// Says that something is done. It is one write, whose place among the others the record has.
fn say(dir: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(SAID))
        .unwrap();
    file.write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Heals from another store until nothing is wrong.
fn heal(store: &LocalStore, mirror: &Path) {
    let mirror = LocalStore::open(mirror).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..4 {
        let report = store.verify().unwrap();
        let healed = runtime.block_on(store.heal(&report, &mirror)).unwrap();
        assert!(healed.left.is_empty(), "{healed:?}");
    }
    assert!(store.verify().unwrap().is_good());
}

/// Pulls from a registry on this computer.
#[cfg(feature = "oci")]
fn pull(store: &LocalStore, port: u16) -> pipeline_core::Digest {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let remote = crate::oci::strange::one_by_one(port);
    let pulled = runtime.block_on(remote.pull(store, &shop(), &v("1.0.0"), None, now()));
    let pulled = pulled.unwrap();
    assert_eq!((pulled.attachments.len(), pulled.skipped.len()), (1, 0));
    pulled.artifact.digest
}

/// Not a test: what the other process does.
#[test]
#[ignore = "run by the tests of this module, in a process of its own"]
fn child() {
    let Some(task) = crate::task(TASK) else { return };
    let (script, dir) = task.split_once(':').unwrap();
    let dir = Path::new(dir);
    let store = LocalStore::open(dir.join("store")).unwrap();
    say(dir, "opened");
    if script == "mirror" {
        heal(&store, &dir.join("mirror"));
        let found = store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
        say(dir, &format!("packed one {}", found.digest));
        return;
    }
    if script == "quarantine" {
        let report = store.verify().unwrap();
        for digest in store.quarantine_all(&report).unwrap() {
            say(dir, &format!("quarantined {digest}"));
        }
        return;
    }
    #[cfg(feature = "oci")]
    if let Some(port) = script.strip_prefix("pull-") {
        let digest = pull(&store, port.parse().unwrap());
        say(dir, &format!("packed one {digest}"));
        say(dir, &format!("published 1.0.0 {digest}"));
        return;
    }
    if let Some(digest) = script.strip_prefix("restore-") {
        let digest = format!("sha256:{digest}").parse().unwrap();
        store.publish(&shop(), &v("1.0.0"), &digest).unwrap();
        say(dir, &format!("published 1.0.0 {digest}"));
        return;
    }
    let script = match script {
        // As another process leaves it that has just made it: nobody has flushed its name.
        "publish-beside" => {
            std::fs::create_dir(dir.join("store/catalog/shop")).unwrap();
            "publish"
        }
        script => script,
    };
    for (version, tree) in VERSIONS {
        if script == "collect" {
            break;
        }
        let from = dir.join(tree);
        if !from.exists() {
            continue;
        }
        let packed = Packer::new(&from).pack(&store).unwrap();
        say(dir, &format!("packed {tree} {}", packed.digest));
        if script == "publish" {
            store.publish(&shop(), &v(version), &packed.digest).unwrap();
            say(dir, &format!("published {version} {}", packed.digest));
        }
    }
    if script == "collect" {
        // What nobody refers to is moved away, and what was moved away long ago is gone.
        let mut now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 200);
        for _ in 0..2 {
            let how = Collection::new(now)
                .grace(SignedDuration::ZERO)
                .orphans_after(SignedDuration::ZERO);
            store.collect(&how).unwrap();
            now += SignedDuration::from_hours(1);
        }
        say(dir, "collected");
        return;
    }
    let digest = store.add_blob(b"a note").unwrap();
    say(dir, &format!("stored {digest}"));
}
