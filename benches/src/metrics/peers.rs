//! Databases that compute the same, through Python.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::Failure;

const PROGRAM: &str = include_str!("peers.py");

/// A database in a process of its own, with the log that it reads.
pub(super) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(super) version: String,
}

/// What a round took, in seconds, and what came out.
#[derive(Debug, Deserialize)]
pub(super) struct Round {
    pub(super) load: f64,
    pub(super) compute: f64,
    pub(super) weeks: usize,
    pub(super) deployments: usize,
    pub(super) changes: usize,
    pub(super) lead: f64,
    pub(super) failed: usize,
    pub(super) recovery: f64,
    pub(super) peak: Option<u64>,
}

#[derive(Deserialize)]
struct Ready {
    ready: String,
}

impl Peer {
    /// Starts it; `None` where Python or the package is not installed.
    pub(super) fn start(engine: &str, threads: usize, log: &Path) -> Result<Option<Self>, Failure> {
        let started = Command::new("python3")
            .args(["-W", "ignore", "-c", PROGRAM, engine, &threads.to_string()])
            .arg(log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else { return Ok(None) };
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".into());
        };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let Ok(Ready { ready }) = serde_json::from_str(&line) else {
            child.wait()?;
            return Ok(None);
        };
        Ok(Some(Self {
            child,
            input,
            output,
            version: format!("{engine} {ready}"),
        }))
    }

    /// Reads the log and computes everything once.
    pub(super) fn round(&mut self) -> Result<Round, Failure> {
        self.input.write_all(b"go\n")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It only reads. Whether it ended already does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
