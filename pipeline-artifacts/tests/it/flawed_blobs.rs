//! The suite for stores of blobs: what is honest passes, and each flaw is found under its own name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use pipeline_artifacts::testing::{BlobWorld, Report, Standing, blob_store};
use pipeline_artifacts::{BlobId, BlobSource, BlobStore, BytesSource, MAX_PIECE};
use pipeline_core::{Digest, StoreError};

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    ChangesLineEnds,
    RefusesEmpty,
    GivesAllAtOnce,
    GivesEmptyPieces,
    ListsAfterFlush,
    TellsSizeAfterFlush,
    FailsOnUnknown,
    MissesByName,
    MissesInOrder,
    ListsBackwards,
    ListsTooMany,
    ListsTheLastAgain,
    ListsOnePage,
    ListsNothingAfterUnknown,
    ListsTwice,
    RefusesAgain,
    ShowsHalf,
    TakesAwayFirst,
    AcceptsOther,
    NamesOtherError,
    HidesError,
    TakesErrorForEnd,
    KeepsWrong,
    ForgetsOnError,
    ReadsOn,
    KeepsHalfOfDropped,
    ForgetsOnDrop,
    RefusesAtOnce,
    GivesDamage,
    HidesDamage,
    KeepsDamage,
    ForgetsAll,
    FailsToFlushNone,
    TrashesTwice,
    ListsTrash,
    LeavesInTrash,
    EvictsWhenFull,
    TakesTooMuch,
    TrashesReadOnly,
    TakesReadOnly,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Vec<u8>>,
    puts: BTreeMap<Digest, u32>,
    told: BTreeSet<Digest>,
    flushed: BTreeSet<Digest>,
    trash: BTreeSet<Digest>,
    half: Option<(Digest, Vec<u8>)>,
    inside: u32,
}

/// A store in memory with a flaw.
#[derive(Debug, Clone)]
struct Flawed {
    flaw: Flaw,
    most: u64,
    read_only: bool,
    state: Arc<Mutex<State>>,
}

fn refused(why: &str) -> StoreError {
    StoreError::Refused {
        what: "a blob".to_owned(),
        reason: why.to_owned(),
    }
}

fn wrong() -> StoreError {
    StoreError::Damaged {
        what: "a blob".to_owned(),
        reason: "other bytes".to_owned(),
    }
}

/// A `put` on its way.
struct Inside<'a> {
    store: &'a Flawed,
    blob: BlobId,
    all: Vec<u8>,
    ended: bool,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = self.store.state();
        state.inside -= 1;
        state.half = None;
        let digest = self.blob.digest;
        match self.store.flaw {
            Flaw::KeepsHalfOfDropped if !self.ended && !state.blobs.contains_key(&digest) => {
                state.blobs.insert(digest, std::mem::take(&mut self.all));
            }
            Flaw::ForgetsOnDrop if !self.ended => drop(state.blobs.remove(&digest)),
            _ => {}
        }
    }
}

impl Flawed {
    fn new(flaw: Flaw, most: u64, read_only: bool) -> Self {
        Self {
            flaw,
            most,
            read_only,
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Reads what is sent; `None` after an error that is hidden.
    async fn receive(&self, inside: &mut Inside<'_>, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        loop {
            let piece = match bytes.next().await {
                Err(_) if self.has(Flaw::HidesError) => return Err(refused("its source failed")),
                Err(_) if self.has(Flaw::TakesErrorForEnd) => return Err(wrong()),
                piece => piece?,
            };
            let Some(piece) = piece else { return Ok(()) };
            if inside.all.len() as u64 <= inside.blob.size {
                inside.all.extend(piece);
            }
            if self.has(Flaw::ShowsHalf) {
                self.state().half = Some((inside.blob.digest, inside.all.clone()));
            }
            if inside.all.len() as u64 > inside.blob.size && !self.has(Flaw::ReadsOn) {
                return Ok(());
            }
        }
    }

    fn place(&self, blob: &BlobId, bytes: Vec<u8>) -> Result<(), StoreError> {
        let mut state = self.state();
        if BlobId::of(&bytes) != *blob {
            if self.has(Flaw::KeepsWrong) && blob.size < 2000 && !state.blobs.contains_key(&blob.digest) {
                state.blobs.insert(blob.digest, bytes);
            }
            if self.has(Flaw::ForgetsOnError) && blob.size < 2000 {
                state.blobs.remove(&blob.digest);
            }
            return match self.flaw {
                Flaw::AcceptsOther => Ok(()),
                Flaw::NamesOtherError => Err(refused("it is not right")),
                _ => Err(wrong()),
            };
        }
        let there = state.blobs.get(&blob.digest);
        let whole = there.is_some_and(|there| BlobId::of(there) == *blob);
        if self.has(Flaw::RefusesAgain) && whole && blob.size == 1000 && state.blobs.len() == 1 {
            return Err(refused("it is there already"));
        }
        let held: u64 = state.blobs.values().map(|bytes| bytes.len() as u64).sum();
        if there.is_none() && held + blob.size > self.most && !self.has(Flaw::TakesTooMuch) {
            if self.has(Flaw::EvictsWhenFull) {
                state.blobs.clear();
            }
            return Err(refused("it is full"));
        }
        if (self.has(Flaw::KeepsDamage) && there.is_some())
            || (self.has(Flaw::LeavesInTrash) && state.trash.contains(&blob.digest))
        {
            return Ok(());
        }
        state.blobs.insert(blob.digest, bytes);
        *state.puts.entry(blob.digest).or_default() += 1;
        Ok(())
    }
}

/// Gives pieces that are none.
#[derive(Debug)]
struct Odd(Vec<Vec<u8>>);

#[async_trait]
impl BlobSource for Odd {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.pop())
    }
}

