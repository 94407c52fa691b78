use super::decide::{Decided, DecidedEvent, Decisions};
use super::gates::Gates;
use super::graph::StageIndex;
use super::input::{Input, Moment, Refusal};
use super::state::RunState;
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
        Ok(ahead.batch(self))
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
        Ok(ahead.batch(self))
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
        Ok(ahead.batch(self))
    }
}

/// A batch in the making, with what the run's stream held before.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(super) moment: Moment,
    position: Position,
    pub(super) begun: u32,
    // Lists that are used again and again.
    decided: Decisions,
    attention: Vec<StageIndex>,
    pub(super) events: Vec<NewEvent>,
    /// How many other streams were touched before the run's own: the journal keeps the order.
    pub(super) place: usize,
    /// What goes to other streams.
    pub(super) others: Batch,
    /// The newer run that takes the run's place.
    superseded_by: Option<RunId>,
    /// Whether the [plain case](super::plain) takes no short cut.
    long_way: bool,
}

impl Ahead {
    pub(crate) fn of(state: &RunState, moment: Moment) -> Self {
        Self {
            moment,
            position: state.position,
            begun: 0,
            decided: Decisions::default(),
            attention: Vec::new(),
            events: Vec::new(),
            place: 0,
            others: Batch::new(moment.now),
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

    /// How many events it holds.
    #[cfg(feature = "runtime")]
    pub(crate) fn len(&self) -> usize {
        self.events.len()
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
        for Decided { actor, event } in self.decided.0.drain(..) {
            if event.begins() {
                self.moment.free = self.moment.free.saturating_sub(1);
                self.begun += 1;
            }
            match event {
                DecidedEvent::Run(event, stage) => {
                    if self.events.is_empty() {
                        self.place = self.others.appends.len();
                    }
                    state.apply_run(state.position + 1, now, &actor, &event, stage);
                    self.events.push(NewEvent::shared(actor, event));
                }
                DecidedEvent::Unmoved(name) => {
                    let position = state.environments.get(&name).map_or(0, |known| known.position);
                    self.others
                        .expect(&StreamId::environment(&name), Expected::At(position));
                }
                DecidedEvent::Environment(name, event) => {
                    let position = state.environments.get(&name).map_or(0, |known| known.position);
                    state.apply_environment(&name, position + 1, now, &event);
                    let (stream, expected) = (StreamId::environment(&name), Expected::At(position));
                    self.others.push(&stream, expected, NewEvent::new(actor, *event));
                }
                DecidedEvent::Dequeued(pipeline, run) => {
                    let superseded_by = self.superseded_by.clone();
                    let event = PipelineEvent::from(RunDequeued { run, superseded_by });
                    let event = NewEvent::new(actor, event);
                    self.others
                        .push(&StreamId::pipeline(&pipeline), Expected::Any, event);
                }
                DecidedEvent::Pool(name, event) => {
                    let position = state.pools.get(&name).map_or(0, |known| known.position);
                    state.apply_pool(&name, position + 1, now, &event);
                    let (stream, expected) = (StreamId::pool(&name), Expected::At(position));
                    self.others.push(&stream, expected, NewEvent::new(actor, *event));
                }
            }
        }
    }

    /// Begins anew, for the next batch: on so many inputs.
    #[cfg(feature = "runtime")]
    #[inline]
    pub(crate) fn again(&mut self, state: &RunState, moment: Moment, inputs: usize) {
        self.moment = moment;
        self.position = state.position;
        self.begun = 0;
        self.place = 0;
        self.events.clear();
        // An end, and on average a beginning.
        self.events.reserve_exact(2 * inputs);
        self.others.at = moment.now;
        self.others.appends.clear();
        self.decided.0.clear();
        self.attention.clear();
    }

    /// The batch; it is empty then.
    #[inline]
    pub(crate) fn batch(&mut self, state: &RunState) -> Batch {
        let mut batch = std::mem::replace(&mut self.others, Batch::new(self.moment.now));
        if !self.events.is_empty() {
            let append = Append {
                stream: state.stream.clone(),
                expected: Expected::At(self.position),
                events: std::mem::take(&mut self.events),
            };
            if batch.appends.is_empty() {
                batch.appends = vec![append];
            } else {
                batch.appends.insert(self.place, append);
            }
        }
        batch
    }
}
