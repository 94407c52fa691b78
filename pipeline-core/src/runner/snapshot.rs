use super::Runner;
use super::load::other_streams;
use crate::journal::{FoldSnapshot, JournalEvent, JournalExt};
use crate::pipeline::Pipeline;
use crate::run::RunState;
use crate::run::snapshot::VERSION;
use crate::{Digest, FoldName, Position, RunId, StreamId};

/// After so many events more the state of a run is worth keeping: to read them takes some ten milliseconds.
const WORTH_KEEPING: Position = 4096;

/// How the state of a large run that waits is kept beside the journal, so that whoever goes on with it need not read
/// all of its events.
impl Runner {
    /// The state that was kept of a run, if there is one.
    pub(super) async fn snapshot(&self, run: &RunId, pipeline: Option<&Pipeline>) -> Option<RunState> {
        let fold = self.journal.load_fold(&name(run)?, VERSION).await?;
        let known = pipeline.and_then(Pipeline::known);
        RunState::from_snapshot(run, &fold.bytes, known)
    }

    /// Keeps the state of a run that its drive leaves, if that is worth it; forgets what was kept of one that has ended.
    pub(super) async fn keep_snapshot(&self, state: &RunState) {
        if state.finished().is_some() {
            if state.kept() > 0
                && let Some(name) = name(state.id())
            {
                self.journal.forget_fold(&name).await;
            }
        } else if state.position() >= state.kept().saturating_add(WORTH_KEEPING)
            && let Some(fold) = self.take_snapshot(state).await
        {
            // Nothing is lost without it but time.
            let _ = self.journal.store_fold(fold).await;
        }
    }

    async fn take_snapshot(&self, state: &RunState) -> Option<FoldSnapshot> {
        let mut streams = other_streams(state);
        streams.push((StreamId::run(state.id()), state.position()));
        let checkpoint = self.journal.checkpoint().await.ok()?;
        // What others appended meanwhile is for whoever drives the run next, and so is the snapshot.
        let held = |stream| checkpoint.heads.get(stream).map_or(0, |head| head.position);
        if streams.iter().any(|(stream, known)| *known != held(stream)) {
            return None;
        }
        // The state may hold what was erased since it was read: of such a run nothing is kept. An erasure that comes
        // later than this look is behind the cursor, so the journal refuses the snapshot.
        let erasures = self
            .journal
            .read_stream(&JournalEvent::erasures(), 0)
            .await
            .ok()?;
        for record in &erasures {
            let JournalEvent::PayloadErased(erased) = &*record.read::<JournalEvent>().ok()??;
            if streams.iter().any(|(stream, _)| *stream == erased.event.stream) {
                return None;
            }
        }
        Some(FoldSnapshot {
            name: name(state.id())?,
            version: VERSION,
            cursor: checkpoint.cursor,
            bytes: state.to_snapshot(),
        })
    }
}

/// The name under which the state of a run is kept.
fn name(run: &RunId) -> Option<FoldName> {
    let readable = FoldName::new(format!("run.{run}"));
    // The longest ids leave no room; a digest names them as well.
    let short = || FoldName::new(format!("run.{}", &Digest::of(run.as_str()).hex()[..40]));
    readable.or_else(|_| short()).ok()
}
