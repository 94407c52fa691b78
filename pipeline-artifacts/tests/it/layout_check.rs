//! Whether the layouts show what the catalog says: what other tools read is verified as well, and can be made anew.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pipeline_artifacts::{NewAttachment, ProblemKind, StoreReport};
use pipeline_core::Digest;

use crate::retention::remove;
use crate::{Bench, shop, v};

/// Every problem in a line.
fn told(report: &StoreReport) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}

/// Two versions, and something attached to one.
fn bench() -> Bench {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let note = NewAttachment::note("# Know this\n");
    bench.store.attach(&one.digest, &note).unwrap();
    assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());
    bench
}

fn put(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_layout_that_is_behind_is_told_of_and_made_anew() {
    let bench = Bench::new();
    let layout = bench.path("store/layouts/shop");
    let index = layout.join("index.json");
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let of_one = fs::read_to_string(&index).unwrap();
    bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    let of_two = fs::read_to_string(&index).unwrap();
    bench
        .store
        .attach(&one.digest, &NewAttachment::note("# Know this\n"))
        .unwrap();
    type Harm<'a> = Box<dyn Fn() + 'a>;
    let harms: [(Harm<'_>, &str); 9] = [
        (
            Box::new(|| put(&index, &of_one)),
            "outdated layouts/shop/index.json: it does not show 1 of 2 versions",
        ),
        (
            Box::new(|| put(&index, &of_two)),
            "outdated layouts/shop/index.json: it does not show what is attached as it is now",
        ),
        (
            Box::new(|| put(&index, "")),
            "outdated layouts/shop/index.json: it is no index",
        ),
        (
            Box::new(|| fs::remove_file(&index).unwrap()),
            "outdated layouts/shop/index.json: it is not there",
        ),
        (
            Box::new(|| {
                fs::remove_file(&index).unwrap();
                fs::create_dir(&index).unwrap();
            }),
            "outdated layouts/shop/index.json: it is no index",
        ),
        (
            Box::new(|| put(&layout.join("oci-layout"), "{}")),
            "outdated layouts/shop/oci-layout: it is not the mark of an OCI layout",
        ),
        (
            Box::new(|| fs::remove_file(layout.join("oci-layout")).unwrap()),
            "outdated layouts/shop/oci-layout: it is not there",
        ),
        (
            Box::new(|| fs::remove_file(layout.join("blobs")).unwrap()),
            "outdated layouts/shop/blobs: it is not there",
        ),
        (
            Box::new(|| fs::remove_dir_all(&layout).unwrap()),
            "outdated layouts/shop: it is not there",
        ),
    ];
    for (harm, what) in harms {
        harm();
        let report = bench.store.verify().unwrap();
        assert_eq!(told(&report), [what]);
        assert!(report.is_good(), "nothing is lost: {report}");
        assert_eq!(report.outdated().count(), 1);
        assert!(
            report.to_string().contains("no problem, 1 outdated view\n"),
            "{report}"
        );
        // A file is put in the place of a file.
        if index.is_dir() {
            fs::remove_dir(&index).unwrap();
        }
        bench.store.write_layouts().unwrap();
        assert_eq!(
            told(&bench.store.verify().unwrap()),
            Vec::<String>::new(),
            "{what}"
        );
    }

    // What was removed may be shown until the layout is made anew.
    let of_three = fs::read_to_string(&index).unwrap();
    remove(&bench, &shop(), "2.0.0");
    assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());
    put(&index, &of_three);
    let report = bench.store.verify().unwrap();
    let what = "outdated layouts/shop/index.json: it still shows 1 versions that were removed";
    assert_eq!(told(&report), [what]);
}

#[test]
fn a_layout_that_says_what_never_was_is_damaged() {
    let bench = bench();
    let layouts = bench.path("store/layouts");
    let index = layouts.join("shop/index.json");
    let right = fs::read_to_string(&index).unwrap();
    let digest = |version: &str| bench.store.find(&shop(), &v(version)).unwrap().unwrap().digest;
    let (one, two) = (digest("1.0.0"), digest("2.0.0"));
    let swapped = right
        .replace(&one.to_string(), "ONE")
        .replace(&two.to_string(), &one.to_string())
        .replace("ONE", &two.to_string());
    let anew = |what: &str| {
        let report = bench.store.verify().unwrap();
        assert_eq!(told(&report), [what]);
        assert!(!report.is_good() && report.problems[0].kind == ProblemKind::Damaged);
        assert_eq!(
            (report.problems[0].blob(), report.problems[0].record()),
            (None, None)
        );
        bench.store.write_layouts().unwrap();
        assert_eq!(
            told(&bench.store.verify().unwrap()),
            Vec::<String>::new(),
            "{what}"
        );
        assert_eq!(fs::read_to_string(&index).unwrap(), right);
    };
    put(&index, &swapped);
    anew(&format!(
        "damaged layouts/shop/index.json: it says that `1.0.0` is {two}; the record says {one}"
    ));
    put(&index, &right.replace("\"2.0.0\"", "\"2.0.1\""));
    anew("damaged layouts/shop/index.json: it shows `2.0.1`, of which there is no record");
    put(&index, &right.replace("\"2.0.0\"", "\"latest\""));
    anew("damaged layouts/shop/index.json: it shows `latest`, of which there is no record");
    let blobs = layouts.join("shop/blobs");
    let link = "it is not the link to ../../blobs; a directory must be taken away first";
    fs::remove_file(&blobs).unwrap();
    symlink("/", &blobs).unwrap();
    anew(&format!("damaged layouts/shop/blobs: {link}"));
    put(&blobs, "");
    anew(&format!("damaged layouts/shop/blobs: {link}"));

    // A copy that followed the link: it publishes on, and a person takes the copy away.
    fs::remove_file(&blobs).unwrap();
    fs::create_dir_all(blobs.join("sha256")).unwrap();
    bench.publish(&bench.tree("two"), "2.1.0");
    let report = bench.store.verify().unwrap();
    assert_eq!(told(&report), [format!("damaged layouts/shop/blobs: {link}")]);
    fs::remove_dir_all(&blobs).unwrap();
    bench.store.write_layouts().unwrap();
    assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());

    // Things that nobody knows, and the layout of a name that has no record.
    fs::write(layouts.join("README"), "").unwrap();
    fs::write(layouts.join("shop/.seal2"), "").unwrap();
    fs::create_dir(layouts.join("cart")).unwrap();
    fs::copy(&index, layouts.join("cart/index.json")).unwrap();
    insta::assert_snapshot!(told(&bench.store.verify().unwrap()).join("\n"), @r"
    unexpected layouts/README: it is not the layout of a name
    outdated layouts/cart/blobs: it is not there
    damaged layouts/cart/index.json: it shows `1.0.0`, of which there is no record
    outdated layouts/cart/oci-layout: it is not there
    unexpected layouts/shop/.seal2: it does not belong to a layout
    ");
    bench.store.write_layouts().unwrap();
    assert_eq!(bench.store.verify().unwrap().problems.len(), 2);
}

/// The layout is the only one to know of a record that somebody removed.
#[test]
fn a_record_that_is_gone_is_missed_by_its_layout() {
    let bench = bench();
    fs::remove_file(bench.path("store/catalog/shop/2.0.0.json")).unwrap();
    let report = bench.store.verify().unwrap();
    assert_eq!(
        told(&report),
        ["damaged layouts/shop/index.json: it shows `2.0.0`, of which there is no record"]
    );
    // One that is damaged is told of where it lies; what the layout should show is not known.
    let record = bench.path("store/catalog/shop/1.0.0.json");
    put(&record, "damage");
    fs::remove_dir_all(bench.path("store/cache")).unwrap();
    let store = pipeline_artifacts::LocalStore::open(bench.path("store")).unwrap();
    let report = store.verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].record().is_some());
    store.write_layouts().unwrap();
}

