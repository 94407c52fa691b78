//! Records that another store gives back.

use std::fs;

use pipeline_artifacts::{LocalStore, Packer, Promotion};
use pipeline_core::Digest;

use crate::catalog::because;
use crate::promote::wait;
use crate::{Bench, damage, shop, v};

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

    // A mark is for this store alone.
    bench
        .store
        .catalog()
        .yank(&shop(), &v("1.0.0"), &because("no"))
        .unwrap();
    damage(&record("1.0.0~1"), b"rust");
    assert_eq!(heal(&again), (vec![], vec![]));
    assert!(!again.verify().unwrap().is_good());
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
