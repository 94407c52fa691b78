use pipeline_core::{
    ActionPlan, Actor, ComponentName, DecodeError, Digest, Event, EventRef, PipelineName, Position, Purpose,
    Revision, RunId, StageName, Tier, Timestamp,
};
use serde::Serialize;

use crate::{
    Authorisation, ChangeEvent, ChangeId, ChangeImplemented, ChangeOpened, ChangeState, ChangeType,
    CloseCode, EvidenceRef, IllegalTransition, PlannedWindow,
};

/// One step of a change's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeStep {
    /// When it happened in the run.
    pub at: Timestamp,
    /// The name of the event.
    pub event: &'static str,
    /// The state after it.
    pub state: ChangeState,
}

/// How a change was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closure {
    /// The close code.
    pub code: CloseCode,
    /// Why so.
    pub notes: String,
    /// What shows it.
    pub evidence: Vec<EvidenceRef>,
}

/// A change record (ITIL): the fold of a stream `change/ID`, and nothing more.
///
/// It can be rebuilt from the journal at any time. As JSON it has the key `format`, which is 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangeRecord {
    /// The form of the JSON: 1.
    pub format: u32,
    /// Its id.
    pub id: ChangeId,
    /// How many events of its stream it holds.
    pub position: Position,
    /// Its type.
    pub change_type: ChangeType,
    /// Where it stands.
    pub state: ChangeState,
    /// What is changed, in a line.
    pub title: String,
    /// What is changed, at length.
    pub description: String,
    /// Why it is done, and what happens if it is not.
    pub justification: String,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// What is changed.
    pub component: ComponentName,
    /// The tier of the environment, when the run plan describes it.
    pub tier: Option<Tier>,
    /// The run.
    pub run: RunId,
    /// The stage that carries it out.
    pub stage: StageName,
    /// Who asked for the run.
    pub requested_by: Actor,
    /// When the run was asked for.
    pub requested_at: Timestamp,
    /// Why the run was asked for.
    pub purpose: Purpose,
    /// When it is planned to be carried out.
    pub window: PlannedWindow,
    /// The revisions of the source that come to the environment with it.
    pub revisions: Vec<Revision>,
    /// The event of the run that planned it.
    pub planned: EventRef,
    /// The digest of the action plan.
    pub action_plan: Digest,
    /// How it is done and undone, how success is told, where, with which release and configuration.
    pub plan: ActionPlan,
    /// The persons who may authorise it.
    pub authorisers: Vec<String>,
    /// How many of them have to.
    pub count: u32,
    /// What the pipeline found out before it was planned.
    pub assessment: Vec<EvidenceRef>,
    /// Who authorised the action plan.
    pub authorised_by: Vec<Authorisation>,
    /// When the work began for the first time.
    pub started_at: Option<Timestamp>,
    /// How the work ended.
    pub work: Option<ChangeImplemented>,
    /// How it was settled.
    pub closure: Option<Closure>,
    /// Why it was given up.
    pub cancellation: Option<String>,
    /// What happened, the oldest first.
    pub history: Vec<ChangeStep>,
}

impl ChangeRecord {
    /// Begins a record.
    pub(crate) fn open(opened: &ChangeOpened) -> Self {
        let opened = opened.clone();
        Self {
            format: 1,
            id: opened.id,
            position: 1,
            change_type: opened.change_type,
            state: ChangeState::New,
            title: opened.title,
            description: opened.description,
            justification: opened.justification,
            pipeline: opened.pipeline,
            component: opened.component,
            tier: opened.tier,
            run: opened.run,
            stage: opened.stage,
            requested_by: opened.requested_by,
            requested_at: opened.requested_at,
            purpose: opened.purpose,
            window: opened.window,
            revisions: opened.revisions,
            planned: opened.planned,
            action_plan: opened.action_plan,
            plan: opened.plan,
            authorisers: Vec::new(),
            count: 0,
            assessment: Vec::new(),
            authorised_by: Vec::new(),
            started_at: None,
            work: None,
            closure: None,
            cancellation: None,
            history: vec![ChangeStep {
                at: opened.at,
                event: "opened",
                state: ChangeState::New,
            }],
        }
    }

    /// The record that a stream tells of.
    ///
    /// # Errors
    ///
    /// When the stream is empty, does not begin with an opened change, has a gap, cannot be read, or
    /// contradicts the state machine. The error names the event.
    pub fn from_events(events: &[Event]) -> Result<Self, RecordError> {
        let mut record = None;
        for event in events {
            Self::fold(&mut record, event)?;
        }
        record.ok_or(RecordError::Empty)
    }

