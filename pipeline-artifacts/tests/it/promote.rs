//! Artifacts from store to store, whole again, and stores in front of others.

use std::fs;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline_artifacts::{
    BlobId, BlobLimits, BlobSource, BlobStore, BytesSource, Limited, LocalStore, MemoryBlobs, NewAttachment,
    Promotion, ReadOnly, Recheck, Tiered,
};
use pipeline_core::{ArtifactStore, Digest, StoreError};

use crate::{Bench, damage, files, shop, v};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn wait<T>(future: impl Future<Output = T>) -> T {
    future.await
}

fn put(store: &dyn BlobStore, bytes: &[u8]) -> Result<BlobId, StoreError> {
    let blob = BlobId::of(bytes);
    wait(store.put(&blob, &mut BytesSource::new(bytes))).map(|()| blob)
}

fn get(store: &dyn BlobStore, digest: &Digest) -> Result<Vec<u8>, StoreError> {
    wait(async {
        let mut source = store.get(digest).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = source.next().await? {
            bytes.extend(piece);
        }
        Ok(bytes)
    })
}

fn other(bench: &Bench) -> LocalStore {
    LocalStore::open(bench.path("other")).unwrap()
}

#[test]
fn only_what_is_missing_travels() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let to = other(&bench);
    let all = files(&bench.path("store/blobs")).len() as u64;
    let promoted = wait(Promotion::of(one.digest).run(&bench.store, &to)).unwrap();
    assert_eq!((promoted.moved, promoted.skipped), (all, 0));
    let again = wait(Promotion::of(one.digest).run(&bench.store, &to)).unwrap();
    assert_eq!((again.moved, again.skipped_bytes), (0, promoted.moved_bytes));
    to.publish(&shop(), &v("1.0.0"), &one.digest).unwrap();
    to.artifact(&one).unwrap().write_to(&bench.path("live")).unwrap();

    // Through memory, and by what stands in front of it; a promotion that was cut off goes on.
    let (memory, two) = (
        MemoryBlobs::new(),
        bench.publish(&bench.tree("two").file("a", "2"), "2.0.0"),
    );
    let room = BlobLimits::default().blobs(2);
    let limited = wait(Limited::open(memory.clone(), room)).unwrap();
    let cut = wait(Promotion::of(two.digest).run(&bench.store, &limited)).unwrap_err();
    assert!(matches!(cut, StoreError::Refused { .. }), "{cut}");
    assert_eq!(
        wait(memory.size(&two.digest)).unwrap(),
        None,
        "the manifest comes last"
    );
    let rest = wait(Promotion::of(two.digest).run(&bench.store, &memory)).unwrap();
    assert_eq!(rest.skipped, 2);
    wait(Promotion::of(two.digest).run(&memory, &to)).unwrap();
    to.publish(&shop(), &v("2.0.0"), &two.digest).unwrap();
    assert!(to.verify().unwrap().is_good());

    let nothing = wait(Promotion::of(Digest::of("nothing")).run(&bench.store, &to)).unwrap_err();
    assert!(matches!(nothing, StoreError::NotFound { .. }));
}

/// Notes what is asked of a store, by the digests that it is about.
#[derive(Debug, Clone, Default)]
struct Noted(MemoryBlobs, Arc<Mutex<Vec<Asked>>>);

/// What was asked, and of which blobs.
type Asked = (&'static str, Vec<Digest>);

impl Noted {
    fn note(&self, what: &'static str, digests: impl IntoIterator<Item = Digest>) {
        self.1.lock().unwrap().push((what, digests.into_iter().collect()));
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.1.lock().unwrap())
    }
}

#[async_trait]
impl BlobStore for Noted {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.0.size(digest).await
    }
    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        self.note("get", [*digest]);
        self.0.get(digest).await
    }
    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        self.note("put", [blob.digest]);
        self.0.put(blob, bytes).await
    }
    async fn flush(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        self.note("flush", blobs.iter().map(|blob| blob.digest));
        self.0.flush(blobs).await
    }
    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        self.0.list(after, most).await
    }
    async fn trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError> {
        self.note("trash", [*digest]);
        self.0.trash(digest, epoch).await
    }
}

