//! Records that another store gives back.

use std::fs;

use pipeline_artifacts::{
    Collection, LocalStore, MarkKind, Packer, ProblemKind, Promotion, RetentionPolicy, StoreReport,
};
use pipeline_core::{Digest, StoreError};

use crate::catalog::because;
use crate::promote::wait;
use crate::{Bench, damage, retention, shop, v};

fn is_listed_as_yanked(store: &LocalStore) -> bool {
    let versions = store.catalog().versions(&shop()).unwrap();
    versions.get(&v("1.0.0")).unwrap().yanked
}

#[test]
fn a_record_comes_back_from_another_store() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let two = bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let mirror = LocalStore::open(bench.path("other")).unwrap();
    wait(Promotion::of(one.digest).run(&bench.store, &mirror)).unwrap();
    mirror.publish(&shop(), &v("1.0.0"), &one.digest).unwrap();
    let heal = |store: &LocalStore| {
        let report = store.verify().unwrap();
        let healed = store.heal_records(&report, &mirror).unwrap();
        let left: Vec<_> = healed
            .left
            .into_iter()
            .map(|(path, why)| (path.display().to_string(), why))
            .collect();
        (healed.healed, left)
    };
    assert_eq!(heal(&bench.store), (vec![], vec![]));

    // The index knows what they say.
    assert_eq!(
        bench.store.catalog().versions(&shop()).unwrap().entries().len(),
        2
    );
    let record = |version: &str| bench.path(&format!("store/catalog/shop/{version}.json"));
    let whole = fs::read(record("2.0.0")).unwrap();
    fs::remove_dir_all(bench.path("store/layouts")).unwrap();
    damage(&record("1.0.0"), b"rust");
    damage(&record("2.0.0"), b"more rust");
    let error = bench.store.find(&shop(), &v("1.0.0")).unwrap_err();
    assert!(
        error.to_string().contains("a store that has it can give it back"),
        "{error}"
    );
    // The mirror has never had the other one.
    let why = |why: &str| vec![("catalog/shop/2.0.0.json".to_owned(), why.to_owned())];
    assert_eq!(
        heal(&bench.store),
        (vec![one.clone()], why("the other store does not have it"))
    );
    assert_eq!(bench.store.find(&shop(), &v("1.0.0")).unwrap(), Some(one.clone()));
    let aside = bench.path("store/quarantine").join(Digest::of("rust").hex());
    assert_eq!(fs::read(aside).unwrap(), b"rust", "for a person to look at");

    // It has it, and damaged; then whole, but the artifact is not here; then another one is, and the file is none.
    let tree = bench.tree("three").file("a", "3");
    let three = Packer::new(&tree.0).pack(&mirror).unwrap().digest;
    mirror.publish(&shop(), &v("2.0.0"), &three).unwrap();
    let theirs = bench.path("other/catalog/shop/2.0.0.json");
    let kept = fs::read(&theirs).unwrap();
    damage(&theirs, b"rust");
    let (healed, left) = heal(&bench.store);
    assert!(
        healed.is_empty() && left[0].1.contains("its seal does not fit"),
        "{left:?}"
    );
    damage(&theirs, &kept);
    // What the index knows of it is not what they say.
    let says = format!("the other store says {three}; here it was {}", two.digest);
    assert_eq!(heal(&bench.store), (vec![], why(&says)));
    fs::remove_dir_all(bench.path("store/cache")).unwrap();
    let again = LocalStore::open(bench.path("store")).unwrap();
    let (healed, left) = heal(&again);
    let missing = format!("{three} is not whole here, promote it first: ");
    assert!(healed.is_empty() && left[0].1.starts_with(&missing), "{left:?}");
    wait(Promotion::of(three).run(&mirror, &again)).unwrap();
    fs::remove_file(record("2.0.0")).unwrap();
    fs::create_dir(record("2.0.0")).unwrap();
    assert_eq!(heal(&again), (vec![], why("it is no file: move it away first")));
    fs::remove_dir(record("2.0.0")).unwrap();
    fs::write(record("2.0.0"), "rust").unwrap();
    let (healed, left) = heal(&again);
    assert_eq!((healed[0].digest, left), (three, vec![]));
    assert_ne!(three, two.digest, "the other store is believed");
    // The view has them all again.
    let index = fs::read_to_string(bench.path("store/layouts/shop/index.json")).unwrap();
    assert!(index.contains(&one.digest.to_string()) && index.contains(&three.to_string()));

    // Who healed it meanwhile is left alone, and so is a whole record that says something else.
    damage(&record("2.0.0"), b"rust");
    let report = again.verify().unwrap();
    damage(&record("2.0.0"), &whole);
    let healed = again.heal_records(&report, &mirror).unwrap();
    let says = format!("it is whole, and says {} instead of {three}", two.digest);
    assert_eq!(healed.left[0].1, says);
    assert_eq!(fs::read(record("2.0.0")).unwrap(), whole);
}

