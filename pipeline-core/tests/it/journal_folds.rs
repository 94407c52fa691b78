//! States of folds, kept beside a journal.

use std::fs;

use pipeline_core::{
    Actor, Digest, EventRef, FileJournal, FoldName, FoldSnapshot, Journal, MemoryJournal, StoreFoldError,
    Timestamp,
};

use crate::journal::{block_on, bytes, file, open, say, small};

fn name() -> FoldName {
    FoldName::new("history").unwrap()
}

fn fold(cursor: u64, text: &str) -> FoldSnapshot {
    FoldSnapshot {
        name: name(),
        version: 3,
        cursor,
        bytes: text.as_bytes().to_vec(),
    }
}

fn load(journal: &impl Journal) -> Option<FoldSnapshot> {
    block_on(journal.load_fold(&name(), 3))
}

#[test]
fn the_state_of_a_fold_is_kept() {
    let directory = small();
    let (journal, _) = open(directory.path());
    assert_eq!(load(&journal), None);
    for state in [fold(0, ""), fold(3, "first"), fold(6, "second")] {
        block_on(journal.store_fold(state.clone())).unwrap();
        assert_eq!(load(&open(directory.path()).0), Some(state));
    }
    assert_eq!(
        load(&FileJournal::open_read_only(directory.path()).unwrap()),
        Some(fold(6, "second"))
    );
    assert_eq!(block_on(journal.load_fold(&name(), 4)), None, "another version");
    assert_eq!(
        block_on(journal.load_fold(&FoldName::new("other").unwrap(), 3)),
        None
    );
    say(&journal, &["run/a"], "more");
    assert_eq!(load(&journal), Some(fold(6, "second")), "the journal may go on");
}

#[test]
fn a_journal_without_a_place_keeps_none() {
    let journal = MemoryJournal::new();
    block_on(journal.store_fold(fold(0, "x"))).unwrap();
    assert_eq!(load(&journal), None);
    let directory = small();
    let reader = FileJournal::open_read_only(directory.path()).unwrap();
    block_on(reader.store_fold(fold(3, "x"))).unwrap();
    assert!(
        !directory.path().join("derived").exists(),
        "reading changes nothing"
    );
}

#[test]
fn a_state_that_does_not_fit_is_forgotten() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let refused = block_on(journal.store_fold(fold(7, "x")));
    assert!(
        matches!(refused, Err(StoreFoldError::Unfit { .. })),
        "{refused:?}"
    );
    block_on(journal.store_fold(fold(6, "state"))).unwrap();

    let path = directory.path().join("derived").join("history.fold");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert_eq!(load(&journal), None, "flipped at {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert_eq!(load(&journal), None, "cut off at {at}");
    }
    // Another program's form, and another fold under this name.
    let body = &good[..good.len() - 32];
    for (at, value) in [(0, b'R'), (b"release-pipeline fold\n".len(), 2), (28, b'x')] {
        let mut other = body.to_vec();
        other[at] = value;
        let digest = Digest::of(&other);
        fs::write(&path, [&other[..], digest.as_bytes()].concat()).unwrap();
        assert_eq!(load(&journal), None, "byte {at}");
    }
    fs::write(&path, &good).unwrap();
    assert!(load(&journal).is_some());

    // The journal was cut off and went on in another way.
    let whole = bytes(directory.path());
    let text = String::from_utf8(whole.clone()).unwrap();
    let commits: Vec<_> = text.match_indices("{\"commit\"").map(|(at, _)| at).collect();
    let end = commits[1] + text[commits[1]..].find('\n').unwrap() + 1;
    fs::write(file(directory.path()), &whole[..end]).unwrap();
    let (journal, _) = open(directory.path());
    assert_eq!(load(&journal), None);
    say(&journal, &["run/b", "environment/production", "run/a"], "other");
    assert_eq!(load(&journal), None);
}

#[test]
fn an_erasure_takes_all_states_with_it() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let (other, _) = open(directory.path());
    block_on(journal.store_fold(fold(6, "a secret"))).unwrap();
    let path = directory.path().join("derived").join("history.fold");
    let kept = fs::read(&path).unwrap();
    let event = EventRef {
        stream: "run/a".parse().unwrap(),
        position: 1,
    };
    journal
        .erase(&event, Actor::Engine, "asked to", Timestamp::UNIX_EPOCH)
        .unwrap();
    assert!(!path.exists());
    for journal in [&journal, &other] {
        let refused = block_on(journal.store_fold(fold(6, "a secret")));
        assert!(
            matches!(refused, Err(StoreFoldError::Unfit { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(
        fs::read_dir(directory.path().join("derived")).unwrap().count(),
        0,
        "nothing is left"
    );
    fs::write(&path, kept).unwrap();
    assert_eq!(load(&journal), None, "an old copy is not handed out");
    block_on(journal.store_fold(fold(7, "no secret"))).unwrap();
    assert_eq!(load(&other), Some(fold(7, "no secret")));
}

#[test]
fn no_more_states_stay_than_a_folder_should_hold() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let named = |number: u32| FoldName::new(format!("run.{number}")).unwrap();
    for number in 0..70 {
        let state = FoldSnapshot {
            name: named(number),
            ..fold(6, "state")
        };
        block_on(journal.store_fold(state)).unwrap();
    }
    let count = || fs::read_dir(directory.path().join("derived")).unwrap().count();
    assert_eq!(count(), 70);
    drop(journal);
    let (journal, _) = open(directory.path());
    assert_eq!(count(), 64);
    assert!(
        block_on(journal.load_fold(&named(69), 3)).is_some(),
        "the newest stays"
    );
    block_on(journal.forget_fold(&named(69)));
    block_on(journal.forget_fold(&named(69)));
    assert_eq!(block_on(journal.load_fold(&named(69), 3)), None);
    assert_eq!(count(), 63);
}
