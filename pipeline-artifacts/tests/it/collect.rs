//! The collector: what it takes, and what it never takes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_artifacts::{
    Attachment, CollectError, Collected, Collection, InUse, LocalStore, NewAttachment, RetentionPolicy,
};
use pipeline_core::{ArtifactRef, Digest, SignedDuration, StoreError};

use crate::gated::Gated;
use crate::retention::{at, now, remove};
use crate::{Bench, Tree, damage, files, shop, text, v};

/// A collection so long after everything that nothing is young.
fn late(years: i64) -> Collection {
    Collection::new(at("2100-01-01T00:00:00Z") + SignedDuration::from_hours(24 * 365 * years))
}

fn collect(bench: &Bench, how: &Collection) -> Collected {
    let collected = bench.store.collect(how).unwrap();
    assert!(bench.store.verify().unwrap().is_good());
    collected
}

fn blobs(bench: &Bench) -> usize {
    files(&bench.path("store/blobs")).len()
}

#[test]
fn what_only_removed_versions_had_goes_in_two_steps() {
    let bench = Bench::new();
    let one = bench.tree("one").file("a", "1").file("same", vec![0; 50_000]);
    let kept = bench.publish(
        &bench.tree("two").file("a", "2").file("same", vec![0; 50_000]),
        "2.0.0",
    );
    bench.publish(&one, "1.0.0");
    let before = blobs(&bench);
    assert_eq!(collect(&bench, &late(0)).moved, [], "everything is published");
    let digest = remove(&bench, &shop(), "1.0.0");

    let would = collect(&bench, &late(0).dry_run());
    assert_eq!(blobs(&bench), before, "a dry run changes nothing");
    let did = collect(&bench, &late(0));
    assert_eq!(would.moved, did.moved);
    assert!(did.moved.iter().any(|blob| blob.digest == digest) && did.deleted == 0);
    assert_eq!(blobs(&bench), before - did.moved.len());
    insta::assert_snapshot!(collect(&bench, &late(0)), @r"
        4 blobs are needed
        0 blobs with 0 bytes moved to the trash
        0 blobs are too young to be moved
        0 blobs are nobody's and stay
        0 blobs restored from the trash
        0 blobs with 0 bytes deleted
        ");
    bench
        .store
        .artifact(&kept)
        .unwrap()
        .write_to(&bench.path("live"))
        .unwrap();

    // Readers find it in the trash, and the same content brings it back.
    assert!(bench.store.read_blob(&digest).is_ok());
    bench.store.publish(&shop(), &v("1.0.0"), &digest).unwrap();
    assert_eq!(blobs(&bench), before);
    let back = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    bench
        .store
        .artifact(&back)
        .unwrap()
        .write_to(&bench.path("back"))
        .unwrap();

    remove(&bench, &shop(), "1.0.0");
    assert_eq!(collect(&bench, &late(1)).moved.len(), did.moved.len());
    let would = collect(&bench, &late(2).dry_run());
    let deleted = collect(&bench, &late(2));
    assert_eq!((would.deleted, would.freed), (deleted.deleted, deleted.freed));
    assert_eq!(
        (deleted.deleted, deleted.freed),
        (did.moved.len() as u64, did.moved_bytes())
    );
    assert_eq!(files(&bench.path("store/trash")).len(), 0);
    let gone = bench.store.read_blob(&digest).unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { .. }));
    let gone = bench.store.publish(&shop(), &v("1.0.0"), &digest).unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { .. }));
    // The content comes back when it is packed again.
    assert_eq!(bench.publish(&one, "1.0.0").digest, digest);
    assert_eq!(collect(&bench, &late(3)).moved, []);
}

#[test]
fn what_is_young_leased_or_in_use_stays() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let digest = remove(&bench, &shop(), "1.0.0");
    let young = bench
        .store
        .collect(&Collection::new(at("2000-01-01T00:00:00Z")))
        .unwrap();
    assert_eq!((young.moved.len(), young.young), (0, blobs(&bench) as u64));

    // The host needs it: with all its blobs.
    let used = collect(
        &bench,
        &late(0).in_use([InUse::new(digest, "production runs it")]),
    );
    assert_eq!((used.moved.len(), used.live), (0, blobs(&bench) as u64));

    // A writer that lives reuses a blob: it has the time of its lease, not that of the collection.
    let lease = bench.store.lease().unwrap();
    bench.pack(&bench.tree("one"));
    let leased = collect(&bench, &late(0));
    assert_eq!((leased.moved.len(), leased.young), (0, blobs(&bench) as u64));
    drop(lease);
    assert!(!collect(&bench, &late(0)).moved.is_empty());
}