/// What of the marks is healed, and what is left and why.
fn heal_marks(store: &LocalStore, from: &LocalStore) -> (Vec<(u32, MarkKind)>, Vec<String>) {
    let healed = store.heal_records(&store.verify().unwrap(), from).unwrap();
    assert_eq!(healed.healed, []);
    let marks = healed.marks.iter().map(|mark| (mark.number, mark.kind));
    let left = healed.left.into_iter().map(|(path, why)| {
        assert!(path.starts_with("catalog/shop/"), "{path:?}");
        why
    });
    (marks.collect(), left.collect())
}

/// The store at another time: a copy of what is there now.
fn copy(bench: &Bench, to: &str) -> LocalStore {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .args([bench.path("store"), bench.path(to)])
        .status()
        .unwrap();
    assert!(status.success());
    fs::remove_dir_all(bench.path(to).join("cache")).unwrap();
    LocalStore::open(bench.path(to)).unwrap()
}

/// The store of a bench, with nothing in memory, and without the index.
fn afresh(bench: &Bench) -> LocalStore {
    let _ = fs::remove_dir_all(bench.path("store/cache"));
    LocalStore::open(bench.path("store")).unwrap()
}

/// Lets retention give up every version.
fn remove(store: &LocalStore) {
    let policy = RetentionPolicy::parse("keep-last = 0", "retention.toml").unwrap();
    let plan = store.plan_retention(&policy, &[], retention::now()).unwrap();
    store
        .carry_out(&plan, &[], &retention::why(), retention::now())
        .unwrap();
}

#[test]
fn a_mark_comes_back_from_a_copy() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let two = bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let catalog = bench.store.catalog();
    catalog.yank(&shop(), &v("1.0.0"), &because("slow")).unwrap();
    let backup = copy(&bench, "backup");
    let mark = bench.path("store/catalog/shop/1.0.0~1.json");
    damage(&mark, b"rust");

    // It blocks whoever needs the whole list.
    let store = afresh(&bench);
    let error = store.catalog().versions(&shop()).unwrap_err();
    let said = "a copy of this store can give it back";
    assert!(error.to_string().contains(said), "{error}");
    assert!(store.find(&shop(), &v("1.0.0")).is_err());
    let how = Collection::new("2100-01-01T00:00:00Z".parse().unwrap());
    assert!(store.collect(&how).is_err());

    let yanked = (vec![(1, MarkKind::Yanked)], vec![]);
    assert_eq!(heal_marks(&store, &backup), yanked);
    assert!(store.verify().unwrap().is_good());
    let standing = store.catalog().standing(&shop(), &v("1.0.0")).unwrap();
    assert_eq!(standing.yanked.unwrap().reason, "slow");
    assert_eq!(store.find(&shop(), &v("1.0.0")).unwrap(), Some(one.clone()));
    assert!(is_listed_as_yanked(&store));
    let aside = bench.path("store/quarantine").join(Digest::of("rust").hex());
    assert_eq!(fs::read(aside).unwrap(), b"rust", "for a person to look at");
    assert_eq!(heal_marks(&store, &backup), (vec![], vec![]));

    // More of them, and one that came after the copy was made.
    for _ in 0..2 {
        store
            .catalog()
            .unyank(&shop(), &v("1.0.0"), &because("fast"))
            .unwrap();
        store
            .catalog()
            .yank(&shop(), &v("1.0.0"), &because("wrong"))
            .unwrap();
    }
    let later = copy(&bench, "later");
    for number in [1, 2, 4] {
        damage(
            &bench.path(&format!("store/catalog/shop/1.0.0~{number}.json")),
            b"rust",
        );
    }
    let lacks = "the other store does not have it".to_owned();
    let first = (vec![(1, MarkKind::Yanked)], vec![lacks.clone(), lacks]);
    assert_eq!(heal_marks(&afresh(&bench), &backup), first);
    let rest = (vec![(2, MarkKind::Unyanked), (4, MarkKind::Unyanked)], vec![]);
    assert_eq!(heal_marks(&afresh(&bench), &later), rest);
    assert_eq!(
        afresh(&bench)
            .catalog()
            .standing(&shop(), &v("1.0.0"))
            .unwrap()
            .marks,
        5
    );

    // A directory in its place is not taken away.
    fs::remove_file(&mark).unwrap();
    fs::create_dir(&mark).unwrap();
    let left = vec!["it is no file: move it away first".to_owned()];
    assert_eq!(heal_marks(&afresh(&bench), &later), (vec![], left));
    assert_ne!(one, two);
}

