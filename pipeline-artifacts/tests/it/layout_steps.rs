//! The index of a layout, made step by step, against one that is made from the records.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use pipeline_artifacts::{CollectError, Collection, LocalStore, NewAttachment, Packer, RetentionPolicy};
use pipeline_core::{ArtifactName, Digest, SignedDuration, StoreError};
use proptest::prelude::*;
use semver::Version;

use crate::retention::{at, now, why};
use crate::{Bench, Tree, damage, shop, v};

fn index_of(root: &Path, name: &str) -> PathBuf {
    root.join("layouts").join(name).join("index.json")
}

/// The index of a name as it is, and as it is made from the records.
fn both(store: &LocalStore, name: &str) -> [String; 2] {
    let index = index_of(store.root(), name);
    let steps = fs::read_to_string(&index).unwrap_or_default();
    fs::remove_dir_all(index.parent().unwrap()).unwrap();
    store.write_layouts().unwrap();
    [steps, fs::read_to_string(&index).unwrap()]
}

/// What somebody does to one name of two.
#[derive(Debug, Clone)]
enum Step {
    Publish {
        version: u64,
        tree: u8,
    },
    Attach {
        version: u64,
        note: u8,
    },
    Yank {
        version: u64,
    },
    Unyank {
        version: u64,
    },
    /// Gives up all but the last few.
    Remove {
        keep: u8,
    },
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    let version = 0..6_u64;
    prop_oneof![
        5 => (version.clone(), 0..4_u8).prop_map(|(version, tree)| Step::Publish { version, tree }),
        3 => (version.clone(), 0..4_u8).prop_map(|(version, note)| Step::Attach { version, note }),
        1 => version.clone().prop_map(|version| Step::Yank { version }),
        1 => version.prop_map(|version| Step::Unyank { version }),
        1 => (1..4_u8).prop_map(|keep| Step::Remove { keep }),
        1 => Just(Step::Collect),
    ]
}

fn name_of(number: u8) -> ArtifactName {
    format!("n{number}").parse().unwrap()
}

/// Does it, and tells whether the index shows it now. Where others take part, what it is about may be gone.
fn take(store: &LocalStore, trees: &Path, name: &ArtifactName, step: &Step) -> bool {
    let version = |number: u64| Version::new(1, number / 3, number % 3);
    let done = match step {
        Step::Publish {
            version: number,
            tree,
        } => {
            let path = trees.join(format!("t{tree}"));
            let lease = store.lease().unwrap();
            let packed = Packer::new(path).pack(store).unwrap();
            let published = store.publish(name, &version(*number), &packed.digest);
            drop(lease);
            published.map(|_| ())
        }
        Step::Attach {
            version: number,
            note,
        } => {
            let Some(found) = store.find(name, &version(*number)).unwrap() else {
                return false;
            };
            let note = NewAttachment::note(format!("note {note}"));
            store.attach(&found.digest, &note).map(|_| ())
        }
        Step::Yank { version: number } => store.catalog().yank(name, &version(*number), &why()).map(|_| ()),
        Step::Unyank { version: number } => store
            .catalog()
            .unyank(name, &version(*number), &why())
            .map(|_| ()),
        Step::Remove { keep } => {
            let policy = RetentionPolicy::parse(&format!("keep-last = {keep}"), "policy").unwrap();
            let mut own = RetentionPolicy::default();
            own.names.insert(name.clone(), policy);
            let plan = store.plan_retention(&own, &[], now()).unwrap();
            // Somebody else may have done something that makes it needed.
            return store
                .carry_out(&plan, &[], &why(), now())
                .is_ok_and(|done| !done.removed.is_empty());
        }
        Step::Collect => {
            let late = at("2200-01-01T00:00:00Z");
            let how = Collection::new(late)
                .grace(SignedDuration::ZERO)
                .orphans_after(SignedDuration::ZERO);
            return match store.collect(&how) {
                Ok(_) | Err(CollectError::Busy) => false,
                Err(error) => panic!("{error:?}"),
            };
        }
    };
    match done {
        Ok(()) => !matches!(step, Step::Yank { .. } | Step::Unyank { .. }),
        Err(StoreError::NotFound { .. } | StoreError::Taken { .. }) => false,
        Err(error) => panic!("{step:?}: {error:?}"),
    }
}