#[test]
fn what_was_never_published_stays_unless_it_is_asked_for() {
    let bench = Bench::new();
    let output = bench.store.add_blob(b"the output of a stage").unwrap();
    let plan = bench.store.add_blob(b"an action plan").unwrap();
    bench.pack(&bench.tree("one").file("a", "1"));
    let before = blobs(&bench);
    let collected = collect(&bench, &late(0));
    assert_eq!((collected.moved.len(), collected.orphans), (0, before as u64));
    let asked = late(0)
        .orphans_after(SignedDuration::from_hours(24))
        .in_use([InUse::new(plan, "run 7")]);
    assert_eq!(collect(&bench, &asked).moved.len(), before - 1);
    assert!(bench.store.read_blob(&plan).is_ok());
    assert!(bench.store.read_blob(&output).is_ok(), "it is in the trash");
    // Needed after all: it comes back.
    let needed = late(0).in_use([InUse::new(output, "run 8"), InUse::new(plan, "run 7")]);
    assert_eq!(collect(&bench, &needed).restored, 1);
    assert!(bench.path("store/blobs/sha256").join(output.hex()).exists());
}

#[test]
fn what_was_never_published_keeps_what_it_shares_with_the_removed() {
    let bench = Bench::new();
    let large = vec![7; 4 << 20];
    bench.publish(&bench.tree("one").file("a", "1").file("large", &large), "1.0.0");
    let packed = bench.pack(&bench.tree("two").file("a", "2").file("large", &large));
    remove(&bench, &shop(), "1.0.0");
    // What only the removed one had goes; the packed one is whole, says the verification.
    assert_eq!(collect(&bench, &late(0)).moved.len(), 3);
    collect(&bench, &late(1));
    bench.store.publish(&shop(), &v("2.0.0"), &packed.digest).unwrap();
}

#[test]
fn what_somebody_reads_stays_though_it_was_moved_at_other_times() {
    let bench = Bench::new();
    let artifact = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let large = vec![7; 4 << 20];
    let orphan = bench
        .pack(&bench.tree("two").file("a", "2").file("large", &large))
        .digest;
    let reference = ArtifactRef {
        digest: orphan,
        ..artifact
    };
    let reader = bench.store.artifact(&reference).unwrap();
    // Somebody has just stored the large file once more.
    let shared = bench.path("store/blobs/sha256").join(Digest::of(&large).hex());
    let shared = fs::File::open(shared).unwrap();
    let then = shared.metadata().unwrap().modified().unwrap();
    shared.set_modified(then + Duration::from_secs(3600)).unwrap();
    let orphans = |years| late(years).orphans_after(SignedDuration::ZERO);
    assert!(!bench.store.collect(&orphans(0)).unwrap().moved.is_empty());
    shared.set_modified(then).unwrap();
    assert_eq!(bench.store.collect(&orphans(1)).unwrap().moved.len(), 1);
    bench.store.collect(&orphans(2)).unwrap();
    reader.write_to(&bench.path("live")).unwrap();
    drop(reader);
    bench.store.collect(&orphans(3)).unwrap();
    assert_eq!(files(&bench.path("store/trash")).len(), 0);
}

