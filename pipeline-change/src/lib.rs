//! ITIL change records out of release plans and journals, and the gates that wait for them.
//!
//! Nobody fills in a form. A stage whose plan has a [`ChangeGate`] gets a change record the moment it has planned
//! its actions: what is done, how, how it is undone, how success is told, where, and when. From then on the record follows
//! the journal, and it closes with the outcome of the run and the evidence for it.
//!
//! # Example
//!
//! A run plans to deploy, and its change waits for Bob:
//!
//! ```
//! use pipeline_change::ChangeFollower;
//! use pipeline_core::{ActionPlan, ActionPlanned, Actor, Event, RunCreated, RunEvent, RunPlan, StageName};
//! # use pipeline_core::{EventPayload, Payload, StreamId};
//! use serde_json::json;
//! # fn event(number: u64, happened: impl Into<RunEvent>) -> Result<Event, Box<dyn std::error::Error>> {
//! #     let happened: RunEvent = happened.into();
//! #     Ok(Event {
//! #         stream: "run/20261120-080000-000001".parse::<StreamId>()?,
//! #         position: number,
//! #         cursor: number,
//! #         at: "2026-11-20T08:00:00Z".parse()?,
//! #         kind: happened.kind().into(),
//! #         version: happened.version(),
//! #         actor: Actor::person("alice")?,
//! #         causes: Vec::new(),
//! #         payload: Payload::value(happened),
//! #     })
//! # }
//!
//! let plan: RunPlan = serde_json::from_value(json!({
//!     "format": 1, "pipeline": "edge", "component": "edge-proxy",
//!     "stages": [{
//!         "name": "deploy", "type": "deploy", "version": 1, "effect": "idempotent", "plans": true,
//!         "environment": "production",
//!         "gates": [{"type": "change", "version": 1, "settings": {"authorisers": ["bob"]}}],
//!     }],
//! }))?;
//! let actions: ActionPlan = serde_json::from_value(json!({
//!     "environment": "production", "title": "edge-proxy 1.4.0",
//!     "release": format!("sha256:{:064}", 1), "configuration": format!("sha256:{:064}", 2),
//!     "actions": [{"verb": "switch", "subject": "edge-proxy to 1.4.0"}],
//!     "rollback": [{"verb": "switch", "subject": "edge-proxy to 1.3.9"}],
//! }))?;
//!
//! let mut follower = ChangeFollower::new();
//! follower.feed(&event(1, RunCreated::new(plan)?)?)?;
//! follower.feed(&event(2, ActionPlanned {
//!     stage: StageName::new("deploy")?, digest: actions.digest()?, plan: actions,
//! })?)?;
//!
//! let due = follower.due();
//! assert_eq!(due[0].id.as_str(), "20261120-080000-000001.deploy");
//! let kinds: Vec<_> = due[0].events.iter().map(|event| event.kind()).collect();
//! assert_eq!(kinds, ["change.opened", "change.submitted", "change.assessed"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A host does not do this by hand: it hands its journal to a [`ChangeLog`], the log to a [`ChangeEvidence`], and
//! registers that with the engine, next to the gate types [`ChangeGate`] and [`WindowGate`].
//!
//! # Contents
//!
//! - [`ChangeRecord`]: the record, a fold of the stream `change/ID`; as text and as JSON.
//! - [`state`]: the states of a change, drawn, and what leads from one to the next. [`ChangeEvent`] is the family of events.
//! - [`ChangeFollower`]: which events the records lack, a pure function of the journal.
//! - [`ChangeLog`]: appends them.
//! - [`ChangeGate`], its settings [`ChangeSettings`] and its evidence [`ChangeEvidence`].
//! - [`WindowGate`] and its [`WindowSettings`]: certain hours of certain days, by the clock of one place.
//!
//! Nothing here is a source of truth but the events of the change streams, and those can be derived again from the
//! runs, but for the time when they were written down.
//!
//! # What it does not do
//!
//! It does not prove who approved: the host does, before it records an approval. It does not run anything, send anything or
//! talk to a ticket system. It does not assess risk, know freezes or find conflicts between changes.
#![forbid(unsafe_code)]

mod event;
mod evidence;
mod follower;
mod gate;
mod id;
mod log;
mod planned_window;
mod record;
pub mod state;
mod text;

pub use event::{
    Authorisation, ChangeAssessed, ChangeAuthorized, ChangeCanceled, ChangeClosed, ChangeEvent,
    ChangeImplemented, ChangeImplementing, ChangeOpened, ChangeReplanned, ChangeScheduled, ChangeSubmitted,
    EvidenceRef, WorkOutcome,
};
pub use evidence::{ChangeEvidence, ChangeFinding};
pub use follower::{ChangeFollower, DueChange, FollowError};
pub use gate::{
    ChangeGate, ChangeSettings, ChangeSettingsError, Weekday, WindowGate, WindowSettings, WindowSettingsError,
};
pub use id::ChangeId;
pub use log::{ChangeLog, ChangeLogError};
pub use planned_window::{PlannedWindow, WindowPlace};
pub use record::{ChangeRecord, ChangeStep, Closure, RecordError};
pub use state::{ChangeState, ChangeType, CloseCode, IllegalTransition};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