/// What is missing of the catalog, as a verification tells it.
fn missing(store: &LocalStore) -> Vec<String> {
    let report = store.verify().unwrap();
    let record = store.catalog().record(&shop(), &v("1.0.0")).unwrap().unwrap();
    let of_one = store.verify_artifact(&record.artifact).unwrap();
    let told = |report: &StoreReport| -> Vec<_> {
        let missing = report.problems.iter();
        let missing = missing.filter(|problem| problem.kind == ProblemKind::Missing);
        missing.map(|problem| problem.to_string()).collect()
    };
    assert_eq!(told(&report), told(&of_one));
    assert_eq!(report.is_good(), told(&report).is_empty(), "{report}");
    told(&report)
}

/// Nobody is told that a version is not yanked because the file that says so is gone.
#[test]
fn a_mark_that_is_gone_is_told_of_and_comes_back() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let mark = |number: u32| bench.path(&format!("store/catalog/shop/1.0.0~{number}.json"));
    let catalog = bench.store.catalog();
    for number in 1..=5 {
        match number % 2 {
            1 => catalog.yank(&shop(), &v("1.0.0"), &because("slow")).unwrap(),
            _ => catalog.unyank(&shop(), &v("1.0.0"), &because("fast")).unwrap(),
        };
    }
    let backup = copy(&bench, "backup");
    let gone = |number: u32, why: &str| {
        format!("missing catalog/shop/1.0.0~{number}.json: it is gone{why}; it breaks shop 1.0.0")
    };
    let followed = |number| gone(number, ", and a later one is there");
    let refused = |error: StoreError| {
        let said = error.to_string();
        assert!(
            said.contains("it is gone") && said.contains("`heal_records`"),
            "{said}"
        );
    };

    // One in between: whoever asks for the version notices, too, and writes no other in its place.
    fs::remove_file(mark(4)).unwrap();
    let store = afresh(&bench);
    refused(store.find(&shop(), &v("1.0.0")).unwrap_err());
    refused(store.catalog().versions(&shop()).unwrap_err());
    let yanked = store.catalog().yank(&shop(), &v("1.0.0"), &because("x"));
    refused(yanked.unwrap_err());
    assert!(!mark(4).exists());
    assert_eq!(missing(&store), [followed(4)]);
    assert_eq!(
        heal_marks(&store, &backup),
        (vec![(4, MarkKind::Unyanked)], vec![])
    );

    // The first ones.
    for number in [1, 2] {
        fs::remove_file(mark(number)).unwrap();
    }
    let store = afresh(&bench);
    refused(store.catalog().versions(&shop()).unwrap_err());
    assert_eq!(missing(&store), [followed(1), followed(2)]);
    let healed = vec![(1, MarkKind::Yanked), (2, MarkKind::Unyanked)];
    assert_eq!(heal_marks(&store, &backup), (healed, vec![]));

    // The newest, of which the index knows, also of another process.
    store.catalog().refresh().unwrap();
    fs::remove_file(mark(5)).unwrap();
    for store in [&store, &LocalStore::open(bench.path("store")).unwrap()] {
        for _ in 0..2 {
            assert_eq!(missing(store), [gone(5, "; the index knows that it was there")]);
            refused(store.catalog().versions(&shop()).unwrap_err());
        }
    }
    let healed = (vec![(5, MarkKind::Yanked)], vec![]);
    assert_eq!(heal_marks(&store, &backup), healed);
    assert_eq!(missing(&store), [""; 0]);
    assert_eq!(missing(&afresh(&bench)), [""; 0]);
    let versions = afresh(&bench).catalog().versions(&shop()).unwrap();
    assert!(versions.get(&v("1.0.0")).unwrap().yanked);

    // Who has no copy can say it again.
    fs::remove_file(mark(5)).unwrap();
    refused(store.catalog().versions(&shop()).unwrap_err());
    store
        .catalog()
        .yank(&shop(), &v("1.0.0"), &because("again"))
        .unwrap();
    assert!(is_listed_as_yanked(&store));
    assert_eq!(missing(&store), [""; 0]);

    // One with a number that nobody counts to.
    fs::write(mark(u32::MAX), "rust").unwrap();
    assert_eq!(missing(&store).len(), 100);
}