#[test]
fn nothing_is_taken_when_it_is_not_known_what_is_needed() {
    let bench = Bench::new();
    let kept = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    remove(&bench, &shop(), "2.0.0");
    let path = bench.path("store/blobs/sha256").join(kept.digest.hex());
    let bytes = fs::read(&path).unwrap();
    damage(&path, b"{}");
    let before = blobs(&bench);
    let error = bench.store.collect(&late(0)).unwrap_err();
    assert!(matches!(error, CollectError::Unknown { .. }), "{error:?}");
    let shown = text(&error, bench.dir.path());
    assert!(
        shown.starts_with("what shop 1.0.0 needs is not known, so nothing was taken"),
        "{shown}"
    );
    assert_eq!(blobs(&bench), before);
    bench.store.add_blob(&bytes).unwrap();
    assert!(!collect(&bench, &late(0)).moved.is_empty());
    // One that is in use, published nowhere, and damaged is no other case.
    let only_used = bench.pack(&bench.tree("three").file("a", "3")).digest;
    let path_3 = bench.path("store/blobs/sha256").join(only_used.hex());
    let bytes_3 = fs::read(&path_3).unwrap();
    damage(&path_3, b"[]");
    let used = late(0).in_use([InUse::new(only_used, "run 7 is not over")]);
    let error = bench.store.collect(&used).unwrap_err();
    assert!(
        error.to_string().contains("which is in use (run 7 is not over)"),
        "{error}"
    );
    bench.store.add_blob(&bytes_3).unwrap();
    // And one that is both.
    let digest = bench.store.add_blob(&bytes).unwrap();
    damage(&path, b"[]");
    let used = late(0).in_use([InUse::new(digest, "production runs it")]);
    assert!(matches!(
        bench.store.collect(&used),
        Err(CollectError::Unknown { .. })
    ));
}

/// Gives every blob a time long before now.
fn make_old(bench: &Bench) {
    let then = std::time::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for blob in files(&bench.path("store/blobs")) {
        fs::File::open(&blob).unwrap().set_modified(then).unwrap();
    }
}

/// A collector that has looked for what is needed, and has taken nothing yet, sees by its time that it is needed now.
#[test]
fn what_is_published_while_a_collector_looks_stays() {
    let bench = Bench::new();
    let digest = bench.pack(&bench.tree("one").file("a", "1")).digest;
    make_old(&bench);
    let before = blobs(&bench);
    let mut gated = Gated::new(&bench);
    let root = gated.root.clone();
    let collecting = std::thread::spawn(move || {
        let store = LocalStore::open(root).unwrap();
        store.collect(&late(0).orphans_after(SignedDuration::ZERO))
    });
    let mut gates = 0;
    gated.walk(&collecting, || {
        gates += 1;
        // First it notes the moment; then it takes.
        if gates == 2 {
            bench.store.publish(&shop(), &v("1.0.0"), &digest).unwrap();
        }
    });
    let collected = collecting.join().unwrap().unwrap();
    assert!(gates > 2);
    assert_eq!((collected.live, collected.young), (0, before as u64));
    assert!(bench.store.verify().unwrap().is_good());
    assert_eq!(blobs(&bench), before);
}

/// A large file goes another way into the store, and is reused all the same.
#[test]
fn a_large_file_that_is_packed_again_stays() {
    let bench = Bench::new();
    let tree = bench.tree("one").file("large", vec![b'a'; 9 << 20]);
    let packed = bench.pack(&tree);
    // What was stored long ago; only what is reused counts as new.
    make_old(&bench);
    let lease = bench.store.lease().unwrap();
    assert_eq!(bench.pack(&tree).digest, packed.digest);
    let leased = collect(&bench, &late(0).orphans_after(SignedDuration::ZERO));
    assert_eq!((leased.moved.len(), leased.young), (0, blobs(&bench) as u64));
    drop(lease);
}

/// What is larger than a manifest is none, so that damage in it keeps nobody from collecting; and what is in use and lost
/// keeps what is attached to it, until it is healed.
#[test]
fn what_is_in_use_need_not_be_whole_when_it_is_no_manifest() {
    let bench = Bench::new();
    let large = bench.store.add_blob(&vec![b'x'; (4 << 20) + 1]).unwrap();
    damage(
        &bench.path("store/blobs/sha256").join(large.hex()),
        &vec![b'y'; (4 << 20) + 1],
    );
    let used = late(0).in_use([InUse::new(large, "run 7 names it")]);
    assert_eq!(bench.store.collect(&used).unwrap().moved, []);

    let subject = bench.pack(&bench.tree("one").file("a", "1")).digest;
    let note = NewAttachment::note("# Know this\n");
    let note = bench.store.attach(&subject, &note).unwrap();
    let lost = bench.path("store/blobs/sha256").join(subject.hex());
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let used = late(0).in_use([InUse::new(subject, "run 8 is not over")]);
    bench.store.collect(&used).unwrap();
    bench.store.add_blob(&bytes).unwrap();
    assert_eq!(bench.store.attachments(&subject).unwrap(), [note]);
}

