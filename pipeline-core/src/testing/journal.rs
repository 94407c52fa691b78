//! A conformance suite for [`Journal`]: call [`conforms`] from a test of your own.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a suite tells by panics what is wrong"
)]

use std::sync::Arc;

use async_trait::async_trait;

use super::block_on::Runtime;
use crate::event::{Actor, Cursor, Event, NewEvent, Payload, Position, StreamId};
use crate::journal::{
    Append, AppendError, Batch, Checkpoint, Commit, Expected, Journal, JournalExt, ReadError,
};
use crate::{Digest, Timestamp};

/// Checks a journal against the contract of [`Journal`]. `fresh` makes an empty journal; each part of the
/// suite takes its own.
///
/// ```
/// use pipeline_core::{MemoryJournal, testing};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// testing::journal::conforms(|| std::sync::Arc::new(MemoryJournal::new())).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn conforms(fresh: impl Fn() -> Arc<dyn Journal>) {
    empty(&*fresh()).await;
    counts_without_gaps(&*fresh()).await;
    all_or_nothing(&*fresh()).await;
    expectations(&*fresh()).await;
    refuses_what_cannot_be_written(&*fresh()).await;
    empty_batches(&*fresh()).await;
    pages(&*fresh()).await;
    keeps_everything(&*fresh()).await;
    checkpoints(&*fresh()).await;
    concurrent(&fresh()).await;
    // What is appended on the spot is appended no worse.
    let at_once = || AtOnce(fresh());
    counts_without_gaps(&at_once()).await;
    all_or_nothing(&at_once()).await;
    expectations(&at_once()).await;
    refuses_what_cannot_be_written(&at_once()).await;
    empty_batches(&at_once()).await;
    keeps_everything(&at_once()).await;
    let shared: Arc<dyn Journal> = Arc::new(at_once());
    concurrent(&shared).await;
}

/// A journal that is appended to on the spot, if it can be: see [`Journal::append_now`].
#[derive(Debug)]
struct AtOnce(Arc<dyn Journal>);

#[async_trait]
impl Journal for AtOnce {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        let (mut left, at) = (batch.clone(), format!("{batch:?}"));
        match self.0.append_now(&mut left) {
            Some(Ok(cursor)) => {
                assert!(left.is_empty(), "the events are taken out of the batch");
                let lists = |batch: &Batch| {
                    let lists = batch.appends.iter();
                    let lists = lists.map(|append| (append.stream.clone(), append.expected));
                    (batch.at, lists.collect::<Vec<_>>())
                };
                assert_eq!(lists(&left), lists(&batch), "nothing but the events is taken");
                let mut heads = Vec::new();
                for append in &batch.appends {
                    let events = self.0.read(&append.stream, 0, usize::MAX).await;
                    let events = events.map_err(AppendError::Read)?;
                    let known = events.iter().filter(|event| event.cursor <= cursor);
                    heads.push(known.count() as Position);
                }
                Ok(Commit { cursor, heads })
            }
            Some(Err(error)) => {
                assert_eq!(format!("{left:?}"), at, "a batch that is refused is untouched");
                Err(error)
            }
            None => {
                assert_eq!(format!("{left:?}"), at, "a batch that is to wait is untouched");
                self.0.append(left).await
            }
        }
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.0.read(stream, after, limit).await
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.0.read_all(after, limit).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.0.checkpoint().await
    }
}

/// An event to append, with some text as its payload.
///
/// # Panics
///
/// When the text has no JSON form.
pub fn event(text: &str) -> NewEvent {
    let payload = serde_json::to_string(text).expect("text has a JSON form");
    NewEvent::raw("test.said", 1, Payload::json(payload))
}

/// A stream.
///
/// # Panics
///
/// When the text is not a stream.
pub fn stream(text: &str) -> StreamId {
    text.parse().expect("a good stream")
}

fn batch() -> Batch {
    Batch::new(Timestamp::UNIX_EPOCH)
}

async fn append(journal: &dyn Journal, batch: Batch) -> Commit {
    match journal.append(batch).await {
        Ok(commit) => commit,
        Err(error) => panic!("a good batch was refused: {error:?}"),
    }
}

async fn all(journal: &dyn Journal) -> Vec<Event> {
    journal.read_everything(0).await.expect("the journal can be read")
}

