//! A complete host on the five crates: a release pipeline in one program, and the model for embedders.
//!
//! `cargo run --example release` tells the story of the bundled sample; `cargo run --example release -- --help`
//! lists the commands. `host.rs` is where the crates are put together.

mod answer;
mod args;
mod checks;
mod commands;
mod graph;
mod host;
mod live;
mod pace;
mod progress;
mod reports;
mod revisions;
mod show;
mod snapshot;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use serde_json::{Value, json};

use crate::answer::{Answer, Problem};
use crate::args::{Args, Command};
use crate::commands::Consent;
use crate::host::Host;
use crate::live::Live;
use crate::reports::MetricsRequest;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    let live = Arc::new(Live::new(args.json));
    let answer = tokio::select! {
        answer = perform(&args, Arc::clone(&live)) => answer.unwrap_or_else(Problem::answer),
        // What runs is dropped, and its processes end with it; the run can be resumed.
        signal = interrupted() => {
            live.stop();
            eprintln!("interrupted: `release status` tells where it stands, `release resume` goes on");
            return ExitCode::from(128 + signal);
        }
    };
    let exit = answer.exit;
    if args.json {
        println!("{:#}", document(&args, answer));
    } else if exit == answer::Exit::BadInput {
        eprintln!("{}", answer.text.trim_end());
    } else {
        println!("{}", answer.text.trim_end());
    }
    exit.into()
}

/// Ends when somebody asks the program to end, with the number of the signal.
async fn interrupted() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    }
}

/// A command line that says nothing to do: a mistake, or a question for help.
fn refuse(error: &clap::Error) -> ExitCode {
    // What cannot be written cannot be told either.
    let _ = error.print();
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let text = error.to_string();
        let exit = answer::Exit::BadInput as u8;
        println!(
            "{:#}",
            json!({ "format": 1, "command": null, "exit": exit, "error": text.trim_end() })
        );
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(answer::Exit::BadInput as u8))
}

/// The one document of `--json`: which form, which command, how it ended, and the answer.
fn document(args: &Args, answer: Answer) -> Value {
    let name = args.command.as_ref().map_or("story", Command::name);
    let mut document = json!({ "format": 1, "command": name, "exit": answer.exit as u8 });
    if let (Value::Object(document), Value::Object(data)) = (&mut document, answer.data) {
        document.extend(data);
    }
    document
}

async fn perform(args: &Args, live: Arc<Live>) -> Result<Answer, Problem> {
    let Some(command) = &args.command else {
        let store = match &args.store {
            Some(store) => store.clone(),
            None => std::env::temp_dir().join(format!("release-story-{}", std::process::id())),
        };
        return story::tell(&store, live, args.json).await;
    };
    let store: PathBuf = args.store.clone().unwrap_or_else(|| ".release".into());
    // What only looks makes no store and mends nothing.
    let look = || Host::look_at(&store);
    let existing = || Host::open_existing(&store);
    match command {
        Command::Plan { file } => commands::plan(&store, file).await,
        Command::Run { file, by, rework } => {
            commands::run(&Host::open(&store)?, live, file, by, *rework).await
        }
        Command::Resume { run } => commands::resume(&existing()?, live, run).await,
        Command::Tick => commands::tick(&existing()?, live).await,
        Command::Approve {
            run,
            by,
            stage,
            plan,
            valid_for,
            comment,
        } => {
            let consent = Consent {
                by,
                stage: stage.as_deref(),
                plan: plan.as_deref(),
                valid_for,
                comment,
            };
            commands::approve(&existing()?, run, &consent).await
        }
        Command::Cancel { run, by, reason } => commands::cancel(&existing()?, live, run, by, reason).await,
        Command::Decide {
            run,
            stage,
            happened,
            by,
            comment,
            ..
        } => commands::decide(&existing()?, run, stage, *happened, by, comment).await,
        Command::Status { run } => commands::status(&look()?, run.as_deref()).await,
        Command::Why { run } => commands::why(&look()?, run).await,
        Command::Output { run, stage } => commands::output(&look()?, run, stage).await,
        Command::Graph { run, file, format } => match file {
            Some(file) => graph::of_definition(&store, file, *format),
            None => graph::of_run(&look()?, run.as_deref(), *format).await,
        },
        Command::Verify { checkpoint } => checks::verify(&store, checkpoint.as_deref()).await,
        Command::Checkpoint { output } => checks::checkpoint(&look()?, output.as_deref()).await,
        Command::Change { run } => reports::change(&existing()?, run).await,
        Command::Metrics {
            log,
            strict,
            weekly_csv,
        } => {
            let request = MetricsRequest {
                log: log.as_deref(),
                strict: *strict,
                weekly_csv: *weekly_csv,
            };
            let host = if log.is_some() { None } else { Some(look()?) };
            reports::metrics(host.as_ref(), &request).await
        }
    }
}
