//! A journal for tests, and runs told by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline_change::{ChangeFollower, ChangeGate, ChangeId, ChangeRecord, ChangeSettings};
use pipeline_core::{
    Action, ActionPlan, ActionPlanned, Actor, Append, AppendError, Approval, ArtifactRef, Batch, Checkpoint,
    Commit, Conflict, Digest, Event, EventPayload, Expected, Journal, NewEvent, Outcome, Payload, Position,
    ReadError, Revision, RunCreated, RunEvent, RunFinished, RunId, RunOutcome, SignedDuration, StageFinished,
    StageName, StageResult, StageStarted, StartDetails, StreamId, Timestamp,
};
use serde_json::json;

/// A journal in memory that stores text, as one on disk does.
#[derive(Debug, Default)]
pub(crate) struct TestJournal {
    events: Mutex<Vec<Event>>,
    /// Appends each batch of these many first ones itself and reports a conflict, as if another writer had
    /// been faster.
    pub(crate) races: Mutex<u32>,
}

impl TestJournal {
    pub(crate) fn push(&self, batch: Batch) -> Result<Commit, AppendError> {
        let mut events = self.events.lock().unwrap();
        let count = |events: &[Event], stream: &StreamId| {
            events.iter().filter(|event| event.stream == *stream).count() as Position
        };
        for append in &batch.appends {
            let actual = count(&events, &append.stream);
            if let Expected::At(position) = append.expected
                && position != actual
            {
                return Err(Conflict {
                    stream: append.stream.clone(),
                    expected: append.expected,
                    actual,
                }
                .into());
            }
        }
        let mut commit = Commit {
            cursor: events.len() as u64,
            heads: Vec::new(),
        };
        for Append {
            stream, events: new, ..
        } in &batch.appends
        {
            for event in new {
                commit.cursor += 1;
                let position = count(&events, stream) + 1;
                let mut event = event.placed(stream, position, commit.cursor, batch.at);
                event.payload = Payload::json(event.payload.to_json().unwrap().into_owned());
                events.push(event);
            }
            commit.heads.push(count(&events, stream));
        }
        Ok(commit)
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Vec<Event> {
        self.all()
            .into_iter()
            .filter(|event| event.stream == *stream)
            .collect()
    }

    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Vec<Event>)) {
        edit(&mut self.events.lock().unwrap());
    }
}

#[async_trait]
impl Journal for TestJournal {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        let race = {
            let mut races = self.races.lock().unwrap();
            let race = *races > 0;
            *races = races.saturating_sub(1);
            race
        };
        if race {
            let _ = self.push(batch.clone());
        }
        self.push(batch)
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        Ok(self
            .stream(stream)
            .into_iter()
            .skip(after as usize)
            .take(limit)
            .collect())
    }

    async fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        Ok(self.all().into_iter().skip(after as usize).take(limit).collect())
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        Err(ReadError::Other("this journal has no heads".into()))
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

pub(crate) fn person(name: &str) -> Actor {
    Actor::person(name).unwrap()
}

pub(crate) fn normal() -> ChangeSettings {
    ChangeSettings {
        authorisers: vec!["alice".into(), "bob".into()],
        justification: "the certificate expires on Monday".into(),
        description: "replaces the proxy and its certificate chain".into(),
        ..ChangeSettings::default()
    }
}

/// The action plans of the tests: equal numbers, equal plans.
pub(crate) fn actions(number: u32) -> ActionPlan {
    ActionPlan {
        environment: "production".try_into().unwrap(),
        release: release(),
        title: "edge-proxy 1.4.0".into(),
        configuration: Digest::of(b"configuration"),
        actions: vec![
            Action::new("switch", format!("edge-proxy-{number} to 1.4.0")).detail("at once"),
            Action::new("check", "the certificate"),
        ],
        rollback: vec![Action::new("switch", format!("edge-proxy-{number} to 1.3.9"))],
        success_measures: vec!["no errors for ten minutes".into()],
        facts: BTreeMap::new(),
    }
}

pub(crate) fn release() -> Digest {
    Digest::of(b"release")
}

/// A run, told event by event, a minute apart.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) journal: Arc<TestJournal>,
    pub(crate) run: RunId,
    pub(crate) now: Timestamp,
    pub(crate) attempt: u32,
    approvals: usize,
}

impl Story {
    /// A run with the stages `build`, `test` and `deploy`; the last one has a change gate.
    pub(crate) fn new(settings: ChangeSettings) -> Self {
        let gate = ChangeGate::new(settings).unwrap();
        let plan: Result<pipeline_core::RunPlan, _> = serde_json::from_value(json!({
            "format": 1, "pipeline": "edge", "component": "edge-proxy",
            "environments": {"production": {
                "name": "production", "tier": "production", "type": "directory", "settings": {},
            }},
            "stages": [
                {"name": "build", "type": "command", "version": 1, "effect": "pure"},
                {"name": "test", "type": "command", "version": 1, "effect": "pure", "after": ["build"]},
                {"name": "deploy", "type": "deploy", "version": 1, "effect": "idempotent", "plans": true,
                 "environment": "production", "after": ["test"],
                 "gates": [{"type": "change", "version": 1, "settings": gate}]},
                {"name": "verify", "type": "verify", "version": 1, "effect": "pure",
                 "environment": "production", "after": ["deploy"]},
            ],
        }));
        let mut story = Self {
            journal: Arc::default(),
            run: RunId::new("20261120-080000-000001").unwrap(),
            now: at("2026-11-20T08:00:00Z"),
            attempt: 0,
            approvals: 0,
        };
        let revision = Revision {
            id: "4f2a9c1".into(),
            at: at("2026-11-19T16:00:00Z"),
            summary: "renew the certificate chain".into(),
        };
        story.tell_by(
            person("carol"),
            RunCreated {
                revision: Some(revision.clone()),
                revisions: BTreeMap::from([("production".try_into().unwrap(), vec![revision])]),
                ..RunCreated::new(plan.unwrap()).unwrap()
            },
        );
        story
    }