    /// Folds an event into what may not be a record yet.
    pub(crate) fn fold(record: &mut Option<Self>, event: &Event) -> Result<(), RecordError> {
        if let Some(record) = record {
            return record.apply(event);
        }
        let unopened = || RecordError::NotOpened {
            event: event.reference(),
        };
        let opened = match read(event)?.ok_or_else(unopened)? {
            ChangeEvent::Opened(opened) if event.position == 1 => opened,
            _ => return Err(unopened()),
        };
        if *opened.id.stream() != event.stream {
            return Err(RecordError::Foreign {
                id: opened.id,
                event: event.reference(),
            });
        }
        *record = Some(Self::open(&opened));
        Ok(())
    }

    /// Applies the next event of the stream. One that the record holds already changes nothing; one of a
    /// family that it does not know is counted and kept out.
    ///
    /// # Errors
    ///
    /// When the event belongs to another stream, does not follow the last one, cannot be read, or the
    /// change cannot take it where it stands. Then the record is as before.
    pub fn apply(&mut self, event: &Event) -> Result<(), RecordError> {
        if event.stream != *self.id.stream() {
            return Err(RecordError::Foreign {
                id: self.id.clone(),
                event: event.reference(),
            });
        }
        if event.position <= self.position {
            return Ok(());
        }
        if event.position != self.position + 1 {
            return Err(RecordError::Gap {
                event: event.reference(),
                expected: self.position + 1,
            });
        }
        match read(event)? {
            None => self.position = event.position,
            Some(change) => self.take(&change).map_err(|source| RecordError::Illegal {
                event: event.reference(),
                source,
            })?,
        }
        Ok(())
    }

    /// Takes what happened, as the next event.
    pub(crate) fn take(&mut self, event: &ChangeEvent) -> Result<(), IllegalTransition> {
        self.state = self.state.next(self.change_type, event)?;
        self.position += 1;
        match event {
            // Refused above: a record is opened once.
            ChangeEvent::Opened(_) => {}
            ChangeEvent::Replanned(replanned) => {
                self.title.clone_from(&replanned.title);
                self.planned = replanned.planned.clone();
                self.action_plan = replanned.action_plan;
                self.plan = replanned.plan.clone();
                self.assessment.clear();
                self.authorised_by.clear();
            }
            ChangeEvent::Submitted(submitted) => {
                self.authorisers.clone_from(&submitted.authorisers);
                self.count = submitted.count;
            }
            ChangeEvent::Assessed(assessed) => self.assessment.clone_from(&assessed.evidence),
            ChangeEvent::Authorized(authorized) => self.authorised_by.clone_from(&authorized.by),
            ChangeEvent::Scheduled(_) => {}
            ChangeEvent::Implementing(began) => {
                self.started_at.get_or_insert(began.at);
            }
            ChangeEvent::Implemented(ended) => self.work = Some(ended.clone()),
            ChangeEvent::Closed(closed) => {
                self.closure = Some(Closure {
                    code: closed.code,
                    notes: closed.notes.clone(),
                    evidence: closed.evidence.clone(),
                });
            }
            ChangeEvent::Canceled(canceled) => self.cancellation = Some(canceled.reason.clone()),
        }
        self.history.push(ChangeStep {
            at: event.at(),
            event: event.name(),
            state: self.state,
        });
        Ok(())
    }
}

fn read(event: &Event) -> Result<Option<ChangeEvent>, RecordError> {
    match event.read::<ChangeEvent>() {
        Ok(change) => Ok(change.map(std::borrow::Cow::into_owned)),
        // Somebody else's event in our stream: nothing that the record would have shown.
        Err(DecodeError::Erased { kind }) if !kind.starts_with("change.") => Ok(None),
        Err(source) => Err(RecordError::Unreadable {
            event: event.reference(),
            source,
        }),
    }
}

/// A stream that tells of no change record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// There are no events.
    #[error("the stream of the change is empty")]
    Empty,
    /// The stream begins with something else than an opened change.
    #[error("event {event} does not open a change")]
    NotOpened {
        /// The event.
        event: EventRef,
    },
    /// The event is about another change.
    #[error("event {event} is not about change `{id}`")]
    Foreign {
        /// The change.
        id: ChangeId,
        /// The event.
        event: EventRef,
    },
    /// Events are missing before this one.
    #[error("event {event} comes too early: number {expected} is next")]
    Gap {
        /// The event.
        event: EventRef,
        /// The number that was expected.
        expected: Position,
    },
    /// This code cannot read the event.
    #[error("event {event} cannot be read")]
    Unreadable {
        /// The event.
        event: EventRef,
        /// Why not.
        source: DecodeError,
    },
    /// The event contradicts the state machine.
    #[error("event {event} is illegal")]
    Illegal {
        /// The event.
        event: EventRef,
        /// What is illegal about it.
        source: IllegalTransition,
    },
}
