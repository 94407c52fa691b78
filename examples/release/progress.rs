use std::collections::HashMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use pipeline_core::{Clock, RunId, StageName, SystemClock};

use crate::pace::Pace;

/// How far stages are: bars at the bottom of a terminal, lines now and then elsewhere.
pub enum Progress {
    /// A bar for each stage that tells how far it is, until it ends.
    Bars {
        all: MultiProgress,
        stages: HashMap<(RunId, StageName), ProgressBar>,
    },
    Lines(Pace),
}

/// What the place where lines go can show.
#[derive(Clone, Copy)]
pub struct Screen {
    /// It has colours.
    pub colour: bool,
    /// It can redraw what it shows.
    pub bars: bool,
}

impl Screen {
    /// What standard output can show, or standard error.
    pub fn of(stderr: bool) -> Self {
        let terminal = if stderr {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        };
        let colour = terminal && !says("NO_COLOR") && variable("TERM").is_none_or(|term| term != "dumb");
        Self {
            colour,
            bars: colour && !says("CI"),
        }
    }
}

impl Progress {
    pub fn new(screen: Screen, stderr: bool) -> Self {
        if !screen.bars {
            return Self::Lines(Pace::default());
        }
        let target = if stderr {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::stdout()
        };
        Self::Bars {
            all: MultiProgress::with_draw_target(target),
            stages: HashMap::new(),
        }
    }

    /// A stage tells how far it is. What is returned is to be said in a line.
    pub fn tell(
        &mut self,
        run: &RunId,
        stage: &StageName,
        (done, total): (u64, Option<u64>),
        doing: &str,
    ) -> Option<String> {
        match self {
            Self::Bars { all, stages } => {
                let key = (run.clone(), stage.clone());
                let bar = stages.entry(key).or_insert_with(|| all.add(bar(stage)));
                if bar.length() != total {
                    bar.set_style(style(total));
                    match total {
                        Some(total) => bar.set_length(total),
                        None => bar.unset_length(),
                    }
                }
                bar.set_message(doing.replace(char::is_control, " "));
                bar.set_position(done);
                None
            }
            Self::Lines(pace) => pace.line((run, stage), (done, total), doing, SystemClock.now()),
        }
    }

    /// A stage begins, or has ended: what it told before is over.
    pub fn forget(&mut self, run: &RunId, stage: &StageName) {
        match self {
            Self::Bars { all, stages } => {
                if let Some(bar) = stages.remove(&(run.clone(), stage.clone())) {
                    bar.finish_and_clear();
                    all.remove(&bar);
                }
            }
            Self::Lines(pace) => pace.forget(run, stage),
        }
    }

    /// Takes the bars away for good: the program ends.
    pub fn stop(&self) {
        if let Self::Bars { all, .. } = self {
            // A terminal that is gone shows nothing anyway.
            let _ = all.clear();
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Writes a line, above the bars if there are any.
    pub fn above(&self, write: impl FnOnce()) {
        match self {
            Self::Bars { all, .. } => all.suspend(write),
            Self::Lines(_) => write(),
        }
    }
}

fn bar(stage: &StageName) -> ProgressBar {
    ProgressBar::no_length()
        .with_style(style(None))
        .with_prefix(stage.to_string())
        // A program that is interrupted leaves no bar behind.
        .with_finish(ProgressFinish::AndClear)
}

fn style(total: Option<u64>) -> ProgressStyle {
    let template = match total {
        Some(_) => "  … {prefix:<20} {bar:24.cyan} {percent:>3} % {wide_msg}",
        None => "  … {prefix:<20} {pos} {wide_msg}",
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

/// Whether a variable of the environment is set, and not to nothing.
fn says(name: &str) -> bool {
    variable(name).is_some_and(|value| !value.is_empty())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program asks its terminal's user what to show"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