    /// The same after `build` and `test`.
    pub(crate) fn tested(settings: ChangeSettings) -> Self {
        let mut story = Self::new(settings);
        let artifact = ArtifactRef {
            name: "edge-proxy".try_into().unwrap(),
            version: "1.4.0".parse().unwrap(),
            digest: Digest::of(b"artifact"),
        };
        story.start_stage("build", 1, None, vec![]);
        story.finish_stage("build", 1, done(Outcome::succeeded().artifact(artifact)));
        story.start_stage("test", 1, None, vec![]);
        story.finish_stage("test", 1, done(Outcome::succeeded().because("212 tests passed")));
        story
    }

    pub(crate) fn id(&self) -> ChangeId {
        ChangeId::of(&self.run, &stage("deploy"))
    }

    pub(crate) fn tell(&mut self, happened: impl Into<RunEvent>) {
        self.tell_by(Actor::Engine, happened);
    }

    pub(crate) fn tell_by(&mut self, actor: Actor, happened: impl Into<RunEvent>) {
        let stream = StreamId::run(&self.run);
        self.append(&stream, NewEvent::new(actor, happened.into()));
    }

    pub(crate) fn tell_environment(&mut self, happened: impl Into<pipeline_core::EnvironmentEvent>) {
        let stream = "environment/production".parse().unwrap();
        self.append(&stream, NewEvent::engine(happened.into()));
    }

    fn append(&mut self, stream: &StreamId, event: NewEvent) {
        let batch = Batch::new(self.now).event(stream, Expected::Any, event);
        let _ = self.journal.push(batch).unwrap();
        self.now += SignedDuration::from_mins(1);
    }

    pub(crate) fn plan(&mut self, number: u32) {
        let plan = actions(number);
        self.tell(ActionPlanned {
            stage: stage("deploy"),
            digest: plan.digest().unwrap(),
            plan,
        });
    }

    pub(crate) fn approve(&mut self, who: &str, number: u32) {
        let now = self.now;
        self.tell_by(
            person(who),
            approval(who, number, now, now + SignedDuration::from_hours(8)),
        );
        self.approvals += 1;
    }

    pub(crate) fn start_stage(&mut self, name: &str, attempt: u32, plan: Option<u32>, approvals: Vec<usize>) {
        let details = StartDetails {
            action_plan: plan.map(|number| actions(number).digest().unwrap()),
            approvals,
            ..StartDetails::default()
        };
        self.tell(StageStarted::new(stage(name), attempt, 1, 1, details));
    }

    pub(crate) fn finish_stage(&mut self, name: &str, attempt: u32, result: StageResult) {
        let output = Some(Digest::of(format!("output of {name} {attempt}")));
        self.tell(StageFinished {
            stage: stage(name),
            attempt,
            epoch: 1,
            result,
            output: output.map(Box::new),
            retry_at: None,
        });
    }

    /// The deploy stage starts, and uses all approvals.
    pub(crate) fn start(&mut self, plan: u32) {
        self.attempt += 1;
        self.start_stage("deploy", self.attempt, Some(plan), (0..self.approvals).collect());
    }

    pub(crate) fn finish(&mut self, result: StageResult) {
        self.finish_stage("deploy", self.attempt, result);
    }

    pub(crate) fn end(&mut self, outcome: RunOutcome) {
        self.tell(RunFinished { outcome });
    }

    /// Brings the records up to date, as [`pipeline_change::ChangeLog`] does.
    pub(crate) fn settle(&self) -> Option<ChangeRecord> {
        let mut follower = ChangeFollower::new();
        loop {
            for event in self.journal.all() {
                follower.feed(&event).unwrap();
            }
            let due = follower.due();
            if due.is_empty() {
                return follower.records().get(&self.id()).cloned();
            }
            for change in due {
                let batch = change
                    .events
                    .into_iter()
                    .fold(Batch::new(self.now), |batch, event| {
                        batch.event(change.id.stream(), Expected::At(change.position), event)
                    });
                let _ = self.journal.push(batch).unwrap();
            }
        }
    }
}

pub(crate) fn approval(who: &str, number: u32, now: Timestamp, expires: Timestamp) -> Approval {
    Approval {
        stage: stage("deploy"),
        action_plan: actions(number).digest().unwrap(),
        by: person(who),
        at: now,
        expires,
        comment: "looks right".into(),
        used: false,
    }
}

pub(crate) fn done(outcome: Outcome) -> StageResult {
    StageResult::Completed {
        outcome: Arc::new(outcome),
    }
}

pub(crate) fn failed(error: &str) -> StageResult {
    StageResult::Failed {
        failure: pipeline_core::Failure::Errored,
        error: vec![error.into()],
    }
}

/// The names of the events of a change, and the states after them.
pub(crate) fn history(record: &ChangeRecord) -> Vec<String> {
    record
        .history
        .iter()
        .map(|step| format!("{} -> {}", step.event, step.state))
        .collect()
}

/// One event of each kind, as its family has them.
pub(crate) fn kinds(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.kind.to_string()).collect()
}

/// An event of a stream, as a journal holds it.
pub(crate) fn stored(stream: &StreamId, position: Position, payload: impl EventPayload) -> Event {
    Event {
        stream: stream.clone(),
        position,
        cursor: position,
        at: at("2026-11-20T08:00:00Z"),
        kind: payload.kind().into(),
        version: payload.version(),
        actor: Actor::Engine,
        causes: Vec::new(),
        payload: Payload::value(payload),
    }
}
