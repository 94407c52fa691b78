//! The file journal does what the memory journal does, whatever is asked of them.

use pipeline_core::testing::journal::{event, stream};
use pipeline_core::{
    Append, AppendError, Batch, Commit, Event, EventRef, Expected, FileJournal, Journal, MemoryJournal,
    Payload, Timestamp, verify_files,
};
use proptest::prelude::*;

use crate::journal::{block_on, open};

const STREAMS: [&str; 4] = ["run/a", "run/b", "environment/production", "change/c-1"];

/// What is done: a batch of (stream, distance of the expectation from the truth, payloads), or opening again.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(usize, Option<i8>, Vec<String>)>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let expected = prop_oneof![4 => Just(Some(0)), 1 => (-1..=1i8).prop_map(Some), 2 => Just(None)];
    let text = prop_oneof![any::<String>(), Just("\n\0\"\\".to_owned())];
    let append = (0..STREAMS.len(), expected, prop::collection::vec(text, 0..3));
    prop_oneof![6 => prop::collection::vec(append, 0..4).prop_map(Step::Append), 1 => Just(Step::Reopen)]
}

fn told(batch: &Batch, result: Result<Commit, AppendError>) -> Result<(u64, Vec<String>), String> {
    match result {
        Ok(commit) => Ok((
            commit.cursor,
            commit.events(batch).map(|event| plain(&event)).collect(),
        )),
        Err(error @ (AppendError::Conflict(_) | AppendError::Invalid { .. })) => Err(format!("{error:?}")),
        Err(error) => panic!("{error:?}"),
    }
}

fn plain(event: &Event) -> String {
    let Event {
        stream,
        position,
        cursor,
        at,
        kind,
        version,
        actor,
        causes,
        payload,
    } = event;
    let payload = payload.to_json().unwrap();
    format!("{cursor} {stream} {position} {at} {kind} {version} {actor} {causes:?} {payload}")
}

fn same(model: &MemoryJournal, journal: &FileJournal) {
    let read = |journal: &dyn Journal, after| -> Vec<String> {
        block_on(journal.read_all(after, 7))
            .unwrap()
            .iter()
            .map(plain)
            .collect()
    };
    for after in 0..20 {
        assert_eq!(read(model, after), read(journal, after));
    }
    for name in STREAMS {
        let read = |journal: &dyn Journal| -> Vec<String> {
            block_on(journal.read(&stream(name), 1, 5))
                .unwrap()
                .iter()
                .map(plain)
                .collect()
        };
        assert_eq!(read(model), read(journal));
    }
    let (model, journal) = (
        block_on(model.checkpoint()).unwrap(),
        block_on(journal.checkpoint()).unwrap(),
    );
    assert_eq!((model.cursor, model.commits), (journal.cursor, journal.commits));
    let positions = |heads: &std::collections::BTreeMap<_, pipeline_core::Head>| {
        heads
            .iter()
            .map(|(stream, head)| format!("{stream} {}", head.position))
            .collect::<Vec<_>>()
    };
    assert_eq!(positions(&model.heads), positions(&journal.heads));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 5, ..ProptestConfig::default() })]

    #[test]
    fn the_file_journal_does_what_the_model_does(steps in prop::collection::vec(step(), 1..12)) {
        let directory = tempfile::tempdir().unwrap();
        let model = MemoryJournal::new();
        let (mut journal, _) = open(directory.path());
        let mut seconds = 0;
        for step in steps {
            let Step::Append(appends) = step else {
                let checkpoint = block_on(journal.checkpoint()).unwrap();
                journal = open(directory.path()).0;
                assert_eq!(block_on(journal.checkpoint()).unwrap(), checkpoint);
                continue;
            };
            let heads = block_on(model.checkpoint()).unwrap().heads;
            seconds += 1;
            let mut batch = Batch::new(Timestamp::from_second(seconds).unwrap());
            for (name, distance, texts) in appends {
                let stream = stream(STREAMS[name]);
                let held = heads.get(&stream).map_or(0, |head| head.position);
                let expected = distance
                    .map_or(Expected::Any, |distance| Expected::At(held.saturating_add_signed(distance.into())));
                let cause = EventRef { stream: stream.clone(), position: held };
                let events = texts.iter().map(|text| event(text).caused_by(cause.clone())).collect();
                batch.appends.push(Append { stream, expected, events });
            }
            prop_assert_eq!(
                told(&batch, block_on(model.append(batch.clone()))),
                told(&batch, block_on(journal.append(batch.clone())))
            );
            same(&model, &journal);
        }
        same(&model, &open(directory.path()).0);
        same(&model, &FileJournal::open_read_only(directory.path()).unwrap());
        let report = verify_files(directory.path(), Some(&block_on(journal.checkpoint()).unwrap()));
        prop_assert!(report.is_clean(), "{}", report);
    }

    #[test]
    fn any_bytes_behind_the_journal_are_cut_or_refused(tail in prop::collection::vec(any::<u8>(), 1..40)) {
        let directory = crate::journal::small();
        let whole = crate::journal::bytes(directory.path());
        let path = crate::journal::file(directory.path());
        let all = [&whole[..], &tail[..]].concat();
        std::fs::write(&path, &all).unwrap();
        let opened = FileJournal::open(directory.path(), std::sync::Arc::new(pipeline_core::SystemEntropy));
        let now = std::fs::read(&path).unwrap();
        match opened {
            Ok((_, report)) => {
                prop_assert_eq!(report.commits, 3);
                prop_assert_eq!(now, whole);
            }
            Err(_) => prop_assert_eq!(now, all),
        }
    }
}

#[test]
fn a_typed_payload_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let payload = Payload::json("[1]");
    let new = pipeline_core::NewEvent::raw("test.said", 1, payload);
    let _commit = block_on(journal.append(Batch::new(Timestamp::UNIX_EPOCH).event(
        &stream("run/a"),
        Expected::Any,
        new,
    )))
    .unwrap();
    assert_eq!(crate::journal::said(&journal), ["[1]"]);
}
