use std::collections::VecDeque;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::broadcast;

use super::{Observer, OwnedSignal, Signal, Subscription};
use crate::stage::Signals;
use crate::{Channel, RunId, StageName, StreamKind};

/// How many signals are kept for subscriptions that are behind.
const KEPT: usize = 4096;

/// All that hear a runner: observers and subscriptions. Clones are the same.
#[derive(Clone, Default)]
pub(in crate::runner) struct Observers {
    watchers: Arc<Vec<Arc<Watcher>>>,
    shared: Arc<Shared>,
}

/// An observer, until it panics.
struct Watcher {
    observer: Arc<dyn Observer>,
    gone: AtomicBool,
}

#[derive(Default)]
struct Shared {
    /// Made for the first subscription: it holds room for all that is kept.
    stream: OnceLock<broadcast::Sender<Arc<OwnedSignal>>>,
    /// Warnings about observers that panicked at a signal that tells no run.
    late: Mutex<Vec<String>>,
    is_late: AtomicBool,
}

impl Observers {
    /// Adds an observer: to a runner in the making, before anything holds a clone.
    pub(in crate::runner) fn add(&mut self, observer: Arc<dyn Observer>) {
        Arc::make_mut(&mut self.watchers).push(Arc::new(Watcher {
            observer,
            gone: AtomicBool::new(false),
        }));
    }

    pub(super) fn subscribe(&self) -> Subscription {
        let stream = self.shared.stream.get_or_init(|| broadcast::Sender::new(KEPT));
        Subscription(stream.subscribe())
    }

    /// Whether nobody hears anything: then nothing need be made to be sent.
    pub(in crate::runner) fn is_idle(&self) -> bool {
        self.watchers.iter().all(|watcher| watcher.is_gone()) && self.stream().is_none()
    }

    /// Where subscriptions listen, if there are any.
    fn stream(&self) -> Option<&broadcast::Sender<Arc<OwnedSignal>>> {
        let stream = self.shared.stream.get()?;
        (stream.receiver_count() > 0).then_some(stream)
    }

    /// Shows a signal to all. Never waits for a subscription, and never panics.
    pub(in crate::runner) fn send(&self, signal: &Signal<'_>) {
        if self.is_idle() {
            return;
        }
        let mut warnings = VecDeque::from(self.deliver(signal));
        if warnings.is_empty() && !self.shared.is_late.load(Ordering::Acquire) {
            return;
        }
        let Some(run) = run_of(signal) else {
            self.late().extend(warnings);
            self.shared.is_late.store(true, Ordering::Release);
            return;
        };
        self.shared.is_late.store(false, Ordering::Release);
        warnings.extend(self.late().drain(..));
        // Each observer panics once at most, so this ends.
        while let Some(text) = warnings.pop_front() {
            warnings.extend(self.deliver(&Signal::Warning {
                run: &run,
                text: &text,
            }));
        }
    }

    /// Shows a signal to all, and tells what went wrong.
    fn deliver(&self, signal: &Signal<'_>) -> Vec<String> {
        let mut failures = Vec::new();
        for (number, watcher) in self.watchers.iter().enumerate() {
            if let Err(message) = watcher.observe(signal) {
                failures.push(format!(
                    "observer {} of the runner panicked and is not called again: {message}",
                    number + 1
                ));
            }
        }
        if let Some(stream) = self.stream() {
            // Nobody listens any more: so be it.
            let _ = stream.send(Arc::new(OwnedSignal::from(signal)));
        }
        failures
    }

    fn late(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.shared.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Calls the observer, unless it panicked before. The first panic is an error, with its message.
    fn observe(&self, signal: &Signal<'_>) -> Result<(), String> {
        if self.is_gone() {
            return Ok(());
        }
        // What a panic leaves half done in the observer is never looked at again.
        let caught = catch_unwind(AssertUnwindSafe(|| self.observer.observe(signal)));
        let Err(panic) = caught else { return Ok(()) };
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => {
                // Dropping a value of somebody else's type may panic again.
                std::mem::forget(panic);
                "it did not say why".to_owned()
            }
        };
        // Two tasks may be in the observer at once; one of them tells.
        if self.gone.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        Err(message)
    }
}

/// The run that a signal is about, if it tells one.
fn run_of(signal: &Signal<'_>) -> Option<RunId> {
    match signal {
        Signal::Event(event) if event.stream.is(&StreamKind::RUN) => RunId::new(event.stream.name()).ok(),
        Signal::Event(_) => None,
        Signal::Output { run, .. } | Signal::Progress { run, .. } | Signal::Warning { run, .. } => {
            Some((*run).clone())
        }
    }
}

impl Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} observers", self.watchers.len())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, NewEvent, StreamId, Timestamp};

    fn run() -> RunId {
        RunId::new("r1").unwrap()
    }

    fn warn(observers: &Observers, text: &str) {
        observers.send(&Signal::Warning { run: &run(), text });
    }

    /// The warnings that an observer sees.
    fn listener(observers: &mut Observers) -> Arc<Mutex<Vec<String>>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        observers.add(Arc::new(move |signal: &Signal<'_>| {
            if let Signal::Warning { text, .. } = signal {
                sink.lock().unwrap().push((*text).to_owned());
            }
        }));
        seen
    }

    #[test]
    fn it_is_idle_unless_somebody_hears() {
        let mut observers = Observers::default();
        assert!(observers.is_idle());
        let subscription = observers.subscribe();
        assert!(!observers.is_idle());
        drop(subscription);
        assert!(observers.is_idle());
        observers.add(Arc::new(|_: &Signal<'_>| panic!("never again")));
        assert!(!observers.is_idle());
        warn(&observers, "anything");
        assert!(observers.is_idle(), "one that panicked hears nothing");
    }

    #[test]
    fn a_panic_at_an_event_of_no_run_is_told_with_the_next_that_has_one() {
        let mut observers = Observers::default();
        let seen = listener(&mut observers);
        observers.add(Arc::new(|_: &Signal<'_>| panic!("{}", "it broke")));
        let new = NewEvent::new(
            Actor::Engine,
            crate::RunEvent::Finished(crate::RunFinished {
                outcome: crate::RunOutcome::Failed,
            }),
        );
        let stream = "pool/licences".parse::<StreamId>().unwrap();
        let event = new.placed(&stream, 1, 1, Timestamp::UNIX_EPOCH);
        observers.send(&Signal::Event(&event));
        assert!(seen.lock().unwrap().is_empty());
        warn(&observers, "first");
        warn(&observers, "second");
        assert_eq!(
            *seen.lock().unwrap(),
            [
                "first",
                "observer 2 of the runner panicked and is not called again: it broke",
                "second"
            ]
        );
    }

    #[test]
    fn a_panic_with_a_value_that_panics_when_dropped_is_survived() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let mut observers = Observers::default();
        observers.add(Arc::new(|_: &Signal<'_>| std::panic::panic_any(Spiteful)));
        let seen = listener(&mut observers);
        warn(&observers, "anything");
        assert_eq!(
            *seen.lock().unwrap(),
            [
                "anything",
                "observer 1 of the runner panicked and is not called again: it did not say why"
            ]
        );
    }
}
