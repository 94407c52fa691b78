use super::read_ahead::ReadAhead;
use super::{RunError, Runner};
use crate::journal::JournalExt;
use crate::pipeline::Pipeline;
use crate::run::RunState;
use crate::{Event, FoldError, Position, RunId, StreamId};

/// How a run comes out of the journal, and how its state keeps up.
impl Runner {
    /// Loads a run: its stream, and those of its environments and pools.
    ///
    /// # Errors
    ///
    /// When there is no such run, or the journal cannot be read.
    pub async fn load(&self, run: &RunId) -> Result<RunState, RunError> {
        self.load_over(run, None).await
    }

    /// The same, with a pipeline that may be the run's.
    pub(super) async fn load_over(
        &self,
        run: &RunId,
        pipeline: Option<&Pipeline>,
    ) -> Result<RunState, RunError> {
        let stream = StreamId::run(run);
        if let Some(mut state) = self.snapshot(run, pipeline).await {
            let rest = ReadAhead::new(&*self.journal, &stream, state.position()).await;
            self.follow(&mut state, rest).await?;
            return Ok(state);
        }
        let first = self.journal.read(&stream, 0, 1).await.map_err(RunError::Read)?;
        // What follows is read while the plan is.
        let rest = ReadAhead::new(&*self.journal, &stream, 1).await;
        let known = pipeline.and_then(Pipeline::known);
        let mut state = RunState::from_events_over(run, &first, known).map_err(unsound(run))?;
        self.follow(&mut state, rest).await?;
        Ok(state)
    }

    /// Applies what was appended since the state was read, in the order of the journal. Tells whether there was
    /// anything.
    pub(super) async fn refresh(&self, state: &mut RunState) -> Result<bool, RunError> {
        let stream = StreamId::run(state.id());
        let own = ReadAhead::new(&*self.journal, &stream, state.position()).await;
        self.follow(state, own).await
    }

    /// Applies what is new in the run's own stream, and in the others that it depends on.
    async fn follow(&self, state: &mut RunState, mut own: ReadAhead<'_>) -> Result<bool, RunError> {
        let mut others = self.others(state).await?.into_iter().peekable();
        let mut some = false;
        let mut apply = |state: &mut RunState, event: &Event| {
            some = true;
            state.apply(event)
        };
        let id = state.id().clone();
        loop {
            let page = own.next().await.map_err(RunError::Read)?;
            if page.is_empty() {
                break;
            }
            for event in &page {
                while let Some(other) = others.next_if(|other| other.cursor < event.cursor) {
                    apply(state, &other).map_err(unsound(&id))?;
                }
                apply(state, event).map_err(unsound(&id))?;
            }
        }
        for other in others {
            apply(state, &other).map_err(unsound(&id))?;
        }
        Ok(some)
    }

    /// What is new in the other streams that a run depends on.
    async fn others(&self, state: &RunState) -> Result<Vec<Event>, RunError> {
        let mut news = Vec::new();
        for (stream, position) in other_streams(state) {
            let events = self.journal.read_stream(&stream, position).await;
            news.extend(events.map_err(RunError::Read)?);
        }
        news.sort_by_key(|event| event.cursor);
        Ok(news)
    }
}

/// The streams of a run's environments and pools, and of its pipeline, if its runs queue; and how many events of them
/// it knows.
pub(super) fn other_streams(state: &RunState) -> Vec<(StreamId, Position)> {
    let mut streams = Vec::new();
    streams.extend(
        state
            .environments()
            .map(|(name, known)| (StreamId::environment(name), known.position)),
    );
    streams.extend(
        state
            .pools()
            .map(|(name, known)| (StreamId::pool(name), known.position)),
    );
    if let Some(queue) = state.queue() {
        streams.push((StreamId::pipeline(&state.plan().pipeline), queue.position));
    }
    streams
}

fn unsound(run: &RunId) -> impl FnOnce(FoldError) -> RunError {
    let run = run.clone();
    move |source| RunError::Load {
        run,
        source: Box::new(source),
    }
}