fn said(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| event.payload.to_json().expect("a payload of ours").into_owned())
        .collect()
}

fn places(events: &[Event]) -> Vec<(&str, Position, Cursor)> {
    events
        .iter()
        .map(|event| (event.stream.as_str(), event.position, event.cursor))
        .collect()
}

/// An empty journal holds nothing, and says so.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn empty(journal: &dyn Journal) {
    assert!(all(journal).await.is_empty(), "a new journal is empty");
    assert!(
        journal
            .read(&stream("run/a"), 0, 9)
            .await
            .expect("a read")
            .is_empty(),
        "unknown streams are empty"
    );
    let checkpoint = journal.checkpoint().await.expect("a checkpoint");
    assert_eq!(
        (checkpoint.cursor, checkpoint.commits, checkpoint.commit),
        (0, 0, Digest::ZERO)
    );
    assert!(checkpoint.heads.is_empty());
}

/// Positions and cursors count from 1 without gaps, and commits are read back as they were returned.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn counts_without_gaps(journal: &dyn Journal) {
    let (a, b) = (stream("run/a"), stream("run/b"));
    let first = batch()
        .event(&a, Expected::At(0), event("1"))
        .event(&b, Expected::At(0), event("2"));
    let batch_of_three = first.event(&a, Expected::At(0), event("3"));
    let first = append(journal, batch_of_three.clone()).await;
    // Events of one stream stay together in a batch.
    assert_eq!(
        places(&first.events(&batch_of_three).collect::<Vec<_>>()),
        [("run/a", 1, 1), ("run/a", 2, 2), ("run/b", 1, 3)]
    );
    assert_eq!(first.cursor, 3);
    let second = append(journal, batch().event(&a, Expected::At(2), event("4"))).await;
    assert_eq!((second.cursor, second.heads), (4, vec![3]));
    let all = all(journal).await;
    assert_eq!(
        places(&all),
        [("run/a", 1, 1), ("run/a", 2, 2), ("run/b", 1, 3), ("run/a", 3, 4)]
    );
    let in_a = journal.read_stream(&a, 0).await.expect("a read");
    assert_eq!(places(&in_a), [("run/a", 1, 1), ("run/a", 2, 2), ("run/a", 3, 4)]);
}

/// A batch with one wrong expectation leaves no trace, whatever the others are.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn all_or_nothing(journal: &dyn Journal) {
    let (a, b, c) = (stream("run/a"), stream("run/b"), stream("run/c"));
    let _commit = append(journal, batch().event(&a, Expected::At(0), event("1"))).await;
    let before = journal.checkpoint().await.expect("a checkpoint");
    let wrong = batch()
        .event(&b, Expected::At(0), event("2"))
        .event(&a, Expected::At(0), event("3"));
    match journal.append(wrong.event(&c, Expected::Any, event("4"))).await {
        Err(AppendError::Conflict(conflict)) => {
            assert_eq!(
                (&conflict.stream, conflict.expected, conflict.actual),
                (&a, Expected::At(0), 1)
            );
        }
        other => panic!("a conflict was expected: {other:?}"),
    }
    assert_eq!(journal.checkpoint().await.expect("a checkpoint"), before);
    assert_eq!(places(&all(journal).await), [("run/a", 1, 1)]);
    let right = batch()
        .event(&b, Expected::At(0), event("2"))
        .event(&a, Expected::At(1), event("3"));
    assert_eq!(append(journal, right).await.cursor, 3);
}

/// `Any` fits always; a position fits only exactly, from both sides.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn expectations(journal: &dyn Journal) {
    let a = stream("run/a");
    for cursor in 1..=3 {
        assert_eq!(
            append(journal, batch().event(&a, Expected::Any, event("x")))
                .await
                .cursor,
            cursor
        );
    }
    for wrong in [0, 2, 4, u64::MAX] {
        let result = journal
            .append(batch().event(&a, Expected::At(wrong), event("x")))
            .await;
        assert!(
            matches!(result, Err(AppendError::Conflict(ref c)) if c.actual == 3),
            "{wrong}: {result:?}"
        );
    }
    assert_eq!(
        append(journal, batch().event(&a, Expected::At(3), event("x")))
            .await
            .cursor,
        4
    );
}