fn trees(dir: &Path) {
    for number in 0..4 {
        Tree::at(dir.join(format!("t{number}"))).file("a", format!("{number}"));
    }
}

/// What somebody does to the files of a layout, or of the catalog, who has no business there.
#[derive(Debug, Clone, Copy)]
enum Spoil {
    NoSeal,
    BadSeal(prop::sample::Index),
    BadIndex(prop::sample::Index),
    NoIndex,
    NoLayout,
    /// Index and seal as they were once.
    Old,
    /// Those of the other name.
    Other,
    /// A record is gone.
    Record(prop::sample::Index),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        Just(Spoil::NoSeal),
        at().prop_map(Spoil::BadSeal),
        at().prop_map(Spoil::BadIndex),
        Just(Spoil::NoIndex),
        Just(Spoil::NoLayout),
        Just(Spoil::Old),
        Just(Spoil::Other),
        at().prop_map(Spoil::Record),
    ]
}

const FILES: [&str; 2] = ["index.json", ".seal"];

/// Whether something was spoilt.
fn apply(spoil: Spoil, root: &Path, name: u8, old: &Path) -> bool {
    let dir = root.join("layouts").join(name_of(name).as_str());
    let flip = |file: &str, at: prop::sample::Index| {
        let path = dir.join(file);
        let Ok(mut bytes) = fs::read(&path) else {
            return false;
        };
        let at = at.index(bytes.len());
        bytes[at] ^= 1;
        fs::write(path, bytes).is_ok()
    };
    let copy = |from: &Path| {
        let copied = FILES.map(|file| fs::copy(from.join(file), dir.join(file)).is_ok());
        copied[0]
    };
    match spoil {
        Spoil::NoSeal => fs::remove_file(dir.join(".seal")).is_ok(),
        Spoil::BadSeal(at) => flip(".seal", at),
        Spoil::BadIndex(at) => flip("index.json", at),
        Spoil::NoIndex => fs::remove_file(dir.join("index.json")).is_ok(),
        Spoil::NoLayout => fs::remove_dir_all(dir).is_ok(),
        Spoil::Old => dir.exists() && copy(old),
        Spoil::Other => dir.exists() && copy(&root.join("layouts").join(name_of(1 - name).as_str())),
        Spoil::Record(at) => {
            let catalog = root.join("catalog").join(name_of(name).as_str());
            let Ok(files) = fs::read_dir(&catalog) else {
                return false;
            };
            let mut records: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            records.retain(|path| !path.to_str().unwrap().contains('~'));
            records.sort();
            !records.is_empty() && fs::remove_file(&records[at.index(records.len())]).is_ok()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, ..ProptestConfig::default() })]

    #[test]
    fn every_step_leaves_what_the_records_say(
        steps in prop::collection::vec((0..2_u8, step()), 1..25),
    ) {
        let bench = Bench::new();
        trees(bench.dir.path());
        for (at, (name, step)) in steps.iter().enumerate() {
            take(&bench.store, bench.dir.path(), &name_of(*name), step);
            // What goes wrong stays wrong: now and then is enough.
            if at % 5 < 4 && at + 1 < steps.len() {
                continue;
            }
            for versions in bench.store.catalog().all().unwrap() {
                let path = index_of(bench.store.root(), versions.name().as_str());
                let steps = fs::read_to_string(&path).unwrap();
                // From the records, in a copy: here it goes on step by step.
                let seal = fs::read(path.with_file_name(".seal")).unwrap();
                let copy = crate::memory_dir();
                let copied = std::process::Command::new("cp").arg("-a").arg(bench.store.root()).arg(copy.path()).status();
                prop_assert!(copied.unwrap().success() && !seal.is_empty());
                let [copied, made] = both(&LocalStore::open(copy.path().join("store")).unwrap(), versions.name().as_str());
                prop_assert_eq!(&copied, &steps);
                prop_assert_eq!(steps, made, "{:?}", step);
            }
        }
    }

    #[test]
    fn what_was_spoilt_is_as_if_it_were_not_there(
        steps in prop::collection::vec((0..2_u8, step()), 1..15),
        spoils in prop::collection::vec((0..15_usize, 0..2_u8, spoil()), 1..4),
    ) {
        let bench = Bench::new();
        trees(bench.dir.path());
        let old = bench.path("old");
        fs::create_dir(&old).unwrap();
        for (at, (name, step)) in steps.iter().enumerate() {
            take(&bench.store, bench.dir.path(), &name_of(*name), step);
            for (_, name, spoil) in spoils.iter().filter(|(when, ..)| *when == at) {
                apply(*spoil, bench.store.root(), *name, &old);
            }
            if at == 2 {
                for file in FILES {
                    let _ = fs::copy(bench.path("store/layouts/n0").join(file), old.join(file));
                }
            }
        }
        for number in 0..2 {
            let digest = Packer::new(bench.path("t0")).pack(&bench.store).unwrap().digest;
            bench.store.publish(&name_of(number), &v("9.9.9"), &digest).unwrap();
            let [steps, made] = both(&bench.store, name_of(number).as_str());
            prop_assert_eq!(steps, made);
        }
    }
}