#[test]
fn what_dead_writers_left_is_collected() {
    let bench = Bench::new();
    let tmp = bench.path("store/tmp");
    // As a killed process leaves it: a lock file without a lock.
    fs::write(tmp.join("dead.lock"), "").unwrap();
    fs::create_dir(tmp.join("dead")).unwrap();
    fs::write(tmp.join("dead/half"), "ha").unwrap();
    let lease = bench.store.lease().unwrap();
    fs::write(tmp.join("dead2.lock"), "").unwrap();
    collect(&bench, &Collection::new(now()));
    assert_eq!(
        fs::read_dir(&tmp).unwrap().count(),
        2,
        "the lock and the directory of one that lives"
    );
    drop(lease);
}

#[test]
fn an_attachment_lives_as_long_as_its_subject() {
    let bench = Bench::new();
    let subject = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0").digest;
    let payload = bench.store.add_blob(b"a bill of materials").unwrap();
    let manifest = format!(
        r#"{{"artifactType":"text/plain","config":{{"digest":"{}","mediaType":"application/vnd.oci.empty.v1+json","size":2}},"layers":[{{"digest":"{payload}","mediaType":"text/plain","size":19}}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}}"#,
        Digest::of("{}")
    );
    let attached = bench.store.add_blob(manifest.as_bytes()).unwrap();
    let referrers = bench.path("store/referrers").join(subject.hex());
    fs::create_dir(&referrers).unwrap();
    fs::write(referrers.join(attached.hex()), "").unwrap();
    bench.store.write_layouts().unwrap();
    let index = fs::read_to_string(bench.path("store/layouts/shop/index.json")).unwrap();
    assert!(
        index.contains(&attached.to_string()) && index.contains(r#""artifactType":"text/plain""#),
        "{index}"
    );

    let asked = || late(0).orphans_after(SignedDuration::ZERO);
    assert_eq!(bench.store.collect(&asked()).unwrap().moved, []);
    remove(&bench, &shop(), "1.0.0");
    let moved = bench.store.collect(&late(0)).unwrap().moved;
    assert!(
        moved.iter().any(|blob| blob.digest == payload) && moved.iter().any(|blob| blob.digest == attached)
    );
    assert!(referrers.exists(), "it can come back");
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "what was given up is no loss: {report}");
    bench.store.collect(&late(1)).unwrap();
    assert!(!referrers.exists());
    assert!(bench.store.verify().unwrap().is_good());
}

/// The clock of the file system went back while a writer was at work: what it stores looks older than its lease.
#[test]
fn a_clock_that_was_set_back_takes_nothing_from_a_writer() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    remove(&bench, &shop(), "1.0.0");
    let lease = bench.store.lease().unwrap();
    let tmp = fs::read_dir(bench.path("store/tmp")).unwrap();
    let locks: Vec<_> = tmp
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lock"))
        .collect();
    let lock = fs::File::open(&locks[0]).unwrap();
    let began = lock.metadata().unwrap().modified().unwrap();
    lock.set_modified(began + Duration::from_secs(3600)).unwrap();
    let collected = bench.store.collect(&late(0).grace(SignedDuration::ZERO)).unwrap();
    assert_eq!(
        (collected.moved.len(), collected.young),
        (0, blobs(&bench) as u64)
    );
    drop(lease);
    assert!(!collect(&bench, &late(0)).moved.is_empty());
}

