use std::fmt::Debug;
use std::sync::Arc;

use crate::stage::Signals;
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
/// run does not depend on it. It is called from the task that drives the run, so it must not block.
pub trait Observer: Send + Sync {
    /// Sees one signal.
    fn observe(&self, signal: &Signal<'_>);
}

impl<F: Fn(&Signal<'_>) + Send + Sync> Observer for F {
    fn observe(&self, signal: &Signal<'_>) {
        self(signal);
    }
}

/// All observers of a runner.
#[derive(Clone, Default)]
pub(super) struct Observers(pub(super) Vec<Arc<dyn Observer>>);

impl Observers {
    /// Whether nobody looks.
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn send(&self, signal: &Signal<'_>) {
        for observer in &self.0 {
            observer.observe(signal);
        }
    }
}

impl Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

impl Signals for Observers {
    fn output(&self, run: &RunId, stage: &StageName, channel: Channel, line: &str) {
        self.send(&Signal::Output {
            run,
            stage,
            channel,
            line,
        });
    }

    fn progress(&self, run: &RunId, stage: &StageName, done: u64, total: Option<u64>, doing: &str) {
        self.send(&Signal::Progress {
            run,
            stage,
            done,
            total,
            doing,
        });
    }
}