#[async_trait]
impl BlobStore for Flawed {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let state = self.state();
        if self.has(Flaw::TellsSizeAfterFlush) && !state.flushed.contains(digest) {
            return Ok(None);
        }
        let half = state
            .half
            .iter()
            .find(|half| half.0 == *digest)
            .map(|half| &half.1);
        Ok(state.blobs.get(digest).or(half).map(|bytes| bytes.len() as u64))
    }

    async fn missing(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        let mut missing = Vec::new();
        for blob in wanted {
            let size = self.size(&blob.digest).await?;
            let there = match self.flaw {
                Flaw::MissesByName => size.is_some(),
                _ => size == Some(blob.size),
            };
            missing.extend((!there).then_some(*blob));
        }
        if self.has(Flaw::MissesInOrder) {
            missing.sort();
        }
        Ok(missing)
    }

    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        let state = self.state();
        if self.has(Flaw::FailsOnUnknown) && !state.told.contains(digest) {
            return Err(refused("nobody knows it"));
        }
        let half = state
            .half
            .iter()
            .find(|half| half.0 == *digest)
            .map(|half| &half.1);
        let mut bytes = match state.blobs.get(digest).or(half) {
            Some(bytes) => bytes.clone(),
            None => {
                return Err(StoreError::NotFound {
                    what: "a blob".to_owned(),
                });
            }
        };
        if Digest::of(&bytes) != *digest && half.is_none() {
            match self.flaw {
                Flaw::GivesDamage => {}
                Flaw::HidesDamage => return Err(refused("it cannot be read")),
                _ => return Err(wrong()),
            }
        }
        Ok(match self.flaw {
            Flaw::ChangesLineEnds => {
                bytes.retain(|byte| *byte != b'\r');
                Box::new(BytesSource::new(bytes))
            }
            Flaw::GivesAllAtOnce if bytes.len() > MAX_PIECE => Box::new(Odd(vec![bytes])),
            Flaw::GivesEmptyPieces if bytes.len() == 6 => Box::new(Odd(vec![bytes, Vec::new()])),
            _ => Box::new(BytesSource::new(bytes)),
        })
    }

    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        if self.read_only && !self.has(Flaw::TakesReadOnly) {
            return Err(refused("it is only read"));
        }
        if self.has(Flaw::RefusesEmpty) && blob.size == 0 {
            return Err(refused("it is empty"));
        }
        let others = {
            let mut state = self.state();
            state.told.insert(blob.digest);
            if self.has(Flaw::TakesAwayFirst) && blob.size == 3000 {
                state.blobs.remove(&blob.digest);
            }
            state.inside += 1;
            state.inside - 1
        };
        let mut inside = Inside {
            store: self,
            blob: *blob,
            all: Vec::new(),
            ended: false,
        };
        let received = match self.has(Flaw::RefusesAtOnce) && others > 0 {
            true => Err(refused("somebody else is storing")),
            false => self.receive(&mut inside, bytes).await,
        };
        inside.ended = true;
        received?;
        if self.has(Flaw::RefusesAtOnce) {
            // Others find it taken while this thread stands still.
            (0..1_000).for_each(|_| std::thread::yield_now());
        }
        let all = std::mem::take(&mut inside.all);
        self.place(blob, all)
    }

    async fn flush(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        if self.has(Flaw::FailsToFlushNone) && blobs.is_empty() {
            return Err(refused("nothing"));
        }
        self.state().flushed.extend(blobs.iter().map(|blob| blob.digest));
        Ok(())
    }

    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        let state = self.state();
        let (flaw, known) = (
            self.flaw,
            after.is_none_or(|after| state.blobs.contains_key(after)),
        );
        let shown = |digest: &Digest| match flaw {
            Flaw::ListsAfterFlush => state.flushed.contains(digest),
            _ => true,
        };
        let follows = |digest: &Digest| match (after, flaw) {
            (Some(_), Flaw::ListsOnePage) => false,
            (Some(_), Flaw::ListsNothingAfterUnknown) if !known => false,
            (Some(after), Flaw::ListsTheLastAgain) => digest >= after,
            (Some(after), _) => digest > after,
            (None, _) => true,
        };
        let mut listed = Vec::new();
        for (digest, bytes) in state
            .blobs
            .iter()
            .filter(|(digest, _)| shown(digest) && follows(digest))
        {
            let size = bytes.len() as u64;
            let times = match flaw {
                Flaw::ListsTwice => state.puts[digest] as usize,
                _ => 1,
            };
            listed.extend(vec![
                BlobId {
                    digest: *digest,
                    size
                };
                times
            ]);
        }
        match flaw {
            Flaw::ListsBackwards => listed.reverse(),
            Flaw::ListsTooMany if most == 3 => return Ok(listed),
            _ => {}
        }
        listed.truncate(most);
        Ok(listed)
    }

    async fn trash(&self, digest: &Digest, _: u64) -> Result<bool, StoreError> {
        if self.read_only && !self.has(Flaw::TrashesReadOnly) {
            return Err(refused("it is only read"));
        }
        let mut state = self.state();
        state.trash.insert(*digest);
        match self.flaw {
            Flaw::TrashesTwice => {
                state.blobs.remove(digest);
                Ok(true)
            }
            Flaw::ListsTrash => Ok(state.blobs.contains_key(digest)),
            _ => Ok(state.blobs.remove(digest).is_some()),
        }
    }
}

