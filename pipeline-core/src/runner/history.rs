use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::journal::{FoldSnapshot, Journal};
use crate::run::{RunEvent, RunOutcome, StageResult};
use crate::{Cursor, Digest, Effect, Event, FoldName, Outcome, PipelineName, RunId, StageName, StreamKind};

/// Outcomes that may be used again: those of pure stages, by fingerprint. Rebuilt from the journal.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct History {
    cursor: Cursor,
    /// Up to where the journal keeps it, so that another process need not begin at the first event.
    #[serde(skip)]
    kept: Cursor,
    outcomes: HashMap<Digest, (RunId, Arc<Outcome>)>,
    /// The last run of each pipeline that succeeded.
    last: HashMap<PipelineName, RunId>,
    /// Of runs that have not ended: which stages are pure, and what the attempts going on depend on.
    open: HashMap<RunId, OpenRun>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct OpenRun {
    pipeline: Option<PipelineName>,
    pure: HashSet<StageName>,
    begun: HashMap<StageName, (u32, Digest)>,
}

/// The form of what is kept, and what the fold makes of events.
const VERSION: u32 = 1;

/// After so many events more it is worth keeping again.
const WORTH_KEEPING: u64 = 4096;

impl History {
    fn name() -> Option<FoldName> {
        FoldName::new("history").ok()
    }

    /// What a journal kept of it; nothing if it does not fit, and then it is read from the events.
    pub(super) async fn kept(journal: &dyn Journal) -> Self {
        let fold = match Self::name() {
            Some(name) => journal.load_fold(&name, VERSION).await,
            None => None,
        };
        let read = fold.and_then(|fold| {
            let history: Self = serde_json::from_slice(&fold.bytes).ok()?;
            (history.cursor == fold.cursor).then_some(history)
        });
        read.map_or_else(Self::default, |history| Self {
            kept: history.cursor,
            ..history
        })
    }

    /// What the journal should keep of it, if that is worth it.
    pub(super) fn worth_keeping(&mut self) -> Option<FoldSnapshot> {
        if self.cursor < self.kept.saturating_add(WORTH_KEEPING) {
            return None;
        }
        self.kept = self.cursor;
        Some(FoldSnapshot {
            name: Self::name()?,
            version: VERSION,
            cursor: self.cursor,
            bytes: serde_json::to_vec(self).ok()?,
        })
    }

    /// How far it has read.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Applies events that follow what it has read; those that it knows change nothing.
    pub(super) fn extend(&mut self, events: &[Event]) {
        for event in events {
            if event.cursor > self.cursor {
                self.apply(event);
                self.cursor = event.cursor;
            }
        }
    }

    /// What cannot be read is no outcome to reuse; whoever needs it will say so.
    fn apply(&mut self, event: &Event) {
        if !event.stream.is(&StreamKind::RUN) {
            return;
        }
        let (Ok(run), Ok(Some(payload))) = (RunId::new(event.stream.name()), event.read::<RunEvent>()) else {
            return;
        };
        match &*payload {
            RunEvent::Created(created) => {
                let pure = created
                    .plan
                    .stages
                    .iter()
                    .filter(|stage| stage.effect == Effect::Pure);
                let pure = pure.map(|stage| stage.name.clone()).collect();
                self.open.insert(
                    run,
                    OpenRun {
                        pipeline: Some(created.plan.pipeline.clone()),
                        pure,
                        begun: HashMap::new(),
                    },
                );
            }
            RunEvent::StageStarted(started) => {
                let Some(open) = self.open.get_mut(&run) else {
                    return;
                };
                if let Some(fingerprint) = started
                    .details()
                    .fingerprint
                    .filter(|_| open.pure.contains(&started.stage))
                {
                    open.begun
                        .insert(started.stage.clone(), (started.attempt, fingerprint));
                }
            }
            RunEvent::StageFinished(finished) => {
                let Some(open) = self.open.get_mut(&run) else {
                    return;
                };
                let Some((attempt, fingerprint)) = open.begun.remove(&finished.stage) else {
                    return;
                };
                if let StageResult::Completed { outcome } = &finished.result
                    && attempt == finished.attempt
                    && outcome.is_success()
                {
                    self.outcomes.insert(fingerprint, (run, Arc::clone(outcome)));
                }
            }
            RunEvent::Finished(finished) => {
                let open = self.open.remove(&run);
                if let Some(pipeline) = open.and_then(|open| open.pipeline)
                    && finished.outcome == RunOutcome::Succeeded
                {
                    self.last.insert(pipeline, run);
                }
            }
            _ => {}
        }
    }

    /// The last run of a pipeline that succeeded.
    pub(super) fn last(&self, pipeline: &PipelineName) -> Option<RunId> {
        self.last.get(pipeline).cloned()
    }

    /// An old outcome with this fingerprint, and the run that it comes from.
    pub(super) fn find(&self, fingerprint: &Digest) -> Option<(RunId, Arc<Outcome>)> {
        self.outcomes.get(fingerprint).cloned()
    }
}