/// What is listed already is not read again. (One that is damaged is not listed when it is read.)
#[test]
fn one_more_version_does_not_read_what_is_attached_to_others() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let attached = bench
        .store
        .attach(&one.digest, &NewAttachment::note("hello"))
        .unwrap();
    damage(
        &bench.path("store/blobs/sha256").join(attached.digest.hex()),
        b"rust",
    );
    let listed = || {
        let index = fs::read_to_string(index_of(bench.store.root(), "shop")).unwrap();
        index.contains(&attached.digest.hex())
    };
    let two = bench.publish(&bench.tree("two").file("a", "2"), "1.1.0");
    bench.store.publish(&shop(), &v("1.2.0"), &one.digest).unwrap();
    bench.store.catalog().yank(&shop(), &v("1.1.0"), &why()).unwrap();
    bench
        .store
        .attach(&two.digest, &NewAttachment::note("more"))
        .unwrap();
    // Refused, and nothing else.
    bench
        .store
        .publish(&shop(), &v("1.1.0"), &one.digest)
        .unwrap_err();
    bench.store.publish(&shop(), &v("1.3.0"), &two.digest).unwrap();
    assert!(listed(), "it was made from the records");
    // Somebody meddled: then it is.
    let catalog = bench.path("store/catalog/shop");
    fs::copy(catalog.join("1.0.0.json"), catalog.join("note")).unwrap();
    bench.store.publish(&shop(), &v("1.4.0"), &two.digest).unwrap();
    assert!(!listed(), "it was not made from the records");
}

#[test]
fn what_a_dead_writer_attached_is_listed_by_the_next_one() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let other: ArtifactName = "other".parse().unwrap();
    bench.store.publish(&other, &v("1.0.0"), &one.digest).unwrap();
    // As it is when a writer was killed who had attached something and brought no layout up to date.
    let attached = bench
        .store
        .attach(&one.digest, &NewAttachment::note("hello"))
        .unwrap();
    let listed = |name: &str| {
        let index = fs::read_to_string(index_of(bench.store.root(), name)).unwrap();
        index.contains(&attached.digest.hex())
    };
    let referrer = bench
        .path("store/referrers")
        .join(one.digest.hex())
        .join(attached.digest.hex());
    fs::remove_file(&referrer).unwrap();
    bench.store.write_layouts().unwrap();
    assert!(!listed("shop") && !listed("other"));
    let notes = bench.path("store/layouts/.attaching");
    let note = |number: u8| notes.join(format!("{}-{}-{number}", one.digest.hex(), attached.digest.hex()));
    fs::write(note(1), "").unwrap();
    fs::write(notes.join("of another form"), "").unwrap();
    // Not attached yet, when it died.
    bench.store.publish(&shop(), &v("1.1.0"), &one.digest).unwrap();
    assert!(!listed("shop") && !note(1).exists());
    fs::write(note(2), "").unwrap();
    fs::write(&referrer, "").unwrap();
    let nothing = bench.path("nothing");
    fs::create_dir(&nothing).unwrap();
    let digest = Packer::new(&nothing).pack(&bench.store).unwrap().digest;
    bench.store.publish(&shop(), &v("1.2.0"), &digest).unwrap();
    assert!(listed("shop") && listed("other"));
    assert!(!note(2).exists());
    for name in ["shop", "other"] {
        let [steps, made] = both(&bench.store, name);
        assert_eq!(steps, made);
    }
}