/// Also what is attached to an attachment, whatever comes first, through a store that knows nothing of it.
#[test]
fn what_is_attached_is_attached_there_as_well() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let attach = |to: &Digest, text: &str| bench.store.attach(to, &NewAttachment::note(text)).unwrap();
    let note = attach(&one.digest, "# Know this\n");
    let on_note = attach(&note.digest, "# And this\n");
    let promotion = Promotion::of(one.digest).with_attached([on_note.digest, note.digest]);
    let (depot, to) = (MemoryBlobs::new(), LocalStore::open(bench.path("to")).unwrap());
    wait(promotion.run(&bench.store, &depot)).unwrap();
    for _ in 0..2 {
        let limited = wait(Limited::open(to.clone(), BlobLimits::default())).unwrap();
        wait(promotion.run(&depot, &limited)).unwrap();
        let there = to.publish(&one.name, &one.version, &one.digest).unwrap();
        assert_eq!(
            to.attachments(&there.digest).unwrap(),
            std::slice::from_ref(&note)
        );
        assert_eq!(
            to.attachments(&note.digest).unwrap(),
            std::slice::from_ref(&on_note)
        );
        assert!(to.verify().unwrap().problems.is_empty());
    }
    // Where nobody writes, all may be there already, and what is attached is not noted behind anybody's back.
    let error = wait(promotion.run(&depot, &ReadOnly::new(to))).unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    // What is attached to something else than what was sent is not there, and so is nothing that it could be noted at.
    let other = bench.publish(&bench.tree("two").file("b", "2"), "2.0.0");
    let elsewhere = LocalStore::open(bench.path("elsewhere")).unwrap();
    let wrong = Promotion::of(other.digest).with_attached([note.digest]);
    let error = wait(wrong.run(&bench.store, &elsewhere)).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    let wrong = Promotion::of(other.digest).with_attached([one.digest]);
    let error = wait(wrong.run(&bench.store, &elsewhere)).unwrap_err();
    assert!(error.to_string().contains("it is attached to nothing"), "{error}");
}

#[test]
fn what_is_named_is_durable_before_what_names_it() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let note = bench
        .store
        .attach(&one.digest, &NewAttachment::note("# Know this\n"))
        .unwrap();
    let (to, to_nowhere) = (Noted::default(), MemoryBlobs::new());
    let promotion = Promotion::of(one.digest).with_attached([note.digest]);
    wait(promotion.run(&bench.store, &to)).unwrap();
    let asked = to.asked();
    let at = |what: &str, digest: &Digest| {
        let place = asked
            .iter()
            .position(|(asked, digests)| *asked == what && digests.contains(digest));
        place.unwrap_or_else(|| panic!("no {what} of {digest} in {asked:?}"))
    };
    for (manifest, blobs) in [
        (note.digest, vec![note.parts[0].digest, Digest::of("{}")]),
        (
            one.digest,
            bench
                .store
                .artifact(&one)
                .unwrap()
                .layers()
                .iter()
                .map(|layer| layer.digest)
                .collect(),
        ),
    ] {
        for blob in blobs {
            assert!(at("put", &blob) < at("flush", &blob) && at("flush", &blob) < at("put", &manifest));
        }
        assert!(at("put", &manifest) < at("flush", &manifest));
    }
    assert!(
        at("flush", &note.digest) < at("put", &one.digest),
        "it does not arrive without"
    );

    // The whole of it again: nothing is sent, and what was there is made durable all the same.
    wait(promotion.run(&bench.store, &to)).unwrap();
    let asked = to.asked();
    assert!(
        asked.iter().all(|(what, _)| *what == "flush") && !asked.is_empty(),
        "{asked:?}"
    );

    // What says to be something else is no manifest, whatever fields it has.
    let manifest = bench.store.read_blob(&one.digest).unwrap();
    let manifest = String::from_utf8(manifest).unwrap();
    for (from, to) in [
        ("\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("image.manifest", "image.index"),
    ] {
        assert!(manifest.contains(from), "{manifest}");
        let other = put(&bench.store, manifest.replace(from, to).as_bytes()).unwrap();
        let error = wait(Promotion::of(other.digest).run(&bench.store, &to_nowhere)).unwrap_err();
        let said = "expected an image manifest of type";
        assert!(error.to_string().contains(said), "{to}: {error}");
    }

    // What is larger than a manifest may be is none, and is not read to its end.
    let large = put(&bench.store, &vec![b' '; 5 << 20]).unwrap();
    let error = wait(Promotion::of(large.digest).run(&bench.store, &to)).unwrap_err();
    assert!(
        error.to_string().contains("it has more than the 4194304 bytes"),
        "{error}"
    );
}

