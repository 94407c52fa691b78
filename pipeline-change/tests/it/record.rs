use std::error::Error;

use pipeline_change::{ChangeEvent, ChangeRecord, ChangeState, ChangeType, RecordError};
use pipeline_core::{Event, Payload, StreamId};
use proptest::prelude::*;

use crate::state::{each, opened};
use crate::support::stored;

fn stream() -> StreamId {
    "change/run-1.deploy".parse().unwrap()
}

fn life() -> Vec<Event> {
    let events = each(ChangeType::Normal);
    [0, 2, 3, 4, 6, 7, 8]
        .iter()
        .zip(1..)
        .map(|(&index, position)| stored(&stream(), position, events[index].clone()))
        .collect()
}

#[test]
fn replay_equals_live_and_repetition_changes_nothing() {
    let events = life();
    let replayed = ChangeRecord::from_events(&events).unwrap();
    assert_eq!(replayed.state, ChangeState::Closed);
    assert_eq!(replayed.position, 7);

    let mut live = ChangeRecord::from_events(&events[..1]).unwrap();
    for end in 1..events.len() {
        for event in &events[..=end] {
            live.apply(event).unwrap();
        }
        assert_eq!(live, ChangeRecord::from_events(&events[..=end]).unwrap());
    }
    assert_eq!(live, replayed);
}

#[test]
fn what_is_stored_reads_back() {
    let mut events = life();
    for event in &mut events {
        event.payload = Payload::json(event.payload.to_json().unwrap().into_owned());
    }
    assert_eq!(
        ChangeRecord::from_events(&events).unwrap(),
        ChangeRecord::from_events(&life()).unwrap()
    );
}

#[test]
fn a_stream_that_tells_of_no_record_is_refused() {
    let events = life();
    let refused = |events: &[Event]| ChangeRecord::from_events(events).unwrap_err();
    assert!(matches!(refused(&[]), RecordError::Empty));
    insta::assert_snapshot!(refused(&events[1..]), @"event change/run-1.deploy#2 does not open a change");

    let gap = refused(&[events[0].clone(), events[2].clone()]);
    insta::assert_snapshot!(gap, @"event change/run-1.deploy#3 comes too early: number 2 is next");

    let mut illegal = events[4].clone();
    illegal.position = 2;
    let illegal = refused(&[events[0].clone(), illegal]);
    insta::assert_snapshot!(format!("{illegal}: {}", illegal.source().unwrap()), @"event change/run-1.deploy#2 is illegal: a change of type normal cannot be `implementing` in state `new`");

    let foreign = stored(
        &"change/other".parse().unwrap(),
        2,
        each(ChangeType::Normal)[2].clone(),
    );
    insta::assert_snapshot!(refused(&[events[0].clone(), foreign]), @"event change/other#2 is not about change `run-1.deploy`");

    let elsewhere = stored(
        &"change/other".parse().unwrap(),
        1,
        ChangeEvent::from(opened(ChangeType::Normal)),
    );
    insta::assert_snapshot!(refused(&[elsewhere]), @"event change/other#1 is not about change `run-1.deploy`");

    let mut unknown = events[1].clone();
    unknown.kind = "change.assigned".into();
    unknown.payload = Payload::json("{}");
    let unknown = refused(&[events[0].clone(), unknown]);
    insta::assert_snapshot!(format!("{unknown}: {}", unknown.source().unwrap()), @"event change/run-1.deploy#2 cannot be read: event kind `change.assigned` is unknown to this program; a newer one wrote it");

    let mut erased = events[1].clone();
    erased.payload = Payload::erased();
    let erased = refused(&[events[0].clone(), erased]);
    insta::assert_snapshot!(format!("{erased}: {}", erased.source().unwrap()), @"event change/run-1.deploy#2 cannot be read: payload of `change.submitted` was erased");
}

#[test]
fn an_illegal_event_leaves_the_record_as_it_was() {
    let mut record = ChangeRecord::from_events(&life()[..1]).unwrap();
    let before = record.clone();
    let closed = stored(&stream(), 2, each(ChangeType::Normal)[8].clone());
    record.apply(&closed).unwrap_err();
    assert_eq!(record, before);
}

#[test]
fn events_of_others_are_counted_and_kept_out() {
    let events = life();
    let mut note = events[1].clone();
    note.kind = "servicenow.linked".into();
    note.payload = Payload::json(r#"{"sys_id":"1"}"#);
    let mut next = events[1].clone();
    next.position = 3;
    for payload in [Payload::json("{}"), Payload::erased()] {
        note.payload = payload;
        let record = ChangeRecord::from_events(&[events[0].clone(), note.clone(), next.clone()]).unwrap();
        assert_eq!((record.position, record.state), (3, ChangeState::Assess));
        assert_eq!(record.history.len(), 2);
    }
}

proptest! {
    /// Whatever events are offered, those that are taken keep the rules.
    #[test]
    fn no_work_without_authorisation_and_no_close_without_review(
        change_type in prop::sample::select(ChangeType::ALL.to_vec()),
        picks in prop::collection::vec(0..10_usize, 0..60),
    ) {
        let events = each(change_type);
        let first = stored(&stream(), 1, ChangeEvent::from(opened(change_type)));
        let mut record = ChangeRecord::from_events(&[first]).unwrap();
        let (mut authorised, mut reviewed, mut over) = (false, false, false);
        for pick in picks {
            let event = stored(&stream(), record.position + 1, events[pick].clone());
            let before = record.clone();
            if record.apply(&event).is_err() {
                prop_assert_eq!(&before, &record);
                continue;
            }
            prop_assert!(!over, "something followed a final state");
            match &events[pick] {
                ChangeEvent::Authorized(_) => authorised = true,
                ChangeEvent::Replanned(_) => {
                    authorised = false;
                    prop_assert!(record.authorised_by.is_empty());
                }
                _ => {}
            }
            if record.state == ChangeState::Implement {
                prop_assert!(authorised || change_type == ChangeType::Standard);
            }
            reviewed |= record.state == ChangeState::Review;
            prop_assert!(record.state != ChangeState::Closed || reviewed);
            over = record.state.is_final();
        }
    }
}
