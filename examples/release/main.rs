//! A complete host on the five crates: a release pipeline in one program, and the model for embedders.
//!
//! `cargo run --example release` tells the story of the bundled sample; `cargo run --example release -- --help`
//! lists the commands. `host.rs` is where the crates are put together.

mod answer;
mod args;
mod artifact_args;
mod artifact_checks;
mod artifact_gc;
mod artifacts;
mod checks;
mod commands;
mod graph;
mod host;
mod live;
mod measuring;
mod metrics;
mod origin;
mod pace;
mod page;
mod progress;
mod rebuild;
mod registry;
mod reports;
mod revisions;
mod runs;
mod session;
mod show;
mod signals;
mod snapshot;
mod source_args;
mod source_file;
mod sources;
mod story;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use pipeline_artifacts::Limits;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answer::{Answer, Problem};
use crate::args::{Args, Command};
use crate::artifact_args::ArtifactCommand;
use crate::commands::Consent;
use crate::host::Host;
use crate::live::Live;
use crate::measuring::FactsArgs;
use crate::session::Session;
use crate::signals::Signals;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    let session = Arc::new(Session::new(Live::new(args.json)));
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("error: nobody could end this program in order: {error}");
            return answer::Exit::Failed.into();
        }
    };
    let mut work = pin!(perform(&args, &session));
    let mut asked: Option<(u8, Instant)> = None;
    let answer = loop {
        let until = asked.map_or_else(Instant::now, |(_, until)| until);
        tokio::select! {
            answer = &mut work => break Some(answer.unwrap_or_else(Problem::answer)),
            signal = signals.next() => {
                if asked.is_some() || session.open().is_empty() {
                    asked.get_or_insert((signal, until));
                    break None;
                }
                session.ask_to_end();
                session.live.note(&format!(
                    "interrupted: nothing new begins; what is at work has {} s to end; once more, and it is left at once",
                    args.grace.as_secs()
                ));
                asked = Some((signal, Instant::now() + args.grace));
            }
            () = tokio::time::sleep_until(until), if asked.is_some() => break None,
        }
    };
    let open = session.open();
    let left = asked.filter(|_| answer.is_none() || !open.is_empty());
    let Some((signal, _)) = left else {
        return say(&args, answer);
    };
    // What still runs is dropped, and its processes end with it; the next drive finds out about it.
    let at_work = answer.is_none();
    session.live.stop();
    let code = 128 + signal;
    if args.json {
        let mut answer = answer.unwrap_or_else(|| Answer::new(answer::Exit::Failed, json!({}), ""));
        if let Value::Object(data) = &mut answer.data {
            data.insert("resume".to_owned(), json!(open));
            data.insert("left_at_work".to_owned(), json!(at_work));
        }
        println!("{:#}", document(&args, code, answer.data));
    } else if let Some(answer) = answer {
        println!("{}", answer.text.trim_end());
    }
    if at_work && !open.is_empty() {
        eprintln!("left: what was at work is found out about when the run goes on");
    }
    for run in open {
        eprintln!("resume with: release resume {run}");
    }
    ExitCode::from(code)
}

/// Says how a command ended.
fn say(args: &Args, answer: Option<Answer>) -> ExitCode {
    let Some(answer) = answer else {
        return answer::Exit::Failed.into();
    };
    let exit = answer.exit;
    if answer.is_said {
        // As it came.
    } else if args.json {
        print(&format!("{:#}", document(args, exit as u8, answer.data)));
    } else if answer.text.is_empty() {
        // It has printed bytes, and no line break belongs behind them.
    } else if exit == answer::Exit::BadInput {
        eprintln!("{}", answer.text.trim_end());
    } else {
        print(answer.text.trim_end());
    }
    exit.into()
}

/// Whoever reads may have read enough, as `head` does: that is no failure.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
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
fn document(args: &Args, exit: u8, data: Value) -> Value {
    let name = args.command.as_ref().map_or("story", Command::name);
    let mut document = json!({ "format": 1, "command": name, "exit": exit });
    if let (Value::Object(document), Value::Object(data)) = (&mut document, data) {
        document.extend(data);
    }
    document
}