/// A stream that occurs twice is refused, and so is a payload that was erased.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn refuses_what_cannot_be_written(journal: &dyn Journal) {
    let part = |name: &str| Append {
        stream: stream(name),
        expected: Expected::Any,
        events: vec![event("x")],
    };
    let mut twice = batch();
    twice.appends = vec![part("run/a"), part("run/b"), part("run/a")];
    let result = journal.append(twice).await;
    assert!(
        matches!(result, Err(AppendError::Invalid { .. })),
        "a stream twice: {result:?}"
    );
    let mut many = batch();
    many.appends = (0..40)
        .map(|number| part(&format!("run/r{}", number % 39)))
        .collect();
    let result = journal.append(many).await;
    assert!(
        matches!(result, Err(AppendError::Invalid { .. })),
        "a stream twice among many: {result:?}"
    );
    let erased = NewEvent::raw("test.said", 1, Payload::erased());
    let result = journal
        .append(batch().event(&stream("run/a"), Expected::Any, erased))
        .await;
    assert!(
        matches!(result, Err(AppendError::Invalid { .. })),
        "an erased payload: {result:?}"
    );
    assert!(all(journal).await.is_empty(), "what is refused leaves no trace");
}

/// A batch without events checks its expectations and changes nothing.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn empty_batches(journal: &dyn Journal) {
    let a = stream("run/a");
    let check = |expected| {
        let mut batch = batch();
        batch.appends.push(Append {
            stream: stream("run/a"),
            expected,
            events: Vec::new(),
        });
        batch
    };
    let nothing = append(journal, batch()).await;
    assert_eq!((nothing.cursor, nothing.heads), (0, Vec::new()));
    let _commit = append(journal, batch().event(&a, Expected::At(0), event("x"))).await;
    let before = journal.checkpoint().await.expect("a checkpoint");
    let checked = append(journal, check(Expected::At(1))).await;
    assert_eq!((checked.cursor, checked.heads), (1, vec![1]));
    let result = journal.append(check(Expected::At(0))).await;
    assert!(matches!(result, Err(AppendError::Conflict(_))), "{result:?}");
    assert_eq!(
        journal.checkpoint().await.expect("a checkpoint"),
        before,
        "an empty batch is no commit"
    );
}

/// Pages are what they say: after a place, and at most so many.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn pages(journal: &dyn Journal) {
    let (a, b) = (stream("run/a"), stream("run/b"));
    for number in 0..10 {
        let both = batch().event(&a, Expected::At(number), event(&format!("a{number}")));
        let _commit = append(journal, both.event(&b, Expected::At(number), event("b"))).await;
    }
    for (after, limit, first, len) in [
        (0, 3, 1, 3),
        (3, 3, 4, 3),
        (9, 3, 10, 1),
        (10, 3, 0, 0),
        (99, 3, 0, 0),
        (0, 0, 0, 0),
        (0, usize::MAX, 1, 10),
    ] {
        let page = journal.read(&a, after, limit).await.expect("a read");
        assert_eq!(page.len(), len, "read({after}, {limit})");
        assert_eq!(
            page.first().map_or(0, |event| event.position),
            first,
            "read({after}, {limit})"
        );
        let page = journal.read_all(after, limit).await.expect("a read");
        let len = usize::try_from(20u64.saturating_sub(after))
            .unwrap_or_default()
            .min(limit);
        assert_eq!(page.len(), len, "read_all({after}, {limit})");
        assert!(
            (after + 1..)
                .zip(&page)
                .all(|(cursor, event)| cursor == event.cursor)
        );
    }
    assert!(journal.read(&a, u64::MAX, 1).await.expect("a read").is_empty());
    assert!(journal.read_all(u64::MAX, 1).await.expect("a read").is_empty());
}