/// What is unfinished goes into a file that is new, and not through a link that lies in its place.
#[test]
fn nothing_is_written_through_a_link_in_a_layout() {
    let bench = bench();
    let other = bench.path("other");
    fs::write(&other, "mine").unwrap();
    for name in ["index.json", "index.json.new", "oci-layout", "oci-layout.new"] {
        let path = bench.path("store/layouts/shop").join(name);
        let _ = fs::remove_file(&path);
        symlink(&other, &path).unwrap();
    }
    bench.store.write_layouts().unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
    assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());
}

#[test]
fn writers_at_work_are_no_problem() {
    let bench = Bench::new();
    let digest = bench.publish(&bench.tree("one").file("a", "1"), "0.1.0").digest;
    let done = AtomicBool::new(false);
    let (count, mut looks) = (40, 0);
    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            for patch in 0..count {
                let version = v(&format!("1.0.{patch}"));
                bench.store.publish(&shop(), &version, &digest).unwrap();
                let note = NewAttachment::note(format!("# Note {patch}\n"));
                bench.store.attach(&digest, &note).unwrap();
            }
        });
        let removing = scope.spawn(|| {
            for minor in 0..count {
                let tree = bench.tree(&format!("more-{minor}")).file("a", minor.to_string());
                bench.publish(&tree, &format!("2.{minor}.0"));
            }
        });
        scope.spawn(|| {
            publishing.join().unwrap();
            removing.join().unwrap();
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());
            looks += 1;
        }
    });
    assert!(looks > 1, "{looks} looks");
}

/// A file of a digest that nothing is known of is no attachment; one that was attached and is noted as such by somebody who
/// died is.
#[test]
fn what_a_dead_writer_attached_is_outdated_until_somebody_finishes_it() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0").digest;
    let index = bench.path("store/layouts/shop/index.json");
    let before = fs::read_to_string(&index).unwrap();
    let note = bench
        .store
        .attach(&one, &NewAttachment::note("# Know this\n"))
        .unwrap();
    put(&index, &before);
    let name = format!("{}-{}-left", one.hex(), note.digest.hex());
    let left = bench.path("store/layouts/.attaching").join(name);
    fs::write(&left, "").unwrap();
    let what = "outdated layouts/shop/index.json: it does not show what is attached as it is now";
    assert_eq!(told(&bench.store.verify().unwrap()), [what]);
    // While somebody holds the note, it comes soon.
    let held = fs::File::open(&left).unwrap();
    crate::gated::lock(&held);
    assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());
    drop(held);
    // Whoever attaches the next finishes it.
    let other = bench.publish(&bench.tree("two").file("a", "2"), "2.0.0").digest;
    bench
        .store
        .attach(&other, &NewAttachment::note("# And this\n"))
        .unwrap();
    assert!(!left.exists());
    assert_eq!(told(&bench.store.verify().unwrap()), Vec::<String>::new());
    assert_ne!(Digest::of(fs::read(&index).unwrap()), Digest::of(&before));
}