fn world(flaw: Flaw) -> BlobWorld {
    let store = Flawed::new(flaw, u64::MAX, false);
    let (damaged, again) = (store.clone(), store.clone());
    BlobWorld::new(store)
        .damage(move |digest| {
            damaged.state().blobs.insert(digest, b"spoilt".to_vec());
            async {}
        })
        .reopen(move || {
            std::future::ready(match flaw {
                Flaw::ForgetsAll => Flawed::new(flaw, u64::MAX, false),
                _ => again.clone(),
            })
        })
        .small(Flawed::new(flaw, 1000, false), 1000)
}

fn only_read(flaw: Flaw) -> BlobWorld {
    let store = Flawed::new(flaw, u64::MAX, true);
    let held = [b"".to_vec(), b"text\r\n".to_vec(), vec![7; 2 * MAX_PIECE]];
    let blobs = held.iter().map(|bytes| (Digest::of(bytes), bytes.clone()));
    store.state().blobs.extend(blobs);
    let damaged = store.clone();
    BlobWorld::new(store)
        .damage(move |digest| {
            damaged.state().blobs.insert(digest, b"spoilt".to_vec());
            async {}
        })
        .read_only(held)
}

#[tokio::main(flavor = "current_thread")]
async fn check(flaw: Flaw, world: fn(Flaw) -> BlobWorld) -> Report {
    blob_store(|| async { world(flaw) }).await
}