#[test]
fn nothing_is_taken_when_it_is_not_known_who_writes() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    remove(&bench, &shop(), "1.0.0");
    // It cannot be opened, as another user's could not be.
    let lock = bench.path("store/tmp/odd.lock");
    std::os::unix::fs::symlink("odd.lock", &lock).unwrap();
    let before = blobs(&bench);
    let error = bench.store.collect(&late(0)).unwrap_err();
    let shown = text(&error, bench.dir.path());
    assert!(
        shown.contains("cannot tell whether a writer lives by <dir>/store/tmp/odd.lock"),
        "{shown}"
    );
    assert_eq!(blobs(&bench), before);
    fs::remove_file(lock).unwrap();
    // A lock of ours can be opened by everybody whom the umask lets.
    let _lease = bench.store.lease().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o444;
    fs::write(bench.path("plain"), "").unwrap();
    assert_eq!(
        mode(&files(&bench.path("store/tmp"))[0]),
        mode(&bench.path("plain"))
    );
}

#[test]
fn one_collection_runs_at_a_time() {
    let bench = Bench::new();
    let lock = fs::File::options()
        .create(true)
        .append(true)
        .open(bench.path("store/cache/collect.lock"))
        .unwrap();
    lock.lock().unwrap();
    let other = LocalStore::open(bench.path("store")).unwrap();
    assert!(matches!(
        other.collect(&Collection::new(now())),
        Err(CollectError::Busy)
    ));
    lock.unlock().unwrap();
    other.collect(&Collection::new(now())).unwrap();
}

/// What somebody can say of a store that he may only read.
pub(crate) fn look(root: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let store = LocalStore::open(root)?;
    let report = store.verify()?;
    let policy = RetentionPolicy::parse("keep-last = 1", "retention.toml")?;
    let plan = store.plan_retention(&policy, &[], now())?;
    let collected = store.collect(&late(1).dry_run())?;
    Ok(format!("{report}\n{plan}\n{collected}"))
}

/// Everything in a directory, with what tells that something was done to it.
fn state(dir: &Path) -> Vec<(PathBuf, i64, i64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let is = fs::symlink_metadata(&path).unwrap();
        if is.is_dir() {
            found.extend(state(&path));
        }
        found.push((path, is.ctime(), is.ctime_nsec(), is.len()));
    }
    found.sort();
    found
}

#[test]
fn a_plan_needs_no_right_to_write_and_changes_nothing() {
    let bench = Bench::new();
    for (version, text) in [("1.0.0", "1"), ("2.0.0", "2"), ("3.0.0", "3"), ("4.0.0", "4")] {
        bench.publish(&bench.tree(text).file("a", text), version);
    }
    remove(&bench, &shop(), "1.0.0");
    collect(&bench, &late(0));
    remove(&bench, &shop(), "2.0.0");
    let root = bench.path("store");
    let expected = look(&root).unwrap();
    insta::assert_snapshot!(expected, @r"
    10 blobs with 8564 bytes, 6 records: no problem
    shop
      remove  3.0.0  2856  no rule keeps it, and nobody needs it
      keep    4.0.0  2856  it is the last
    1 of 2 versions would be removed, which frees 2854 of 8564 bytes
    7 blobs are needed
    3 blobs with 2854 bytes would be moved to the trash
    0 blobs are too young to be moved
    0 blobs are nobody's and stay
    0 blobs would be restored from the trash
    3 blobs with 2854 bytes would be deleted
    ");

    // Looking changes nothing, and more than one may look. (The index of the catalog is a cache.)
    let without_cache = || {
        let mut state = state(&root);
        state.retain(|(path, ..)| !path.starts_with(root.join("cache")));
        state
    };
    let before = without_cache();
    let lock = fs::File::open(root.join("cache/collect.lock")).unwrap();
    lock.lock_shared().unwrap();
    assert_eq!(look(&root).unwrap(), expected);
    assert_eq!(without_cache(), before);
    lock.unlock().unwrap();
    // But not while something is taken away.
    lock.lock().unwrap();
    let busy = bench.store.collect(&late(1).dry_run());
    assert!(matches!(busy, Err(CollectError::Busy)), "{busy:?}");
    lock.unlock().unwrap();
    // Where no collection ever was, there is no lock, and none is made.
    fs::remove_file(root.join("cache/collect.lock")).unwrap();
    assert_eq!(look(&root).unwrap(), expected);
    assert!(!root.join("cache/collect.lock").exists());

    // Somebody else's: who is root may everything, so another one looks.
    bench.tree("nobody");
    let everything = || state(&root);
    let before = everything();
    match crate::process::run_as_nobody("reader", &bench, "nobody") {
        Some(said) => assert_eq!(said, expected),
        None => {
            let modes = |mode: u32| {
                let dirs = state(&root)
                    .into_iter()
                    .map(|(path, ..)| path)
                    .filter(|path| path.is_dir());
                for dir in dirs.chain([root.clone()]) {
                    fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
                }
            };
            modes(0o555);
            let may = fs::write(root.join("cache/x"), "").is_ok();
            let said = look(&root);
            modes(0o755);
            if may {
                return crate::skipped("this user may everything, and there is no other");
            }
            return assert_eq!(said.unwrap(), expected);
        }
    }
    assert_eq!(everything(), before);
}

/// Such as a file system of a server, or a person, leaves.
#[test]
fn strange_things_in_the_trash_hold_no_collection_up() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let digest = remove(&bench, &shop(), "1.0.0");
    let moved = collect(&bench, &late(0)).moved.len();
    let trash = bench.path("store/trash");
    let epoch = fs::read_dir(&trash).unwrap().next().unwrap().unwrap().path();
    let nobody = Digest::of("nobody's");
    let strange = [
        trash.join("123"),
        trash.join("README"),
        epoch.join(".nfs0001"),
        bench.path("store/referrers").join(nobody.hex()),
    ];
    for path in &strange {
        fs::write(path, "strange").unwrap();
    }
    fs::create_dir(epoch.join(nobody.hex())).unwrap();
    std::os::unix::fs::symlink("/", trash.join("456")).unwrap();
    for years in 1..3 {
        let collected = bench.store.collect(&late(years)).unwrap();
        assert_eq!(collected.deleted, if years == 1 { moved as u64 } else { 0 });
    }
    assert!(strange.iter().all(|path| path.exists()) && epoch.join(nobody.hex()).exists());
    assert!(bench.store.read_blob(&digest).is_err());
}