/// What was appended is read back in full, odd characters included.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn keeps_everything(journal: &dyn Journal) {
    let (a, change) = (stream("run/a"), stream("change/c-1"));
    let odd = "quote \" backslash \\ line\nbreak \u{0} \u{7f} é 🚀";
    let payload = event(odd).payload().clone();
    let new = NewEvent::raw("odd.\"kind\"\\é\n", u16::MAX, payload)
        .by(Actor::person("Zoë \"Z\" \\").expect("a good name"))
        .caused_by(crate::EventRef {
            stream: change.clone(),
            position: 7,
        });
    let loose = NewEvent::raw("test.said", 1, Payload::json("{\n  \"a\": [1.50, 1e3]\r\n}"));
    let mut batch = Batch::new("2026-02-03T04:05:06.000000007Z".parse().expect("a time"));
    batch = batch
        .event(&a, Expected::Any, new.clone())
        .event(&a, Expected::Any, loose);
    let _commit = append(journal, batch).await;
    let read = journal.read(&a, 0, 9).await.expect("a read");
    let found = &read[0];
    assert_eq!(
        (&*found.kind, found.version, &found.actor),
        (new.kind(), new.version(), new.actor())
    );
    assert_eq!(found.causes, new.causes());
    assert_eq!(found.at.to_string(), "2026-02-03T04:05:06.000000007Z");
    let text: String = serde_json::from_str(&said(&read)[0]).expect("a string");
    assert_eq!(text, odd);
    let data: serde_json::Value = serde_json::from_str(&said(&read)[1]).expect("an object");
    assert_eq!(data, serde_json::json!({"a": [1.5, 1000.0]}));
}

/// A checkpoint tells of every stream and changes with every commit.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn checkpoints(journal: &dyn Journal) {
    let (a, b) = (stream("run/a"), stream("run/b"));
    let mut seen = vec![journal.checkpoint().await.expect("a checkpoint")];
    for (number, stream) in (1..).zip([&a, &b, &a]) {
        let _commit = append(journal, batch().event(stream, Expected::Any, event("x"))).await;
        let checkpoint = journal.checkpoint().await.expect("a checkpoint");
        assert_eq!(
            (checkpoint.format, checkpoint.cursor, checkpoint.commits),
            (1, number, number)
        );
        assert!(
            seen.iter()
                .all(|old| old.digest() != checkpoint.digest() && old.commit != checkpoint.commit)
        );
        seen.push(checkpoint);
    }
    let heads = |index: usize| &seen[index].heads;
    assert_eq!(
        heads(3).values().map(|head| head.position).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(
        heads(3)[&b],
        heads(2)[&b],
        "a stream's head does not depend on other streams"
    );
    assert_ne!(heads(3)[&a].hash, heads(2)[&a].hash);
}

/// Many writers at once: each event that was acknowledged is there once, in the order of its writer.
///
/// # Panics
///
/// When the journal does not keep the contract.
pub async fn concurrent(journal: &Arc<dyn Journal>) {
    const WRITERS: usize = 8;
    const EVENTS: usize = 12;
    let write = |writer: usize| {
        let journal = Arc::clone(journal);
        async move {
            let (own, shared) = (
                stream(&format!("run/w{writer}")),
                stream("environment/production"),
            );
            for number in 0..EVENTS {
                loop {
                    let held = journal.read_stream(&shared, 0).await.expect("a read").len() as u64;
                    let said = event(&format!("{writer}-{number}"));
                    let both = batch().event(&shared, Expected::At(held), said.clone());
                    match journal
                        .append(both.event(&own, Expected::At(number as u64), said))
                        .await
                    {
                        Ok(_) => break,
                        Err(AppendError::Conflict(conflict)) if conflict.stream == shared => {}
                        Err(error) => panic!("an append failed: {error:?}"),
                    }
                }
            }
        }
    };
    // Threads, so that the suite needs no runtime of its own; each joins the one that is there.
    let entered = Runtime::current();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (entered, future) = (entered.clone(), write(writer));
            scope.spawn(move || entered.block_on(future));
        }
    });
    let all = all(&**journal).await;
    assert_eq!(
        all.len(),
        2 * WRITERS * EVENTS,
        "nothing is lost and nothing is there twice"
    );
    assert!(
        (1..)
            .zip(&all)
            .all(|(cursor, event): (u64, _)| cursor == event.cursor)
    );
    for writer in 0..WRITERS {
        let own = journal
            .read_stream(&stream(&format!("run/w{writer}")), 0)
            .await
            .expect("a read");
        let expected: Vec<String> = (0..EVENTS)
            .map(|number| format!("\"{writer}-{number}\""))
            .collect();
        assert_eq!(said(&own), expected);
    }
    let pairs = all.chunks(2).all(|pair| said(&pair[..1]) == said(&pair[1..]));
    assert!(pairs, "the events of a commit stand together");
}