#[test]
fn a_mark_of_another_store_is_not_taken() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let plain = copy(&bench, "plain");
    let lost = copy(&bench, "lost");
    let yank =
        |store: &LocalStore, why: &str| store.catalog().yank(&shop(), &v("1.0.0"), &because(why)).unwrap();
    yank(&bench.store, "slow");
    yank(&bench.store, "slow");
    let mark = bench.path("store/catalog/shop/1.0.0~1.json");
    let whole = fs::read(&mark).unwrap();
    damage(&mark, b"rust");
    let says = |left: &str| (vec![], vec![left.to_owned()]);

    // It never had it, or the version stands for something else there, or is not there.
    let lacks = "the other store does not have it";
    assert_eq!(heal_marks(&afresh(&bench), &plain), says(lacks));
    let empty = LocalStore::open(bench.path("empty")).unwrap();
    assert_eq!(heal_marks(&afresh(&bench), &empty), says(lacks));
    let tree = bench.tree("two").file("a", "2");
    let other = Packer::new(&tree.0).pack(&empty).unwrap().digest;
    empty.publish(&shop(), &v("1.0.0"), &other).unwrap();
    yank(&empty, "slow");
    let differs = format!("the other store says {other}; here it is {}", one.digest);
    assert_eq!(heal_marks(&afresh(&bench), &empty), says(&differs));

    // It was removed there: the bytes here are not given up for that.
    remove(&lost);
    assert!(lost.find(&shop(), &v("1.0.0")).unwrap().is_none());
    let (healed, left) = heal_marks(&afresh(&bench), &lost);
    assert!(
        healed.is_empty() && left[0].contains("says that it was removed, and nothing here does"),
        "{left:?}"
    );

    // The index knows how it stood: yanked. What comes to something else is not taken, whatever it is.
    damage(&mark, &whole);
    let known = afresh(&bench);
    assert!(
        known
            .catalog()
            .versions(&shop())
            .unwrap()
            .get(&v("1.0.0"))
            .unwrap()
            .yanked
    );
    damage(&mark, b"rust");
    assert_eq!(
        heal_marks(&known, &lost),
        says("what the other store says is not how the version stood here")
    );
    // And what comes to the same is, though nobody can tell the reasons apart.
    yank(&plain, "other");
    assert_eq!(heal_marks(&known, &plain), (vec![(1, MarkKind::Yanked)], vec![]));

    // Whoever healed it meanwhile is left alone.
    damage(&mark, b"rust");
    let report = known.verify().unwrap();
    damage(&mark, &whole);
    let healed = known.heal_records(&report, &plain).unwrap();
    assert_eq!(healed.left[0].1, "the other store has not the same mark 1");
    assert_eq!(fs::read(&mark).unwrap(), whole);
}

