//! Signed checkpoints of a journal.

use pipeline_core::attestation::{CHECKPOINT_PAYLOAD, CheckpointError, Envelope};
use pipeline_core::{
    Actor, Batch, Checkpoint, Expected, Journal, MemoryJournal, NewEvent, StreamId, Timestamp,
};

use super::{ed25519, number, signed, verifiers};

async fn checkpoint() -> Checkpoint {
    let journal = MemoryJournal::new();
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let incident = pipeline_core::IncidentOpened {
        component: "shop".parse().unwrap(),
        environment: None,
        deployment: None,
        title: "it burns".into(),
    };
    let mut batch = Batch::new(at);
    let stream: StreamId = "incident/one".parse().unwrap();
    let event = pipeline_core::IncidentEvent::Opened(incident);
    batch.push(&stream, Expected::At(0), NewEvent::new(Actor::Engine, event));
    let _ = journal.append(batch).await.unwrap();
    journal.checkpoint().await.unwrap()
}

#[tokio::test]
async fn a_checkpoint_is_believed_when_it_is_signed() {
    let checkpoint = checkpoint().await;
    let key = ed25519(1);
    let envelope = signed(checkpoint.to_envelope().unwrap(), &[&key]).await;
    let read = Envelope::parse(envelope.to_json().as_bytes()).unwrap();
    let keys = [key.public()];
    let believed = Checkpoint::from_envelope(&read, verifiers(&keys), number(1)).unwrap();
    assert_eq!(believed, checkpoint);
    assert_eq!(believed.digest(), checkpoint.digest());

    let refuse =
        |envelope: &Envelope| Checkpoint::from_envelope(envelope, verifiers(&keys), number(1)).unwrap_err();
    let unsigned = checkpoint.to_envelope().unwrap();
    assert!(matches!(refuse(&unsigned), CheckpointError::Unproven(_)));
    let other = signed(checkpoint.to_envelope().unwrap(), &[&ed25519(2)]).await;
    assert!(matches!(refuse(&other), CheckpointError::Unproven(_)));
    // What was signed as something else is no checkpoint, even if it looks like one.
    let bytes = unsigned.unverified_payload();
    let other = signed(Envelope::new("application/json", bytes), &[&key]).await;
    assert!(matches!(refuse(&other), CheckpointError::Unproven(_)));
    let other = signed(Envelope::new(CHECKPOINT_PAYLOAD, "{}"), &[&key]).await;
    assert!(matches!(refuse(&other), CheckpointError::Form(_)));
}
