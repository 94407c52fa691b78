use super::decide::{Decided, DecidedEvent, Decisions};
use super::gates::Gates;
use super::graph::StageIndex;
use super::input::{Input, Moment, Refusal};
use super::state::{RunState, Stamp};
use crate::journal::{Append, Batch, Expected};
use crate::queue::{PipelineEvent, RunDequeued};
use crate::{NewEvent, Position, RunId, StreamId};

impl RunState {
    /// Decides on an input and on everything that follows from it, changes the state accordingly, and returns
    /// the batch that makes it so: a finish and the starts that it allows share one commit.
    ///
    /// The state runs ahead of the journal until the batch is appended. When that fails, the state is void: fold
    /// the journal again.
    ///
    /// # Errors
    ///
    /// When the run refuses the input; the state is as before.
    pub fn advance(
        &mut self,
        gates: &Gates,
        input: &Input,
        moment: impl Into<Moment>,
    ) -> Result<Batch, Refusal> {
        let mut ahead = Ahead::of(self, moment.into());
        ahead.decide(self, gates, input)?;
        ahead.settle(self);
        Ok(ahead.batch)
    }

    /// The same as [`advance`](Self::advance), with no [short cut](super::plain).
    #[cfg(all(feature = "runtime", feature = "testing"))]
    pub(super) fn advance_the_long_way(
        &mut self,
        gates: &Gates,
        input: &Input,
        moment: Moment,
    ) -> Result<Batch, Refusal> {
        let mut ahead = Ahead {
            long_way: true,
            ..Ahead::of(self, moment)
        };
        ahead.decide(self, gates, input)?;
        ahead.settle(self);
        Ok(ahead.batch)
    }

    /// Decides on an input and on nothing that follows from it. For those who speak to a run that somebody else
    /// drives.
    ///
    /// # Errors
    ///
    /// When the run refuses the input; the state is as before.
    pub fn record_only(
        &mut self,
        gates: &Gates,
        input: &Input,
        moment: impl Into<Moment>,
    ) -> Result<Batch, Refusal> {
        let mut ahead = Ahead::of(self, moment.into());
        ahead.decide(self, gates, input)?;
        Ok(ahead.batch)
    }
}

/// A batch in the making, with what the run's stream held before.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(super) moment: Moment,
    /// Its time, as stages keep it.
    pub(super) stamp: Stamp,
    position: Position,
    pub(super) begun: u32,
    // Lists that are used again and again.
    decided: Decisions,
    attention: Vec<StageIndex>,
    /// What goes to the run's own stream and to others.
    batch: Batch,
    /// Where the run's own events are in the batch: the journal keeps the order in which streams were touched.
    own: Option<usize>,
    /// For how many events of the run there is to be room.
    room: usize,
    /// Whether the batch holds nothing but an empty list for the run's own events, left from an earlier batch: it is
    /// filled again where it is, or goes before anything else comes.
    idle: bool,
    /// The newer run that takes the run's place.
    superseded_by: Option<RunId>,
    /// Whether the [plain case](super::plain) takes no short cut.
    long_way: bool,
}

impl Ahead {
    pub(crate) fn of(state: &RunState, moment: Moment) -> Self {
        Self {
            moment,
            stamp: moment.now.into(),
            position: state.position,
            begun: 0,
            decided: Decisions::default(),
            attention: Vec::new(),
            batch: Batch::new(moment.now),
            own: None,
            room: 0,
            idle: false,
            superseded_by: None,
            long_way: false,
        }
    }

    /// Decisions on a run whose place a newer one takes.
    #[cfg(feature = "runtime")]
    pub(crate) fn superseded(state: &RunState, by: RunId, moment: Moment) -> Self {
        Self {
            superseded_by: Some(by),
            ..Self::of(state, moment)
        }
    }

    /// How many attempts begin with it.
    #[cfg(feature = "runtime")]
    pub(crate) fn begun(&self) -> u32 {
        self.begun
    }