#[test]
fn damage_does_not_travel() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    for path in files(&bench.path("store/blobs")) {
        let bytes = fs::read(&path).unwrap();
        let mut flipped = bytes.clone();
        flipped[0] ^= 1;
        damage(&path, &flipped);
        let name = path.file_name().unwrap().to_str().unwrap();
        let to = LocalStore::open(bench.path(&format!("to-{name}"))).unwrap();
        let error = wait(Promotion::of(one.digest).run(&bench.store, &to)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!to.root().join("blobs/sha256").join(name).exists());
        damage(&path, &bytes);
    }
}

#[test]
fn what_is_damaged_at_the_target_is_sent_again() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let to = other(&bench);
    wait(Promotion::of(one.digest).run(&bench.store, &to)).unwrap();
    // Of the same size: only its hash tells.
    let layer = bench.store.artifact(&one).unwrap().layers()[1];
    let path = to.root().join("blobs/sha256").join(layer.digest.hex());
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    damage(&path, &bytes);
    let quick = to.rechecking(Recheck::Size);
    assert_eq!(
        wait(Promotion::of(one.digest).run(&bench.store, &quick))
            .unwrap()
            .moved,
        0
    );
    assert_eq!(
        wait(Promotion::of(one.digest).run(&bench.store, &to))
            .unwrap()
            .moved,
        1
    );
    assert!(to.verify().unwrap().is_good());
    // What was there is as new as what was sent: a collector leaves both to who holds a lease.
    let old = fs::metadata(&path).unwrap().modified().unwrap() - std::time::Duration::from_secs(3600);
    fs::File::open(&path).unwrap().set_modified(old).unwrap();
    assert_eq!(
        wait(Promotion::of(one.digest).run(&bench.store, &to))
            .unwrap()
            .moved,
        0
    );
    assert!(fs::metadata(&path).unwrap().modified().unwrap() > old);
}

#[test]
fn a_store_heals_from_another() {
    let bench = Bench::new();
    let one = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let mirror = other(&bench);
    wait(Promotion::of(one.digest).run(&bench.store, &mirror)).unwrap();
    let blobs = files(&bench.path("store/blobs"));
    assert!(blobs.len() >= 4, "{blobs:?}");
    for (at, path) in blobs.iter().enumerate() {
        match at % 4 {
            0 => damage(path, b"rust"),
            1 => fs::remove_file(path).unwrap(),
            2 => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }
            _ => {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
            }
        }
    }
    let aside = |path: &std::path::Path| bench.path("store/quarantine").join(path.file_name().unwrap());
    // The mirror has lost one of them, and spoilt another.
    let lost = bench
        .path("other/blobs/sha256")
        .join(blobs[0].file_name().unwrap());
    let kept = fs::read(&lost).unwrap();
    damage(&lost, b"rust");
    let report = bench.store.verify().unwrap();
    let healed = wait(bench.store.heal(&report, &mirror)).unwrap();
    assert_eq!(healed.left.len(), 1, "{healed:?}");
    let (left, why) = &healed.left[0];
    assert!(
        blobs[0].ends_with(left.hex()) && why.contains("its bytes have digest"),
        "{why}"
    );
    // What could not be replaced stays where it was; what was is put aside.
    assert_eq!(fs::read(&blobs[0]).unwrap(), b"rust");
    assert!(!aside(&blobs[0]).exists());
    assert!(aside(&blobs[2]).is_dir() && aside(&blobs[3]).is_symlink());
    damage(&lost, &kept);
    // What was not known to be missing, because the manifest was gone, is found by the next look.
    for _ in 0..3 {
        wait(bench.store.heal(&bench.store.verify().unwrap(), &mirror)).unwrap();
    }
    assert!(
        bench.store.verify().unwrap().is_good(),
        "{}",
        bench.store.verify().unwrap()
    );
    bench
        .store
        .artifact(&one)
        .unwrap()
        .write_to(&bench.path("live"))
        .unwrap();
    assert_eq!(
        fs::read(aside(&blobs[0])).unwrap(),
        b"rust",
        "for a person to look at"
    );

    // It is damaged again, and the other store has never had it: said, and nothing is done.
    damage(&blobs[0], b"more rust");
    let report = bench.store.verify().unwrap();
    let left = wait(bench.store.heal(&report, &MemoryBlobs::new())).unwrap().left;
    assert_eq!(left[0].1, "the other store does not have it");
    wait(bench.store.heal(&report, &mirror)).unwrap();
    assert_eq!(fs::read(aside(&blobs[0])).unwrap(), b"more rust");
    assert!(bench.store.verify().unwrap().is_good());
}

