use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fingerprint::facts_digest;
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
    outcomes: HashMap<Digest, OldOutcome, ByDigest>,
    /// The last run of each pipeline that succeeded.
    last: HashMap<PipelineName, RunId>,
    /// Of runs that have not ended: which stages are pure, and what the attempts going on depend on.
    open: HashMap<RunId, OpenRun>,
}

/// An outcome that may be used again, with what decides about that at hand: among thousands of outcomes each look at
/// one of them waits for memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "(RunId, Arc<Outcome>)", into = "(RunId, Arc<Outcome>)")]
pub(super) struct OldOutcome {
    /// The run that it comes from.
    pub(super) from: RunId,
    pub(super) outcome: Arc<Outcome>,
    /// Whether it has artifacts, which must still be there.
    pub(super) artifacts: bool,
    /// The digest of its facts, if it has some.
    pub(super) facts: Option<Digest>,
}

impl From<(RunId, Arc<Outcome>)> for OldOutcome {
    fn from((from, outcome): (RunId, Arc<Outcome>)) -> Self {
        Self {
            from,
            artifacts: !outcome.artifacts.is_empty(),
            facts: facts_digest(&outcome.facts),
            outcome,
        }
    }
}

impl From<OldOutcome> for (RunId, Arc<Outcome>) {
    fn from(old: OldOutcome) -> Self {
        (old.from, old.outcome)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct OpenRun {
    pipeline: Option<PipelineName>,
    pure: HashSet<StageName>,
    begun: HashMap<StageName, (u32, Digest)>,
}

/// The form of what is kept, and what the fold makes of events.
const VERSION: u32 = 1;

/// After so many events more it is worth keeping again; and not before there are as many as there are outcomes to write
/// out.
const WORTH_KEEPING: u64 = 4096;

/// Digests are as good as their own hash.
type ByDigest = BuildHasherDefault<FirstBytes>;

#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// How long a digest is says nothing.
    fn write_usize(&mut self, _: usize) {}
}

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
        let outcomes = self.outcomes.len() as u64;
        if self.cursor < self.kept.saturating_add(WORTH_KEEPING.max(outcomes)) {
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

    /// Applies events that were read from `after` on; those that it knows change nothing. Tells whether they follow what
    /// it knows: it may have been begun anew meanwhile.
    pub(super) fn extend(&mut self, after: Cursor, events: &[Event]) -> bool {
        if self.cursor < after {
            return false;
        }
        for event in events {
            if event.cursor > self.cursor {
                self.apply(event);
                self.cursor = event.cursor;
            }
        }
        true
    }

    /// What cannot be read is no outcome to reuse; whoever needs it will say so.
    fn apply(&mut self, event: &Event) {
        if !event.stream.is(&StreamKind::RUN) {
            return;
        }
        let Ok(Some(payload)) = event.read::<RunEvent>() else {
            return;
        };
        let run = event.stream.name();
        match &*payload {
            RunEvent::Created(created) => {
                let Ok(run) = RunId::new(run) else {
                    return;
                };
                let stages = created.plan.stages.iter();
                let pure = stages.filter(|stage| stage.effect == Effect::Pure);
                let open = OpenRun {
                    pipeline: Some(created.plan.pipeline.clone()),
                    pure: pure.map(|stage| stage.name.clone()).collect(),
                    begun: HashMap::new(),
                };
                self.open.insert(run, open);
            }
            RunEvent::StageStarted(started) => {
                if let Some(fingerprint) = started.details().fingerprint
                    && let Some(open) = self.open.get_mut(run)
                    && open.pure.contains(&started.stage)
                {
                    open.begun
                        .insert(started.stage.clone(), (started.attempt, fingerprint));
                }
            }
            RunEvent::StageFinished(finished) => {
                let begun = self
                    .open
                    .get_mut(run)
                    .and_then(|open| open.begun.remove(&finished.stage));
                if let Some((attempt, fingerprint)) = begun
                    && let StageResult::Completed { outcome } = &finished.result
                    && attempt == finished.attempt
                    && outcome.is_success()
                    && let Some((run, _)) = self.open.get_key_value(run)
                {
                    // One text for all outcomes of a run.
                    self.outcomes
                        .insert(fingerprint, (run.clone(), Arc::clone(outcome)).into());
                }
            }
            RunEvent::Finished(finished) => {
                if let Some((run, open)) = self.open.remove_entry(run)
                    && let Some(pipeline) = open.pipeline
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

    /// An old outcome with this fingerprint.
    pub(super) fn find(&self, fingerprint: &Digest) -> Option<OldOutcome> {
        self.outcomes.get(fingerprint).cloned()
    }
}