/// The clock of whoever collects was wrong once: what he moved does not lie there until that time comes.
#[test]
fn what_a_clock_that_was_ahead_moved_is_deleted_in_time() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    remove(&bench, &shop(), "1.0.0");
    let moved = collect(&bench, &late(0)).moved.len() as u64;
    assert!(moved > 0);
    let on = |day: &str| Collection::new(at(&format!("2099-01-{day}T00:00:00Z")));
    assert_eq!(collect(&bench, &on("01").dry_run()).deleted, 0);
    assert_eq!(collect(&bench, &on("02")).deleted, 0, "it counts from here");
    assert_eq!(collect(&bench, &on("08")).deleted, 0);
    assert_eq!(collect(&bench, &on("10")).deleted, moved);
}

/// What is empty may be lost on the way to a backup and back.
#[test]
fn a_store_does_without_what_is_empty() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let root = bench.path("store");
    let lose = || {
        for name in ["tmp", "trash", "quarantine", "referrers", "layouts", "cache"] {
            fs::remove_dir_all(root.join(name)).unwrap();
        }
        fs::remove_file(root.join("gc.lock")).unwrap();
        LocalStore::open(&root).unwrap()
    };
    let store = lose();
    let report = store.verify().unwrap();
    assert_eq!(
        report.to_string().lines().count(),
        2,
        "the layout alone: {report}"
    );
    store
        .artifact(&one)
        .unwrap()
        .write_to(&bench.path("live"))
        .unwrap();
    let store = lose_some(&root, &["tmp", "trash"]);
    store.collect(&late(0).dry_run()).unwrap();
    assert!(!root.join("gc.lock").exists(), "who only looks writes nothing");
    store.collect(&late(0)).unwrap();
    store.publish(&shop(), &v("1.0.1"), &one.digest).unwrap();
    let note = store.attach(&one.digest, &NewAttachment::note("hello")).unwrap();
    let layouts = fs::read_to_string(root.join("layouts/shop/index.json")).unwrap();
    assert!(layouts.contains("1.0.1") && layouts.contains(&note.digest.to_string()));
    assert!(store.verify().unwrap().problems.is_empty());
    // What is damaged is put aside all the same, and what is taken goes to the trash.
    lose_some(&root, &["quarantine", "trash"]);
    let bad = store.add_blob(b"bad").unwrap();
    damage(&root.join("blobs/sha256").join(bad.hex()), b"worse");
    store.quarantine(&bad).unwrap().unwrap();
    let orphan = store.add_blob(b"nobody's").unwrap();
    let orphans = late(0).orphans_after(SignedDuration::ZERO);
    let moved = store.collect(&orphans).unwrap().moved;
    assert!(moved.iter().any(|blob| blob.digest == orphan));
}

