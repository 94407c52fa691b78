use super::Signal;
use crate::{Channel, Event, RunId, StageName};

/// A [`Signal`] that outlives the moment: what a [`Subscription`](super::Subscription) gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OwnedSignal {
    /// An event was committed.
    Event(Event),
    /// A stage said something, or a program that it runs. Masked.
    Output {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageName,
        /// Where it comes from.
        channel: Channel,
        /// One line, without its end.
        line: String,
    },
    /// A stage tells how far it is.
    Progress {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageName,
        /// How much is done.
        done: u64,
        /// Of how much, if it is known.
        total: Option<u64>,
        /// What is being done.
        doing: String,
    },
    /// The engine could not do something that the run can do without.
    Warning {
        /// The run.
        run: RunId,
        /// What, and why.
        text: String,
    },
}

impl OwnedSignal {
    /// The same signal, borrowed: to hand it to an [`Observer`](super::Observer).
    pub fn as_signal(&self) -> Signal<'_> {
        match self {
            Self::Event(event) => Signal::Event(event),
            Self::Output {
                run,
                stage,
                channel,
                line,
            } => Signal::Output {
                run,
                stage,
                channel: *channel,
                line,
            },
            Self::Progress {
                run,
                stage,
                done,
                total,
                doing,
            } => Signal::Progress {
                run,
                stage,
                done: *done,
                total: *total,
                doing,
            },
            Self::Warning { run, text } => Signal::Warning { run, text },
        }
    }
}

impl From<&Signal<'_>> for OwnedSignal {
    fn from(signal: &Signal<'_>) -> Self {
        match *signal {
            Signal::Event(event) => Self::Event(event.clone()),
            Signal::Output {
                run,
                stage,
                channel,
                line,
            } => Self::Output {
                run: run.clone(),
                stage: stage.clone(),
                channel,
                line: line.to_owned(),
            },
            Signal::Progress {
                run,
                stage,
                done,
                total,
                doing,
            } => Self::Progress {
                run: run.clone(),
                stage: stage.clone(),
                done,
                total,
                doing: doing.to_owned(),
            },
            Signal::Warning { run, text } => Self::Warning {
                run: run.clone(),
                text: text.to_owned(),
            },
        }
    }
}