    /// How many events of the run it holds.
    #[cfg(feature = "runtime")]
    pub(crate) fn len(&self) -> usize {
        self.own.map_or(0, |at| self.batch.appends[at].events.len())
    }

    /// Decides on one input, and changes the state accordingly.
    pub(crate) fn decide(
        &mut self,
        state: &mut RunState,
        gates: &Gates,
        input: &Input,
    ) -> Result<(), Refusal> {
        if !self.long_way && self.end_plainly(state, input) {
            return Ok(());
        }
        state.decide(gates, input, self.moment, &mut self.decided)?;
        let some = !self.decided.0.is_empty();
        self.take(state);
        if let Input::Prepared(preparation) = input
            && !some
        {
            state.queue_prepared(preparation.stage, self.moment);
        }
        Ok(())
    }

    /// Decides whatever follows, until nothing does.
    pub(crate) fn settle(&mut self, state: &mut RunState) {
        loop {
            if !self.long_way && self.begin_plainly(state) {
                return;
            }
            // Those that begin to ask for attention while it is decided wait in the other list.
            std::mem::swap(&mut self.attention, &mut state.attention);
            let looked = state.tick(&mut self.attention, self.moment, &mut self.decided);
            // Where attempts only begin, nothing follows from it but what they leave for others.
            let some = !self.decided.0.is_empty();
            let begun = looked && self.decided.only_begins();
            self.take(state);
            if looked {
                state.queue_ready(&self.attention, self.moment);
            } else {
                state.attention.extend(&self.attention);
            }
            self.attention.clear();
            if !some || begun && state.attention.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self, state: &mut RunState) {
        let now = self.moment.now;
        let mut decided = std::mem::take(&mut self.decided);
        for Decided { actor, event } in decided.0.drain(..) {
            if event.begins() {
                self.moment.free = self.moment.free.saturating_sub(1);
                self.begun += 1;
            }
            match event {
                DecidedEvent::Run(event, stage) => {
                    state.apply_run(state.position + 1, now, &actor, &event, stage);
                    let event = NewEvent::shared(actor, event);
                    self.own(state).push(event);
                }
                DecidedEvent::Unmoved(name) => {
                    let position = state.environments.get(&name).map_or(0, |known| known.position);
                    self.others()
                        .expect(&StreamId::environment(&name), Expected::At(position));
                }
                DecidedEvent::Environment(name, event) => {
                    let position = state.environments.get(&name).map_or(0, |known| known.position);
                    state.apply_environment(&name, position + 1, now, &event);
                    let (stream, expected) = (StreamId::environment(&name), Expected::At(position));
                    self.others()
                        .push(&stream, expected, NewEvent::new(actor, *event));
                }
                DecidedEvent::Dequeued(pipeline, run) => {
                    let superseded_by = self.superseded_by.clone();
                    let event = PipelineEvent::from(RunDequeued { run, superseded_by });
                    let event = NewEvent::new(actor, event);
                    self.others()
                        .push(&StreamId::pipeline(&pipeline), Expected::Any, event);
                }
                DecidedEvent::Pool(name, event) => {
                    let position = state.pools.get(&name).map_or(0, |known| known.position);
                    state.apply_pool(&name, position + 1, now, &event);
                    let (stream, expected) = (StreamId::pool(&name), Expected::At(position));
                    self.others()
                        .push(&stream, expected, NewEvent::new(actor, *event));
                }
            }
        }
        self.decided = decided;
    }

    /// The events of the run.
    #[inline]
    pub(super) fn own(&mut self, state: &RunState) -> &mut Vec<NewEvent> {
        let own = match self.own {
            Some(own) => own,
            None => self.begin_own(state),
        };
        &mut self.batch.appends[own].events
    }

    /// The run's own stream is touched for the first time.
    fn begin_own(&mut self, state: &RunState) -> usize {
        if !std::mem::take(&mut self.idle) {
            self.batch.appends.push(Append {
                stream: state.stream.clone(),
                expected: Expected::Any,
                events: Vec::new(),
            });
        }
        let own = self.batch.appends.len() - 1;
        let append = &mut self.batch.appends[own];
        append.expected = Expected::At(self.position);
        append.events.reserve_exact(self.room);
        self.own = Some(own);
        own
    }

    /// The batch, for all but events of the run.
    fn others(&mut self) -> &mut Batch {
        if std::mem::take(&mut self.idle) {
            self.batch.appends.clear();
        }
        &mut self.batch
    }

    /// Begins anew, for the next batch: on so many inputs. What the journal left of the last one is used again.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) fn again(&mut self, state: &RunState, moment: Moment, inputs: usize) {
        self.moment = moment;
        self.stamp = moment.now.into();
        self.position = state.position;
        self.begun = 0;
        // An end, and on average a beginning.
        self.room = 2 * inputs;
        self.batch.at = moment.now;
        match self.own.take() {
            Some(0) => {
                self.batch.appends.truncate(1);
                self.batch.appends[0].events.clear();
                self.idle = true;
            }
            _ if self.idle => {}
            _ => self.batch.appends.clear(),
        }
        self.decided.0.clear();
        self.attention.clear();
    }

