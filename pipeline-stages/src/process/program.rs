use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use pipeline_core::{FactName, SecretRef, SourcePath, StageContext};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::facts::Facts;
use super::sink::Sink;
use super::variables::Variables;
use super::{Ending, ProgramError, VariableName, child, leftovers, lookup};

/// A program to run, out of the settings of a stage.
#[derive(Debug, Clone)]
pub(crate) struct Program<'a> {
    pub(crate) program: &'a str,
    pub(crate) args: &'a [String],
    pub(crate) directory: &'a SourcePath,
    pub(crate) env: &'a BTreeMap<VariableName, String>,
    pub(crate) inherit: &'a [VariableName],
    pub(crate) secrets: &'a BTreeMap<VariableName, SecretRef>,
    pub(crate) grace: Duration,
    /// How long it may take, if the stage sets a limit.
    pub(crate) limit: Option<Duration>,
    /// Whether it only looks for the effect of an earlier attempt.
    pub(crate) inspects: bool,
    /// Variables of the engine that only some stages have, without `PIPELINE_`.
    pub(crate) more: Vec<(String, String)>,
}

/// A program that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) how: Ending,
    pub(crate) facts: BTreeMap<FactName, Value>,
}

impl Program<'_> {
    /// Runs it to its end. Dropping the future kills the program and all that it started.
    pub(crate) async fn run(&self, cx: &StageContext) -> Result<Ended, ProgramError> {
        // Not on a first attempt, which nothing can have outlived; a call that inspects has the number of what
        // it looks for.
        if cx.call().attempt > 1 || self.inspects {
            let ended = leftovers::end(cx).await;
            if ended > 0 {
                cx.log(format!("ended {ended} processes that outlived an earlier worker"));
            }
        }
        let place = self.place(cx).await?;
        let variables = Variables::of(self, cx).await?;
        let path = variables.values.get(OsStr::new("PATH"));
        let file = lookup::find(
            self.program,
            path.map_or(OsStr::new(""), |path| path),
            &place.path,
        )
        .await?;

        let mut command = Command::new(file);
        command.args(self.args).current_dir(&place.path);
        command.env_clear().envs(&variables.values);
        let mut sink = Sink {
            cx,
            facts: Facts::default(),
        };
        let how = child::run(self, command, &variables.secrets, &mut sink).await?;
        Ok(Ended {
            how,
            facts: sink.facts.into_inner(),
        })
    }

    async fn place(&self, cx: &StageContext) -> Result<Place, ProgramError> {
        let failed = |directory: PathBuf, source: io::Error| ProgramError::Directory {
            program: self.program.to_owned(),
            directory,
            source,
        };
        match cx.source().root() {
            Some(root) => {
                let path = self.directory.below(root);
                match tokio::fs::metadata(&path).await {
                    Ok(metadata) if metadata.is_dir() => Ok(Place { path, _keep: None }),
                    Ok(_) => Err(failed(path, io::ErrorKind::NotADirectory.into())),
                    Err(error) => Err(failed(path, error)),
                }
            }
            None if *self.directory == SourcePath::root() => {
                let made =
                    TempDir::with_prefix("pipeline-").map_err(|error| failed(PathBuf::new(), error))?;
                Ok(Place {
                    path: made.path().to_owned(),
                    _keep: Some(made),
                })
            }
            None => Err(ProgramError::NoSource {
                program: self.program.to_owned(),
                directory: self.directory.clone(),
            }),
        }
    }
}

/// Where a program runs: in the source, or in an empty directory that is removed afterwards.
struct Place {
    path: PathBuf,
    _keep: Option<TempDir>,
}
