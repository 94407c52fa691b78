use std::io::Write;
use std::sync::Mutex;

use pipeline_core::{Channel, Event, Observer, RunEvent, RunId, Signal, StageName, StageResult, Timestamp};

use crate::progress::{Progress, Screen};

/// Tells a run in the terminal while it goes on: one line for what begins, what is said and what ends, and bars for
/// what tells how far it is.
pub struct Live {
    out: Mutex<Out>,
}

struct Out {
    sink: Box<dyn Write + Send>,
    colour: bool,
    progress: Progress,
}

/// The colours of the few words that have one.
#[derive(Clone, Copy)]
enum Colour {
    Green = 32,
    Red = 31,
    Yellow = 33,
    Grey = 90,
}

impl Live {
    /// On standard output, or on standard error when that belongs to a document.
    pub fn new(json: bool) -> Self {
        let sink: Box<dyn Write + Send> = if json {
            Box::new(std::io::stderr())
        } else {
            Box::new(std::io::stdout())
        };
        let screen = Screen::of(json);
        Self {
            out: Mutex::new(Out {
                sink,
                colour: screen.colour,
                progress: Progress::new(screen, json),
            }),
        }
    }

    /// Shows no bars from now on: somebody asked the program to end.
    pub fn stop(&self) {
        if let Ok(out) = self.out.lock() {
            out.progress.stop();
        }
    }

    /// Says something about the program itself, on standard error.
    pub fn note(&self, text: &str) {
        let Ok(out) = self.out.lock() else { return };
        out.progress.above(|| eprintln!("{text}"));
    }

    /// Says that something waits.
    pub fn waits(&self, what: &str, text: &str) {
        self.line("◆", Colour::Yellow, what, text);
    }

    fn line(&self, sign: &str, colour: Colour, stage: &str, text: &str) {
        let Ok(mut out) = self.out.lock() else { return };
        out.line(sign, colour, stage, text);
    }

    fn progress(&self, run: &RunId, stage: &StageName, how_far: (u64, Option<u64>), doing: &str) {
        let Ok(mut out) = self.out.lock() else { return };
        if let Some(text) = out.progress.tell(run, stage, how_far, doing) {
            out.line("…", Colour::Grey, stage.as_str(), &text);
        }
    }

    /// What a stage told of its progress is over.
    fn forget(&self, event: &Event, stage: &StageName) {
        if let (Ok(mut out), Ok(run)) = (self.out.lock(), RunId::new(event.stream.name())) {
            out.progress.forget(&run, stage);
        }
    }