    /// The batch, to be appended on the spot.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) fn batch(&mut self) -> &mut Batch {
        self.others()
    }

    /// The batch, to be kept; it is empty then.
    #[cfg(feature = "runtime")]
    pub(crate) fn take_batch(&mut self) -> Batch {
        self.own = None;
        let empty = Batch::new(self.moment.now);
        std::mem::replace(self.others(), empty)
    }
}

#[cfg(feature = "runtime")]
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::brief::Brief;
    use super::super::event::RunCreated;
    use super::super::graph::RunGraph;
    use super::*;
    use crate::{Actor, EnvironmentName, RunPlan, StageName, Timestamp};

    fn state() -> RunState {
        let plan = RunPlan::new("p".parse().unwrap(), "p".parse().unwrap());
        let created = RunCreated::new(plan).unwrap();
        let graph = RunGraph::new(Arc::clone(&created.plan)).unwrap();
        let id = RunId::new("r").unwrap();
        RunState::new(&id, &created, &Actor::Engine, Timestamp::UNIX_EPOCH, graph.into())
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Own,
        Unmoved,
    }

    impl Ahead {
        fn step(&mut self, state: &RunState, step: Step) {
            match step {
                Step::Own => {
                    let stage: StageName = "s".parse().unwrap();
                    let (attempt, generation, epoch) = (1, 1, self.position);
                    self.own(state).push(NewEvent::brief(Brief::Began {
                        stage,
                        attempt,
                        generation,
                        epoch,
                    }));
                }
                Step::Unmoved => {
                    let name: EnvironmentName = "e".parse().unwrap();
                    self.others()
                        .expect(&StreamId::environment(&name), Expected::At(3));
                }
            }
        }
    }

    proptest! {
        /// What an earlier batch left behind is in none of the next ones.
        #[test]
        fn a_batch_is_the_same_after_others(
            batches in prop::collection::vec(
                (prop::collection::vec(prop::sample::select(&[Step::Own, Step::Unmoved][..]), 0..4), 0..3),
                1..8,
            ),
        ) {
            let mut state = state();
            let moment = |second| Moment::from(Timestamp::from_second(second).unwrap());
            let mut used = Ahead::of(&state, moment(0));
            for (second, (steps, fate)) in (1..).zip(batches) {
                let mut fresh = Ahead::of(&state, moment(second));
                used.again(&state, moment(second), 1);
                for step in steps {
                    fresh.step(&state, step);
                    used.step(&state, step);
                }
                prop_assert_eq!(format!("{:?}", used.batch()), format!("{:?}", fresh.batch()));
                prop_assert_eq!(used.len(), fresh.len());
                match fate {
                    // A journal took the events, somebody else was first, or the batch is kept.
                    0 => used.batch().appends.iter_mut().for_each(|append| append.events.clear()),
                    1 => {}
                    _ => drop(used.take_batch()),
                }
                state.position += 1;
            }
        }
    }
}