/// Where the parent tells the child what to do.
const TASK: &str = "PIPELINE_ARTIFACTS_TEST_STEPS";

/// Not a test: what another process does.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn player() {
    let Some(task) = crate::task(TASK) else { return };
    let (dir, steps) = task.split_once('|').unwrap();
    let store = LocalStore::open(Path::new(dir).join("store")).unwrap();
    let mut out = std::io::stdout();
    for word in steps.split(' ') {
        let numbers: Vec<u64> = word.split(',').map(|number| number.parse().unwrap()).collect();
        let [name, kind, version, other] = numbers[..] else {
            panic!("{word}")
        };
        let other = other as u8;
        let step = match kind {
            0..5 => Step::Publish { version, tree: other },
            5..8 => Step::Attach { version, note: other },
            8 => Step::Yank { version },
            9 => Step::Unyank { version },
            10 => Step::Remove { keep: 1 + other % 3 },
            _ => Step::Collect,
        };
        take(&store, Path::new(dir), &name_of(name as u8), &step);
        // A parent that is gone does not matter.
        let _ = writeln!(out, "done");
    }
}

fn start(dir: &Path, steps: &[(u8, u8, u8, u8)]) -> Child {
    let word = |(name, kind, version, other): &(u8, u8, u8, u8)| format!("{name},{kind},{version},{other}");
    let steps: Vec<_> = steps.iter().map(word).collect();
    let mut command = crate::child(
        "layout_steps::player",
        TASK,
        &format!("{}|{}", dir.display(), steps.join(" ")),
    );
    command
        .arg("--nocapture")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 64,
        max_shrink_iters: 0,
        // What fails depends on time as well.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Processes publish, yank, attach, remove and collect at once; some are killed.
    #[test]
    fn processes_at_once_leave_what_the_records_say(
        plays in prop::collection::vec(prop::collection::vec((0..2_u8, 0..12_u8, 0..6_u8, 0..4_u8), 8..25), 3..5),
        deaths in prop::collection::vec(prop::option::of(0..12_usize), 3),
    ) {
        let bench = Bench::new();
        trees(bench.dir.path());
        let children: Vec<_> = plays.iter().map(|play| start(bench.dir.path(), play)).collect();
        let ended: Vec<bool> = thread::scope(|scope| {
            let running: Vec<_> = children.into_iter().zip(deaths.into_iter().chain([None, None])).map(|(mut child, death)| {
                scope.spawn(move || {
                    if let Some(steps) = death {
                        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
                        let done = lines.map_while(Result::ok).filter(|line| line.ends_with("done")).take(steps).count();
                        // In the middle of the next one, wherever.
                        (0..done * 50).for_each(|_| thread::yield_now());
                        child.kill().unwrap();
                        child.wait().unwrap();
                        return true;
                    }
                    let ended = child.wait_with_output().unwrap();
                    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
                    false
                })
            }).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        });
        let killed = ended.iter().any(|killed| *killed);
        let store = LocalStore::open(bench.path("store")).unwrap();
        for number in 0..2 {
            let name = name_of(number);
            if killed {
                let digest: Digest = Packer::new(bench.path("t0")).pack(&store).unwrap().digest;
                store.publish(&name, &v("9.9.9"), &digest).unwrap();
            } else if store.catalog().versions(&name).unwrap().entries().is_empty() {
                continue;
            }
            let [steps, made] = both(&store, name.as_str());
            prop_assert_eq!(steps, made, "killed: {:?}", killed);
        }
        let left = fs::read_dir(bench.path("store/layouts/.attaching")).map_or(0, Iterator::count);
        prop_assert_eq!(left, 0);
        let report = store.verify().unwrap();
        prop_assert!(report.is_good(), "{}", report);
    }
}