#[test]
fn a_removal_that_a_later_mark_speaks_for_is_taken() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    remove(&bench.store);
    bench.store.publish(&shop(), &v("1.0.0"), &one.digest).unwrap();
    let backup = copy(&bench, "backup");
    damage(&bench.path("store/catalog/shop/1.0.0~1.json"), b"rust");
    let healed = heal_marks(&afresh(&bench), &backup);
    assert_eq!(healed, (vec![(1, MarkKind::Removed)], vec![]));
    assert_eq!(afresh(&bench).find(&shop(), &v("1.0.0")).unwrap(), Some(one));

    // What comes from the copy itself speaks for nothing, however often it is tried.
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    remove(&bench.store);
    let catalog = bench.store.catalog();
    catalog.yank(&shop(), &v("1.0.0"), &because("slow")).unwrap();
    let backup = copy(&bench, "backup");
    for number in [1, 2] {
        damage(
            &bench.path(&format!("store/catalog/shop/1.0.0~{number}.json")),
            b"rust",
        );
    }
    for _ in 0..2 {
        let (healed, left) = heal_marks(&afresh(&bench), &backup);
        assert_eq!((healed, left.len()), (vec![], 2));
    }
}

#[test]
fn a_damaged_record_keeps_no_other_version_from_being_published() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    damage(&bench.path("store/catalog/shop/1.0.0.json"), b"rust");
    fs::remove_dir_all(bench.path("store/cache")).unwrap();
    fs::remove_dir_all(bench.path("store/layouts")).unwrap();
    let store = LocalStore::open(bench.path("store")).unwrap();
    let tree = bench.tree("two").file("a", "2");
    let two = Packer::new(&tree.0).pack(&store).unwrap().digest;
    let published = store.publish(&shop(), &v("2.0.0"), &two).unwrap();
    assert_eq!(store.find(&shop(), &v("2.0.0")).unwrap(), Some(published));
    // The damaged one stays taken.
    assert!(store.publish(&shop(), &v("1.0.0"), &two).is_err());
}

#[test]
fn a_copy_may_be_older_than_what_is_known() {
    let bench = Bench::new();
    bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let catalog = bench.store.catalog();
    catalog.yank(&shop(), &v("1.0.0"), &because("slow")).unwrap();
    let backup = copy(&bench, "backup");
    catalog.unyank(&shop(), &v("1.0.0"), &because("fast")).unwrap();
    let is_yanked = || {
        catalog
            .versions(&shop())
            .unwrap()
            .get(&v("1.0.0"))
            .unwrap()
            .yanked
    };
    assert!(!is_yanked());
    damage(&bench.path("store/catalog/shop/1.0.0~1.json"), b"rust");
    // The index knows what two marks came to; the copy has one of them.
    let healed = heal_marks(&bench.store, &backup);
    assert_eq!(healed, (vec![(1, MarkKind::Yanked)], vec![]));
    assert!(!is_yanked() && bench.store.verify().unwrap().is_good());

    // What somebody else healed meanwhile is not written again.
    let mark = bench.path("store/catalog/shop/1.0.0~1.json");
    let whole = fs::read(&mark).unwrap();
    damage(&mark, b"other rust");
    let report = bench.store.verify().unwrap();
    damage(&mark, &whole);
    let aside = || crate::files(&bench.path("store/quarantine")).len();
    let before = aside();
    let healed = bench.store.heal_records(&report, &backup).unwrap();
    assert_eq!((healed.marks.len(), healed.left.len(), aside()), (1, 0, before));
}