fn lose_some(root: &Path, names: &[&str]) -> LocalStore {
    for name in names {
        let _ = fs::remove_dir_all(root.join(name));
    }
    LocalStore::open(root).unwrap()
}

#[test]
fn what_somebody_reads_stays() {
    let bench = Bench::new();
    let artifact = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let read = |artifact: &ArtifactRef| {
        let elsewhere = LocalStore::open(bench.path("store")).unwrap();
        elsewhere.artifact(artifact).unwrap()
    };
    let reader = read(&artifact);
    remove(&bench, &shop(), "1.0.0");
    assert_eq!(collect(&bench, &late(0)).moved, []);
    drop(reader);
    assert!(!collect(&bench, &late(1)).moved.is_empty());
    // It is read out of the trash: so it is not deleted, and comes back.
    let reader = read(&artifact);
    let collected = collect(&bench, &late(2));
    assert!(collected.deleted == 0 && collected.restored > 0, "{collected}");
    reader.write_to(&bench.path("live")).unwrap();
    drop(reader);
    collect(&bench, &late(3));
    assert!(collect(&bench, &late(4)).deleted > 0);

    // One that was never published is read out of the trash as well, and not deleted meanwhile.
    let orphan = bench.pack(&bench.tree("orphan").file("a", "orphan")).digest;
    let orphans = |years| late(years).orphans_after(SignedDuration::ZERO);
    assert!(!collect(&bench, &orphans(5)).moved.is_empty());
    let reader = read(&ArtifactRef {
        digest: orphan,
        ..artifact.clone()
    });
    assert_eq!(collect(&bench, &orphans(6)).deleted, 0);
    reader.write_to(&bench.path("orphan-live")).unwrap();
    drop(reader);
    assert!(collect(&bench, &orphans(7)).deleted > 0);
}

/// A published tree with a note.
fn with_note(bench: &Bench) -> (Tree, Digest, Attachment) {
    let tree = bench.tree("one").file("a", "1");
    let digest = bench.publish(&tree, "1.0.0").digest;
    let note = bench.store.attach(&digest, &NewAttachment::note("hello"));
    (tree, digest, note.unwrap())
}

#[test]
fn what_was_attached_comes_back_with_a_removed_version() {
    let bench = Bench::new();
    let (tree, digest, note) = with_note(&bench);
    let on_it = bench
        .store
        .attach(&note.digest, &NewAttachment::note("and more"))
        .unwrap();
    remove(&bench, &shop(), "1.0.0");
    assert!(collect(&bench, &late(0)).moved.len() > 4);
    assert_eq!(bench.publish(&tree, "1.0.0").digest, digest);
    assert!(bench.store.verify().unwrap().is_good());
    for attachment in [&note, &on_it] {
        bench.store.read_attachment(attachment).unwrap();
    }
    // It counts as new: a collection that began to look before takes nothing of it.
    assert_eq!(collect(&bench, &late(1)).moved, []);
}

#[test]
fn nothing_is_attached_that_was_deleted() {
    let bench = Bench::new();
    let (tree, digest, note) = with_note(&bench);
    remove(&bench, &shop(), "1.0.0");
    collect(&bench, &late(0));
    // The content is packed again while the rest lies in the trash.
    let lease = bench.store.lease().unwrap();
    assert_eq!(bench.pack(&tree).digest, digest);
    assert!(collect(&bench, &late(1)).deleted >= 2);
    assert_eq!(bench.store.attachments(&digest).unwrap(), []);
    assert_eq!(bench.publish(&tree, "1.0.0").digest, digest);
    assert!(bench.store.verify().unwrap().is_good());
    drop(lease);
    bench
        .store
        .attach(&digest, &NewAttachment::note("hello"))
        .unwrap();
    bench.store.read_attachment(&note).unwrap();
}