/// Each flaw, and the promise that it breaks.
const FLAWS: [(Flaw, &str); 38] = [
    (Flaw::ChangesLineEnds, "returns-the-same"),
    (Flaw::RefusesEmpty, "returns-the-same"),
    (Flaw::GivesAllAtOnce, "gives-pieces"),
    (Flaw::GivesEmptyPieces, "gives-pieces"),
    (Flaw::ListsAfterFlush, "visible-at-once"),
    (Flaw::TellsSizeAfterFlush, "visible-at-once"),
    (Flaw::FailsOnUnknown, "absent-is-not-found"),
    (Flaw::MissesByName, "tells-missing"),
    (Flaw::MissesInOrder, "tells-missing"),
    (Flaw::ListsBackwards, "lists"),
    (Flaw::ListsTooMany, "lists"),
    (Flaw::ListsTheLastAgain, "lists"),
    (Flaw::ListsOnePage, "lists"),
    (Flaw::ListsNothingAfterUnknown, "lists"),
    (Flaw::ListsTwice, "stores-twice"),
    (Flaw::RefusesAgain, "stores-twice"),
    (Flaw::ShowsHalf, "nothing-half"),
    (Flaw::TakesAwayFirst, "nothing-half"),
    (Flaw::AcceptsOther, "refuses-other-bytes"),
    (Flaw::NamesOtherError, "refuses-other-bytes"),
    (Flaw::HidesError, "passes-errors"),
    (Flaw::TakesErrorForEnd, "passes-errors"),
    (Flaw::KeepsWrong, "failures-leave-nothing"),
    (Flaw::ForgetsOnError, "failures-leave-nothing"),
    (Flaw::ReadsOn, "stops-at-the-size"),
    (Flaw::KeepsHalfOfDropped, "drops-whole"),
    (Flaw::ForgetsOnDrop, "drops-whole"),
    (Flaw::RefusesAtOnce, "many-at-once"),
    (Flaw::GivesDamage, "verifies-reads"),
    (Flaw::HidesDamage, "verifies-reads"),
    (Flaw::KeepsDamage, "heals"),
    (Flaw::ForgetsAll, "flushed-stays"),
    (Flaw::FailsToFlushNone, "flushed-stays"),
    (Flaw::TrashesTwice, "trashes"),
    (Flaw::ListsTrash, "trashes"),
    (Flaw::LeavesInTrash, "trashes"),
    (Flaw::EvictsWhenFull, "full-loses-nothing"),
    (Flaw::TakesTooMuch, "full-loses-nothing"),
];

const FLAWS_OF_THE_READ_ONLY: [(Flaw, &str); 13] = [
    (Flaw::ChangesLineEnds, "returns-the-same"),
    (Flaw::GivesAllAtOnce, "gives-pieces"),
    (Flaw::GivesEmptyPieces, "gives-pieces"),
    (Flaw::MissesByName, "tells-missing"),
    (Flaw::MissesInOrder, "tells-missing"),
    (Flaw::ListsBackwards, "lists"),
    (Flaw::ListsTheLastAgain, "lists"),
    (Flaw::ListsOnePage, "lists"),
    (Flaw::ListsNothingAfterUnknown, "lists"),
    (Flaw::GivesDamage, "verifies-reads"),
    (Flaw::HidesDamage, "verifies-reads"),
    (Flaw::TrashesReadOnly, "refuses-writes"),
    (Flaw::TakesReadOnly, "refuses-writes"),
];

#[track_caller]
fn breaks_only(report: &Report, flaw: Flaw, name: &str) {
    assert_eq!(report.broken(), [name], "{flaw:?}: {report}");
    match report.standing(name) {
        Some(Standing::Broken(observed)) => assert!(!observed.is_empty()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_store_keeps_everything() {
    let report = check(Flaw::None, world);
    report.assert_kept();
    assert_eq!(report.not_promised_names(), ["refuses-writes"]);
    assert_eq!(report.not_tried_names(), [""; 0], "{report}");
    let report = check(Flaw::None, only_read);
    report.assert_kept();
    assert_eq!(report.not_tried_names(), [""; 0], "{report}");
}

#[test]
fn each_flaw_is_found_under_its_name_and_no_other() {
    for (flaw, name) in FLAWS {
        breaks_only(&check(flaw, world), flaw, name);
    }
    for (flaw, name) in FLAWS_OF_THE_READ_ONLY {
        breaks_only(&check(flaw, only_read), flaw, name);
    }
    for (promise, _) in check(Flaw::None, world).standings() {
        let mut all = FLAWS.iter().chain(&FLAWS_OF_THE_READ_ONLY);
        assert!(
            all.any(|flaw| flaw.1 == promise.name),
            "nothing shows that `{}` is looked at",
            promise.name
        );
    }
}

#[test]
fn a_report_is_a_table_for_a_person() {
    let report = check(Flaw::AcceptsOther, world);
    insta::assert_snapshot!(report);
}