#[test]
fn a_front_is_filled_on_read_and_never_believed() {
    let bench = Bench::new();
    let (front, slow) = (other(&bench), bench.store.clone());
    let tiered = Tiered::new(front.clone(), slow.clone());
    let blob = put(&tiered, b"precious").unwrap();
    assert_eq!(
        front.blob_size(&blob.digest).unwrap(),
        None,
        "what is stored goes to the truth"
    );
    assert_eq!(get(&tiered, &blob.digest).unwrap(), b"precious");
    let path = bench.path("other/blobs/sha256").join(blob.digest.hex());
    assert!(path.exists(), "what was read is in front");
    // It answers without the slow store's bytes, and heals from them.
    let truth = bench.path("store/blobs/sha256").join(blob.digest.hex());
    damage(&truth, b"spoilt!!");
    assert_eq!(get(&tiered, &blob.digest).unwrap(), b"precious");
    damage(&truth, b"precious");
    damage(&path, b"spoilt!!");
    assert_eq!(get(&tiered, &blob.digest).unwrap(), b"precious");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    // What is done to it is done to the truth; what is taken away is gone in front, too.
    let (front, truth) = (Noted::default(), Noted::default());
    let noted = Tiered::new(front.clone(), truth.clone());
    let other = put(&noted, b"other").unwrap();
    get(&noted, &other.digest).unwrap();
    wait(noted.flush(&[other])).unwrap();
    assert!(wait(noted.trash(&other.digest, 1)).unwrap());
    assert!(truth.asked().contains(&("flush", vec![other.digest])));
    assert!(front.asked().contains(&("trash", vec![other.digest])));
    assert!(matches!(
        get(&noted, &other.digest),
        Err(StoreError::NotFound { .. })
    ));
    // A front that takes nothing is no hindrance.
    let closed = Tiered::new(ReadOnly::new(MemoryBlobs::new()), slow);
    assert_eq!(get(&closed, &blob.digest).unwrap(), b"precious");
    assert!(matches!(
        get(&closed, &Digest::of("no")),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn an_artifact_is_read_in_front_of_a_store_that_is_only_read() {
    let bench = Bench::new();
    let (front, one) = (
        other(&bench),
        bench.publish(&bench.tree("one").file("a", "1").file("b", "2"), "1.0.0"),
    );
    let shared = ReadOnly::new(bench.store.clone());
    let tiered = Tiered::new(front.clone(), shared);
    let found = wait(tiered.resolve(&shop(), &v("1.0.0"))).unwrap();
    assert_eq!(found.as_ref(), Some(&one));
    assert_eq!(
        front.find(&shop(), &v("1.0.0")).unwrap(),
        None,
        "names stay behind"
    );
    let opened = wait(tiered.open(&one)).unwrap();
    assert_eq!(wait(opened.read("a")).unwrap(), b"1");
    let copied = files(&bench.path("other/blobs"));
    assert_eq!(
        copied.len(),
        files(&bench.path("store/blobs")).len(),
        "all of it is in front"
    );

    // From now on it is read there: what is behind is opened, and its layers are not read.
    let layers = bench.store.artifact(&one).unwrap().layers();
    let layer = layers.last().unwrap();
    let behind = bench.path("store/blobs/sha256").join(layer.digest.hex());
    let kept = fs::read(&behind).unwrap();
    let spoilt = vec![b'x'; kept.len()];
    damage(&behind, &spoilt);
    let opened = wait(tiered.open(&one)).unwrap();
    assert_eq!(wait(opened.read("b")).unwrap(), b"2");
    wait(opened.materialise(&bench.path("live"))).unwrap();
    assert_eq!(fs::read(bench.path("live/b")).unwrap(), b"2");
    // And what is damaged there is read from behind; when both are, nothing is.
    let before = bench.path("other/blobs/sha256").join(layer.digest.hex());
    damage(&before, &spoilt);
    assert!(matches!(wait(opened.read("b")), Err(StoreError::Damaged { .. })));
    assert!(wait(opened.materialise(&bench.path("none"))).is_err());
    assert!(!bench.path("none").exists());
    damage(&behind, &kept);
    assert_eq!(wait(opened.read("b")).unwrap(), b"2");
    wait(opened.materialise(&bench.path("none"))).unwrap();

    // What is gone behind is gone, whatever is in front.
    fs::remove_file(bench.path("store/blobs/sha256").join(one.digest.hex())).unwrap();
    assert!(matches!(
        wait(tiered.open(&one)),
        Err(StoreError::NotFound { .. })
    ));
    let refused = wait(tiered.put_blob(b"x")).unwrap_err();
    assert!(
        refused.to_string().ends_with("the store is read-only"),
        "{refused}"
    );
}

#[test]
fn a_limit_holds_for_what_a_stage_stores() {
    let bench = Bench::new();
    let limits = BlobLimits::default().bytes(10);
    let limited = wait(Limited::open(bench.store.clone(), limits)).unwrap();
    let digest = wait(limited.put_blob(b"12345678")).unwrap();
    assert_eq!(wait(limited.put_blob(b"12345678")).unwrap(), digest);
    assert_eq!(wait(limited.blob(&digest)).unwrap(), b"12345678");
    let full = wait(limited.put_blob(b"abc")).unwrap_err();
    assert!(full.to_string().ends_with("and would have 11"), "{full}");
    wait(limited.put_blob(b"ab")).unwrap();
}

#[test]
fn what_may_not_be_stored_is_refused() {
    let memory = MemoryBlobs::new();
    put(&memory, b"1234").unwrap();
    let closed = ReadOnly::new(memory.clone());
    let errors = [
        put(&closed, b"x").unwrap_err().to_string(),
        wait(closed.trash(&Digest::of("1234"), 1))
            .unwrap_err()
            .to_string(),
    ];
    assert!(
        errors
            .iter()
            .all(|error| error.ends_with("the store is read-only")),
        "{errors:?}"
    );
    assert_eq!(get(&closed, &Digest::of("1234")).unwrap(), b"1234");

    let limits = BlobLimits::default().bytes(10).blobs(3).largest(6);
    let limited = wait(Limited::open(memory.clone(), limits)).unwrap();
    let large = put(&limited, b"1234567").unwrap_err();
    let short = "the store may hold 6 bytes in one blob, and would have 7";
    assert!(large.to_string().ends_with(short), "{large}");
    put(&limited, b"abcdef").unwrap();
    put(&limited, b"abcdef").unwrap();
    let full = put(&limited, b"x").unwrap_err();
    let short = "the store may hold 10 bytes, and would have 11";
    assert!(full.to_string().ends_with(short), "{full}");
    // Room that is not used, or not used any more, is given back.
    assert!(wait(limited.trash(&Digest::of("abcdef"), 1)).unwrap());
    let wrong = BlobId {
        size: 3,
        ..BlobId::of("yy")
    };
    let sent = wait(limited.put(&wrong, &mut BytesSource::new("yyy"))).unwrap_err();
    assert!(matches!(sent, StoreError::Damaged { .. }));
    put(&limited, b"123456").unwrap();
}

#[test]
fn a_limit_holds_for_many_at_once() {
    let limits = BlobLimits::default().blobs(20);
    let limited = Arc::new(wait(Limited::open(MemoryBlobs::new(), limits)).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let limited = Arc::clone(&limited);
            scope.spawn(move || {
                (0..10).for_each(|at| drop(put(&*limited, format!("{thread} {at}").as_bytes())))
            });
        }
    });
    assert_eq!(wait(limited.list(None, 100)).unwrap().len(), 20);
}

#[test]
fn what_is_there_already_counts_however_much_it_is() {
    let memory = MemoryBlobs::new();
    // More than are listed at once.
    for number in 0..2100_u32 {
        put(&memory, &number.to_le_bytes()).unwrap();
    }
    let open = |blobs: u64, bytes: u64| {
        let limits = BlobLimits::default().blobs(blobs).bytes(bytes);
        wait(Limited::open(memory.clone(), limits)).unwrap()
    };
    for (full, what) in [
        (open(2100, u64::MAX), "blobs"),
        (open(u64::MAX, 4 * 2100), "bytes"),
    ] {
        let error = put(&full, b"one more").unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{what}: {error}");
    }
    put(&open(2101, 4 * 2100 + 8), b"one more").unwrap();
}