    fn event(&self, event: &Event) {
        let Ok(Some(payload)) = event.read::<RunEvent>() else {
            return;
        };
        match &*payload {
            RunEvent::StageStarted(started) => {
                self.forget(event, &started.stage);
                let again = if started.attempt > 1 {
                    format!(", attempt {}", started.attempt)
                } else {
                    String::new()
                };
                self.line(
                    "▶",
                    Colour::Grey,
                    started.stage.as_str(),
                    &format!("begins{again}"),
                );
            }
            RunEvent::StageFinished(finished) => {
                self.forget(event, &finished.stage);
                let (sign, colour, mut text) = match &finished.result {
                    StageResult::Completed { outcome } if outcome.is_success() => {
                        let word = if outcome.status == pipeline_core::OutcomeStatus::Unchanged {
                            "unchanged"
                        } else {
                            "succeeded"
                        };
                        ("✔", Colour::Green, said(word, &outcome.reason))
                    }
                    StageResult::Completed { outcome } => ("✘", Colour::Red, said("failed", &outcome.reason)),
                    StageResult::Failed { error, .. } => {
                        ("✘", Colour::Red, said("errored", &error.join(": ")))
                    }
                    StageResult::Cancelled { reason } => ("■", Colour::Yellow, said("cancelled", reason)),
                };
                if let Some(at) = &finished.retry_at {
                    text.push_str(&format!("; tried again at {}", clock(**at)));
                }
                self.line(sign, colour, finished.stage.as_str(), &text);
            }
            RunEvent::StageExpanded(expanded) => {
                let names: Vec<_> = expanded.instances.iter().map(|one| one.name.as_str()).collect();
                let text = match names.as_slice() {
                    [] => "its list is empty".to_owned(),
                    names => format!("runs {} times: {}", names.len(), names.join(", ")),
                };
                self.line("≡", Colour::Grey, expanded.stage.as_str(), &text);
            }
            RunEvent::CancelRequested(cancel) => {
                let who = event.actor.name();
                let what = match (cancel.timed_out, cancel.force) {
                    (true, false) => "its time is up; the clean-up runs".to_owned(),
                    (true, true) => "the time of its clean-up is up".to_owned(),
                    (false, false) => format!("{who} asks it to stop; the clean-up runs"),
                    (false, true) => format!("{who} asks it to stop at once"),
                };
                self.line("■", Colour::Yellow, "run", &said(&what, &cancel.reason));
            }
            RunEvent::Parked(parked) => {
                self.line(
                    "?",
                    Colour::Red,
                    "run",
                    &said("parked", &parked.missing.join("; ")),
                );
            }
            RunEvent::StageReused(reused) => {
                let text = format!("reused: nothing changed since run {}", reused.from);
                self.line("↺", Colour::Green, reused.stage.as_str(), &text);
            }
            RunEvent::StageSkipped(skipped) => {
                self.line(
                    "–",
                    Colour::Yellow,
                    skipped.stage.as_str(),
                    &said("skipped", &skipped.reason),
                );
            }
            RunEvent::StageUnknown(unknown) => {
                self.forget(event, &unknown.stage);
                self.line(
                    "?",
                    Colour::Red,
                    unknown.stage.as_str(),
                    &said("unknown", &unknown.reason),
                );
            }
            RunEvent::GatesEvaluated(gates) => {
                for one in &gates.verdicts {
                    let (sign, colour, word) = match one.verdict.decision {
                        pipeline_core::Decision::Allow => ("◇", Colour::Green, "allows"),
                        pipeline_core::Decision::Wait => ("◆", Colour::Yellow, "waits"),
                        pipeline_core::Decision::Deny => ("◆", Colour::Red, "denies"),
                    };
                    let when = if gates.locked {
                        " with the environment locked"
                    } else {
                        ""
                    };
                    let text = format!("gate `{}` {word}{when}: {}", one.gate, one.verdict.reason);
                    self.line(sign, colour, gates.stage.as_str(), &text);
                }
            }
            RunEvent::Approved(approval) => {
                let text = format!(
                    "{} approves {} until {}",
                    approval.by.name(),
                    approval.action_plan.short(),
                    clock(approval.expires)
                );
                self.line("◇", Colour::Green, approval.stage.as_str(), &text);
            }
            _ => {}
        }
    }
}

impl Out {
    fn line(&mut self, sign: &str, colour: Colour, stage: &str, text: &str) {
        let Self {
            sink,
            colour: coloured,
            progress,
        } = self;
        // A closed pipe is no reason to stop a release.
        progress.above(|| {
            let _ = if *coloured {
                writeln!(sink, "  \x1b[{}m{sign} {stage:<20}\x1b[0m {text}", colour as u8)
            } else {
                writeln!(sink, "  {sign} {stage:<20} {text}")
            };
        });
    }
}

impl Observer for Live {
    fn observe(&self, signal: &Signal<'_>) {
        match signal {
            Signal::Event(event) => self.event(event),
            Signal::Output {
                stage, channel, line, ..
            } => {
                let sign = if *channel == Channel::Stderr { "!" } else { "│" };
                self.line(sign, Colour::Grey, stage.as_str(), line);
            }
            Signal::Progress {
                run,
                stage,
                done,
                total,
                doing,
            } => self.progress(run, stage, (*done, *total), doing),
            Signal::Warning { text, .. } => self.line("!", Colour::Yellow, "warning", text),
            _ => {}
        }
    }
}

fn said(word: &str, reason: &str) -> String {
    if reason.is_empty() {
        word.to_owned()
    } else {
        format!("{word}: {reason}")
    }
}

/// A time as people read it: to the second, UTC.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
