use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::artifact_args::ArtifactCommand;
use crate::metrics::MetricsArgs;
use crate::page::{ReportArgs, ReviewArgs};

/// A release pipeline in one program: from a commit to production, with a journal that is the truth.
#[derive(Debug, Parser)]
#[command(
    name = "release",
    version,
    after_help = "Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 waiting, 4 needs a decision; 130 or 143 when it was interrupted.\nWithout a command, a story: the bundled sample goes from a commit to production in a store of its own."
)]
pub struct Args {
    /// Where journal, artifacts and directory environments are.
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Print one JSON document on standard output, and everything else on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// How long what is at work may take to end after an interrupt, such as 90s. A second interrupt does not wait.
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub grace: Duration,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what would run and why, and the action plans whose inputs exist.
    Plan {
        /// The definition.
        file: PathBuf,
    },
    /// Run a pipeline.
    Run {
        /// The definition.
        file: PathBuf,
        /// Who asks for it.
        #[arg(long, default_value = "operator")]
        by: String,
        /// It is unplanned work because of an incident.
        #[arg(long)]
        rework: bool,
        /// It may bring an older revision over a newer one. The journal keeps who asked.
        #[arg(long)]
        rollback: bool,
    },
    /// Begin an ended run again: what succeeded is kept, the rest runs.
    Rerun {
        /// The run that ended.
        run: String,
        /// Who asks for it.
        #[arg(long, default_value = "operator")]
        by: String,
        /// Where its source is, the same to the last byte; without this, what the store kept of it.
        #[arg(long, value_name = "DIR")]
        source: Option<PathBuf>,
        /// It may bring an older revision over a newer one. The journal keeps who asked.
        #[arg(long)]
        rollback: bool,
    },
    /// Go on with a run after a crash, an interrupt or a wait.
    Resume {
        /// The run.
        run: String,
    },
    /// Wake every run whose time has come.
    Tick,
    /// Approve what a waiting stage would do.
    Approve {
        /// The run.
        run: String,
        /// Who approves.
        #[arg(long)]
        by: String,
        /// The stage; needed when several wait.
        #[arg(long)]
        stage: Option<String>,
        /// The digest of the action plan that was looked at; else the one that is shown.
        #[arg(long, value_name = "DIGEST")]
        plan: Option<String>,
        /// How long the approval counts, such as 8h.
        #[arg(long, default_value = "24h", value_name = "TIME")]
        valid_for: String,
        /// What to say.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Stop a run: what is running is asked to stop, what has not begun is skipped, clean-up stages run. Said twice, it
    /// stops at once: what is running is dropped, and nothing is cleaned up.
    Cancel {
        /// The run.
        run: String,
        /// Who asks.
        #[arg(long, default_value = "operator")]
        by: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Say whether an effect happened that nobody knows the end of.
    #[command(group(clap::ArgGroup::new("answer").required(true).args(["happened", "did_not_happen"])))]
    Decide {
        /// The run.
        run: String,
        /// The stage.
        stage: String,
        /// It happened: the stage counts as done.
        #[arg(long)]
        happened: bool,
        /// It did not: the stage is tried again.
        #[arg(long)]
        did_not_happen: bool,
        /// Who says so.
        #[arg(long)]
        by: String,
        /// How that is known.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Show runs, and what is live in each environment.
    Status {
        /// One run only.
        run: Option<String>,
    },
    /// Show every gate that holds a run: why, until when, who can change it.
    Why {
        /// The run.
        run: String,
    },
    /// Show what a stage said.
    Output {
        /// The run.
        run: String,
        /// The stage.
        stage: String,
    },
    /// Draw a run and where it stands, or a pipeline.
    Graph {
        /// The run; the newest without it.
        run: Option<String>,
        /// Draw the pipeline of this definition instead, before any run.
        #[arg(long, conflicts_with = "run")]
        file: Option<PathBuf>,
        /// The language of the drawing.
        #[arg(long, value_enum, default_value_t = Notation::Dot)]
        format: Notation,
    },
    /// Check the chain of every stream and the digest of every artifact.
    Verify {
        /// A checkpoint that was kept elsewhere.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Write down the heads of all streams, to keep elsewhere.
    Checkpoint {
        /// The file; standard output without it.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show the change records of a run.
    Change {
        /// The run.
        run: String,
    },
    /// Show the delivery metrics, from the store or from a delivery log.
    Metrics(MetricsArgs),
    /// Write the delivery metrics as a page to look at.
    Report(ReportArgs),
    /// Write the operations review of a month, as Markdown.
    Review(ReviewArgs),
    /// Look at artifacts, check where they come from, and move them. ARTIFACT is a query: `shop` (the newest),
    /// `shop@1.4.0`, `shop@^1.2`, `shop@sha256:9e37`, `revision:1f3a`.
    #[command(subcommand)]
    Artifact(ArtifactCommand),
}

/// The languages of drawings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notation {
    /// Graphviz: `dot -Tsvg` makes a picture of it.
    Dot,
    /// Mermaid: Markdown shows it on many sites.
    Mermaid,
}

fn time(text: &str) -> Result<Duration, String> {
    let time: pipeline_core::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(time).map_err(|_| "it must not be negative".to_owned())
}

impl Command {
    /// The word that the user said.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan { .. } => "plan",
            Self::Run { .. } => "run",
            Self::Rerun { .. } => "rerun",
            Self::Resume { .. } => "resume",
            Self::Tick => "tick",
            Self::Approve { .. } => "approve",
            Self::Cancel { .. } => "cancel",
            Self::Decide { .. } => "decide",
            Self::Status { .. } => "status",
            Self::Why { .. } => "why",
            Self::Output { .. } => "output",
            Self::Graph { .. } => "graph",
            Self::Verify { .. } => "verify",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Change { .. } => "change",
            Self::Metrics(_) => "metrics",
            Self::Report(_) => "report",
            Self::Review(_) => "review",
            Self::Artifact(_) => "artifact",
        }
    }
}
