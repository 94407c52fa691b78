use crate::{Channel, Event, RunId, StageName};

/// Something that is worth showing while a run goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signal<'a> {
    /// An event was committed.
    Event(&'a Event),
    /// A stage said something, or a program that it runs. Masked.
    Output {
        /// The run.
        run: &'a RunId,
        /// The stage.
        stage: &'a StageName,
        /// Where it comes from.
        channel: Channel,
        /// One line, without its end.
        line: &'a str,
    },
    /// A stage tells how far it is.
    Progress {
        /// The run.
        run: &'a RunId,
        /// The stage.
        stage: &'a StageName,
        /// How much is done.
        done: u64,
        /// Of how much, if it is known.
        total: Option<u64>,
        /// What is being done.
        doing: &'a str,
    },
    /// The engine could not do something that the run can do without.
    Warning {
        /// The run.
        run: &'a RunId,
        /// What, and why.
        text: &'a str,
    },
}

/// Watches runs. Any closure over a [`Signal`] is one.
///
/// # Contract
///
/// Events come after they are committed, in their order. An observer changes nothing: it has no answer, and a
/// run does not depend on it.
///
/// It is called from the task that drives the run, or in which the stage runs that says something, so it should be
/// quick: while it blocks, that task stands still. What may take its time reads a
/// [`Subscription`](super::Subscription) instead, which no run waits for.
///
/// An observer that panics is not called again. The others get a [`Signal::Warning`] that says so. (The process's
/// panic hook has its say before; where panics abort, nothing can be caught.)
pub trait Observer: Send + Sync {
    /// Sees one signal.
    fn observe(&self, signal: &Signal<'_>);
}

impl<F: Fn(&Signal<'_>) + Send + Sync> Observer for F {
    fn observe(&self, signal: &Signal<'_>) {
        self(signal);
    }
}