/// `release artifact …`
async fn artifact(args: &Args, store: &Path, command: &ArtifactCommand) -> Result<Answer, Problem> {
    let look = || Host::look_at(store);
    match command {
        ArtifactCommand::List { name } => artifacts::list(&look()?, name.as_deref()),
        ArtifactCommand::Show { artifact } => artifacts::show(&look()?, artifact),
        ArtifactCommand::Diff { before, after } => artifacts::diff(&look()?, before, after),
        ArtifactCommand::Files { artifact } => {
            let document = args
                .json
                .then(|| document(args, answer::Exit::Succeeded as u8, json!({})));
            artifacts::files(&look()?, artifact, document)
        }
        ArtifactCommand::Cat { artifact, path } => artifacts::cat(&look()?, artifact, path, args.json),
        ArtifactCommand::Attach {
            artifact,
            file,
            media_type,
        } => artifacts::attach(
            &Host::open_existing(store)?,
            artifact,
            file,
            media_type.as_deref(),
        ),
        ArtifactCommand::Verify {
            artifact,
            policy,
            heal_from,
            mend,
        } => {
            artifact_checks::verify(
                &look()?,
                artifact.as_deref(),
                policy.as_deref(),
                heal_from.as_deref(),
                *mend,
            )
            .await
        }
        ArtifactCommand::Gc {
            policy,
            yes,
            by,
            keep_trash,
        } => artifact_gc::gc(&look()?, policy.as_deref(), *yes, by, keep_trash.as_deref()).await,
        ArtifactCommand::Rebuild {
            artifact,
            source,
            policy,
        } => rebuild::again(&look()?, artifact, source, policy.as_deref()).await,
        ArtifactCommand::Push {
            artifact,
            remote,
            plain_http,
        } => registry::push(&look()?, artifact, remote, *plain_http).await,
        ArtifactCommand::Pull {
            remote,
            artifact,
            digest,
            max_bytes,
            max_entries,
            plain_http,
        } => {
            let mut limits = Limits::default();
            limits.bytes = max_bytes.unwrap_or(limits.bytes);
            limits.entries = max_entries.unwrap_or(limits.entries);
            registry::pull(
                &Host::open(store)?,
                remote,
                artifact,
                digest.as_deref(),
                limits,
                *plain_http,
            )
            .await
        }
    }
}

async fn perform(args: &Args, session: &Arc<Session>) -> Result<Answer, Problem> {
    let Some(command) = &args.command else {
        let store = match &args.store {
            Some(store) => store.clone(),
            None => std::env::temp_dir().join(format!("release-story-{}", std::process::id())),
        };
        return story::tell(&store, session, args.json).await;
    };
    let store: PathBuf = args.store.clone().unwrap_or_else(|| ".release".into());
    // What only looks makes no store and mends nothing.
    let look = || Host::look_at(&store);
    let existing = || Host::open_existing(&store);
    match command {
        Command::Plan { file } => commands::plan(&store, file).await,
        Command::Run {
            file,
            by,
            rework,
            rollback,
        } => {
            let request = runs::request(by, *rework, *rollback)?;
            runs::run(&Host::open(&store)?, session, file, request).await
        }
        Command::Rerun {
            run,
            by,
            source,
            rollback,
        } => {
            let request = runs::request(by, false, *rollback)?;
            runs::rerun(&existing()?, session, run, source.as_deref(), request).await
        }
        Command::Resume { run } => runs::resume(&existing()?, session, run).await,
        Command::Tick => runs::tick(&existing()?, session).await,
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
        Command::Cancel { run, by, reason } => runs::cancel(&existing()?, session, run, by, reason).await,
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
        Command::Metrics(args) => metrics::metrics(for_facts(&args.facts, look)?.as_ref(), args).await,
        Command::Report(args) => page::report(for_facts(&args.facts, look)?.as_ref(), args).await,
        Command::Review(args) => page::review(for_facts(&args.facts, look)?.as_ref(), args).await,
        Command::Artifact(command) => artifact(args, &store, command).await,
    }
}

/// Only the journal needs a store.
fn for_facts(
    facts: &FactsArgs,
    look: impl FnOnce() -> Result<Host, Problem>,
) -> Result<Option<Host>, Problem> {
    if facts.sources.need_store()? {
        look().map(Some)
    } else {
        Ok(None)
    }
}
