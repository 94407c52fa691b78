use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline_core::{
    ChainDisplay, DecodeError, EnvironmentEvent, Event, Failure, RunEvent, StageResult, Timestamp,
};

use super::environment::{self, EnvironmentMark};
use super::run::{self, RunHead, RunMark};
use crate::{FlowFact, Origin};

/// Collects how work flows out of the events of a journal of ours.
///
/// | event | what it tells |
/// |---|---|
/// | `run.created`, then the first sign of work in it | a wait in the queue |
/// | `run.stage-started`, `run.stage-finished` | a [`StageTime`](crate::StageTime) for each attempt; ready when all stages that it waits for had ended |
/// | `run.gates-evaluated` | a [`Wait`](crate::Wait) for each gate that said so, until it no longer does |
/// | `run.stage-finished` with another attempt to come | a wait for the retry |
/// | `run.stage-unknown`, `run.stage-decided` | a wait for a decision |
/// | `run.approved`, `run.stage-decided`, a run begun again by a person | [work by hand](crate::ManualWork), of unknown length |
/// | `environment.locked`, `environment.released` | a [`Hold`](crate::Hold) by the pipeline of the run |
/// | `environment.deployed` | a [`ChangeKind`](crate::ChangeKind): `configuration` when the release was live before, else the type of the environment |
///
/// A stage was [accurate](crate::StageTime::accurate) when every stage right after it that came to a result
/// said yes, and was not when one said no or was denied by a gate: the receiver judges, the sender is judged.
///
/// Events may come in any order and more than once. Some facts need several events, so they are made when
/// all are in: add the events, then take the [facts](Self::facts) into a [`Flow`](crate::Flow); to do so again
/// later is fine, for a fact that has grown replaces itself.
///
/// ```
/// # use pipeline_core::Event;
/// use pipeline_metrics::{Flow, JournalFlow};
///
/// # fn read(events: &[Event]) -> Flow {
/// let mut journal = JournalFlow::new();
/// journal.add_events(events);
/// let flow: Flow = journal.facts().into_iter().collect();
/// # flow }
/// # assert!(read(&[]).is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct JournalFlow {
    runs: BTreeMap<Arc<str>, BTreeMap<u64, (Timestamp, RunMark)>>,
    environments: BTreeMap<Arc<str>, BTreeMap<u64, (Timestamp, EnvironmentMark)>>,
    problems: BTreeMap<Origin, String>,
}

impl JournalFlow {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what an event says. Most say nothing here and are ignored. One that cannot be read becomes a
    /// [problem](Self::problems).
    pub fn add_event(&mut self, event: &Event) {
        let stream = event.stream.kind();
        let added = match (stream, &*event.kind) {
            ("run", kind) if kind.starts_with("run.") => self.add_run_event(event),
            ("environment", "environment.locked" | "environment.released" | "environment.deployed") => {
                self.add_environment_event(event)
            }
            _ => Ok(()),
        };
        if let Err(error) = added {
            let origin = Origin::Event {
                stream: event.stream.as_str().into(),
                position: event.position,
            };
            let reason = ChainDisplay(&error).to_string();
            self.problems.insert(origin, reason);
        }
    }

    /// Adds what some events say; see [`add_event`](Self::add_event).
    pub fn add_events<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            self.add_event(event);
        }
    }

    /// What could not be read, with the reason; by stream and position.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = (&Origin, &str)> {
        self.problems.iter().map(|(origin, reason)| (origin, &**reason))
    }

    /// All that is known so far.
    pub fn facts(&self) -> Vec<FlowFact> {
        let mut facts = Vec::new();
        let mut heads: BTreeMap<&str, &RunHead> = BTreeMap::new();
        for (name, marks) in &self.runs {
            if let Some(head) = run::head(marks) {
                heads.insert(name, head);
            }
            run::facts(name, marks, &mut facts);
        }
        for (name, marks) in &self.environments {
            environment::facts(name, marks, &heads, &mut facts);
        }
        facts
    }

    fn add_run_event(&mut self, event: &Event) -> Result<(), DecodeError> {
        let Some(read) = event.read::<RunEvent>()? else {
            return Ok(());
        };
        let mark = match read.as_ref() {
            RunEvent::Created(created) => RunMark::Created(Box::new(RunHead::of(created, &event.actor))),
            RunEvent::GatesEvaluated(gates) => RunMark::gates(gates),
            RunEvent::Approved(approval) => RunMark::Approved {
                stage: approval.stage.clone(),
                by: approval.by.clone(),
            },
            RunEvent::ActionPlanned(_) => RunMark::Work,
            RunEvent::StageStarted(started) => RunMark::Started {
                stage: started.stage.clone(),
                attempt: started.attempt,
            },
            RunEvent::StageFinished(finished) => RunMark::Finished {
                stage: finished.stage.clone(),
                attempt: finished.attempt,
                yes: match &finished.result {
                    StageResult::Completed { outcome } => Some(outcome.is_success()),
                    StageResult::Failed { failure, .. } if *failure == Failure::Failed => Some(false),
                    _ => None,
                },
                retry: finished.retry_at.is_some(),
            },
            RunEvent::StageReused(reused) => RunMark::Reused {
                stage: reused.stage.clone(),
            },
            RunEvent::StageSkipped(skipped) => RunMark::Skipped {
                stage: skipped.stage.clone(),
                denied: skipped.denied,
            },
            RunEvent::StageUnknown(unknown) => RunMark::Unknown {
                stage: unknown.stage.clone(),
            },
            RunEvent::StageDecided(decided) => RunMark::Decided {
                stage: decided.stage.clone(),
                by: event.actor.clone(),
            },
            RunEvent::Finished(_) => RunMark::Ended,
            _ => return Ok(()),
        };
        let marks = self.runs.entry(event.stream.name().into()).or_default();
        marks.insert(event.position, (event.at, mark));
        Ok(())
    }

    fn add_environment_event(&mut self, event: &Event) -> Result<(), DecodeError> {
        let Some(read) = event.read::<EnvironmentEvent>()? else {
            return Ok(());
        };
        let mark = match read.as_ref() {
            EnvironmentEvent::Locked(locked) => EnvironmentMark::Locked {
                run: locked.run.as_str().into(),
                token: locked.token,
            },
            EnvironmentEvent::Released(released) => EnvironmentMark::Released {
                token: released.token,
            },
            EnvironmentEvent::Deployed(deployed) if !deployed.unchanged => EnvironmentMark::Deployed {
                run: deployed.run.as_str().into(),
                component: deployed.release.component.as_str().into(),
                release: deployed.release_digest,
            },
            _ => return Ok(()),
        };
        let marks = self.environments.entry(event.stream.name().into()).or_default();
        marks.insert(event.position, (event.at, mark));
        Ok(())
    }
}
