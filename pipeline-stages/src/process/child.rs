use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{Channel, Secret};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{Instant, sleep, sleep_until};

use super::group::Group;
use super::lines::Lines;
use super::sink::Sink;
use super::{Ending, Program, ProgramError};

/// The most that is read after the end of a program: a pipe holds less. What still writes then is a process
/// that left the group, and it is not waited for.
const LEFT_OVER: usize = 1024 * 1024;

/// Why a program is stopped.
enum Stop {
    Asked(Arc<str>),
    TooLong(Duration),
}

/// Starts a command and stays with it, and with its group, until both are gone.
pub(super) async fn run(
    program: &Program<'_>,
    mut command: Command,
    secrets: &[Secret],
    sink: &mut Sink<'_>,
) -> Result<Ending, ProgramError> {
    let name = || program.program.to_owned();
    let cx = sink.cx;
    if let Some(reason) = cx.cancellation().reason() {
        return Err(ProgramError::NotStarted {
            program: name(),
            reason,
        });
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    Group::prepare(&mut command);
    let mut child = command.spawn().map_err(|source| ProgramError::Start {
        program: name(),
        source,
    })?;
    let group = Group::of(&child);
    let mut stdout = Pipe::new(Channel::Stdout, child.stdout.take(), secrets);
    let mut stderr = Pipe::new(Channel::Stderr, child.stderr.take(), secrets);

    let mut status = None;
    let mut stop = None;
    let mut killed = false;
    let mut cancelled = cx.cancelled();
    let limit = sleep(program.limit.unwrap_or(Duration::MAX));
    let grace = sleep_until(Instant::now());
    tokio::pin!(limit, grace);
    // After the end of the leader the others of its group get the rest of the grace period only if they
    // were asked to end; otherwise they are left-overs.
    while status.is_none() || (stop.is_some() && !killed && (stdout.is_open() || stderr.is_open())) {
        tokio::select! {
            ended = child.wait(), if status.is_none() => {
                status = Some(ended.map_err(|source| ProgramError::Lost { program: name(), source })?);
            }
            reason = &mut cancelled, if stop.is_none() => {
                cx.log(format!("asked to stop: {reason}"));
                stop = Some(Stop::Asked(reason));
                group.terminate();
                grace.as_mut().reset(Instant::now() + program.grace);
            }
            () = &mut limit, if stop.is_none() && program.limit.is_some() => {
                stop = program.limit.map(Stop::TooLong);
                group.terminate();
                grace.as_mut().reset(Instant::now() + program.grace);
            }
            () = &mut grace, if stop.is_some() && !killed => {
                cx.log("the grace period is over: killed");
                group.kill();
                killed = true;
            }
            read = stdout.read(), if stdout.is_open() => stdout.pass_on(read, sink),
            read = stderr.read(), if stderr.is_open() => stderr.pass_on(read, sink),
        }
    }
    group.finish();
    stdout.finish(sink);
    stderr.finish(sink);
    match (stop, status) {
        (Some(Stop::Asked(reason)), _) => Err(ProgramError::Stopped {
            program: name(),
            reason,
        }),
        (Some(Stop::TooLong(limit)), _) => Ok(Ending::TooLong(limit)),
        (None, Some(status)) => Ok(Ending::of(status)),
        (None, None) => Err(ProgramError::Lost {
            program: name(),
            source: io::ErrorKind::Other.into(),
        }),
    }
}

/// One stream of a program's output.
struct Pipe<R> {
    channel: Channel,
    reader: Option<R>,
    buffer: Box<[u8]>,
    lines: Lines,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(channel: Channel, reader: Option<R>, secrets: &[Secret]) -> Self {
        Self {
            channel,
            reader,
            buffer: vec![0; 8 * 1024].into_boxed_slice(),
            lines: Lines::new(secrets),
        }
    }

    fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    async fn read(&mut self) -> io::Result<usize> {
        match &mut self.reader {
            Some(reader) => reader.read(&mut self.buffer).await,
            None => Ok(0),
        }
    }

    fn pass_on(&mut self, read: io::Result<usize>, sink: &mut Sink<'_>) {
        match read {
            Ok(0) | Err(_) => self.reader = None,
            Ok(n) => self
                .lines
                .push(&self.buffer[..n], |line| sink.line(self.channel, &line)),
        }
    }
}

#[cfg(unix)]
impl<R: AsyncRead + Unpin + std::os::fd::AsFd> Pipe<R> {
    /// Reads what a program that is gone left in the pipe. tokio made the pipe non-blocking, so this ends
    /// even if some process still holds the other side.
    fn finish(&mut self, sink: &mut Sink<'_>) {
        let mut left = LEFT_OVER;
        while let (Some(reader), 1..) = (&self.reader, left) {
            match rustix::io::read(reader.as_fd(), &mut *self.buffer) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
                Ok(n) => {
                    left = left.saturating_sub(n);
                    self.pass_on(Ok(n), sink);
                }
            }
        }
        self.reader = None;
        self.lines.finish(|line| sink.line(self.channel, &line));
    }
}

#[cfg(not(unix))]
impl<R: AsyncRead + Unpin> Pipe<R> {
    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.reader = None;
        self.lines.finish(|line| sink.line(self.channel, &line));
    }
}
