//! What is left of a program's processes: nothing. A process that holds a named pipe open is alive; the end
//! of the pipe is the end of all of them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{Channel, Failure, RunId, Signals, Stage, StageContext, StageName};
use pipeline_stages::{Command, ProgramError};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::context_in;

/// Far more than any test takes, and less than the sleeping programs do.
const LONG: Duration = Duration::from_secs(20);

/// A named pipe, and a reader that waits for the end of all who write to it.
struct Alive {
    _directory: TempDir,
    path: PathBuf,
    reader: JoinHandle<String>,
}

impl Alive {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(
            process::Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let pipe = path.clone();
        let reader = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            File::open(pipe).unwrap().read_to_string(&mut text).unwrap();
            text
        });
        Self {
            _directory: directory,
            path,
            reader,
        }
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// What they wrote, once all of them are gone.
    async fn gone(self) -> String {
        tokio::time::timeout(LONG, self.reader)
            .await
            .expect("a process is left")
            .unwrap()
    }
}

/// Tells when a line was printed.
#[derive(Debug, Default)]
struct Printed(Notify);

impl Signals for Printed {
    fn output(&self, _: &RunId, _: &StageName, channel: Channel, _: &str) {
        if channel == Channel::Stdout {
            self.0.notify_one();
        }
    }

    fn progress(&self, _: &RunId, _: &StageName, _: u64, _: Option<u64>, _: &str) {}
}

fn listening(directory: &Path) -> (StageContext, Arc<Printed>) {
    let printed = Arc::new(Printed::default());
    (
        context_in(directory).with_signals(Arc::clone(&printed) as _),
        printed,
    )
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

#[tokio::test]
async fn a_program_that_ends_leaves_no_grandchild() {
    let alive = Alive::new();
    let cx = context_in(alive.directory());
    // The grandchild holds standard output, too.
    let command = sh("exec 3>pipe; sleep 60 & echo done");
    let outcome = tokio::time::timeout(LONG, command.run(&cx))
        .await
        .expect("it hangs")
        .unwrap();
    assert!(outcome.is_success());
    assert_eq!(cx.output_log().to_string(), " done\n");
    alive.gone().await;
}

#[tokio::test]
async fn a_process_that_left_the_group_is_not_waited_for() {
    let alive = Alive::new();
    let cx = context_in(alive.directory());
    let script =
        "setsid sh -c 'echo $$ > id; mv id left; exec sleep 60' & while ! [ -e left ]; do :; done; echo done";
    let command = sh(script);
    let outcome = tokio::time::timeout(LONG, command.run(&cx))
        .await
        .expect("it hangs")
        .unwrap();
    assert!(outcome.is_success() && cx.output_log().to_string() == " done\n");
    let id = std::fs::read_to_string(alive.directory().join("left")).unwrap();
    process::Command::new("kill")
        .args(["-9", id.trim()])
        .status()
        .unwrap();
    // Ends the reader.
    drop(File::options().write(true).open(&alive.path).unwrap());
    alive.gone().await;
}

#[tokio::test]
async fn asking_to_stop_gives_all_of_them_time() {
    let alive = Alive::new();
    let (cx, printed) = listening(alive.directory());
    // The leader ends at once; the grandchild first says goodbye. It waits without another process: one that
    // was just forked can lose the signal.
    let script = "exec 3>pipe; mkfifo never
                  sh -c 'trap \"echo goodbye >&3; exit\" TERM; exec 4<>never; echo ready; while :; do read x <&4; done' &
                  wait";
    let command = sh(script).grace_seconds(60);
    let stop = async {
        printed.0.notified().await;
        cx.cancellation().cancel("a newer run");
    };
    let (result, ()) = tokio::join!(tokio::time::timeout(LONG, command.run(&cx)), stop);
    let error = result.expect("it hangs").unwrap_err();
    assert_eq!(error.to_string(), "program `sh` was stopped: a newer run");
    assert_eq!(command.failure(&error), Failure::Unknown);
    assert_eq!(command.pure().failure(&error), Failure::Errored);
    assert_eq!(alive.gone().await, "goodbye\n");
}

#[tokio::test]
async fn who_ignores_it_is_killed_after_the_grace_period() {
    let alive = Alive::new();
    let (cx, printed) = listening(alive.directory());
    let command = sh("exec 3>pipe; trap '' TERM; echo ready; while :; do sleep 60; done").grace_seconds(0);
    let stop = async {
        printed.0.notified().await;
        cx.cancellation().cancel("too late");
    };
    let (result, ()) = tokio::join!(tokio::time::timeout(LONG, command.run(&cx)), stop);
    assert!(matches!(
        result.expect("it hangs"),
        Err(ProgramError::Stopped { .. })
    ));
    alive.gone().await;
}

#[tokio::test]
async fn dropping_the_stage_kills_all_of_them() {
    let alive = Alive::new();
    let (cx, printed) = listening(alive.directory());
    let command =
        sh("exec 3>pipe; trap '' TERM; (trap '' TERM; sleep 60; sleep 60) & echo ready; wait; sleep 60");
    tokio::select! {
        result = command.run(&cx) => panic!("{result:?}"),
        () = printed.0.notified() => {}
    }
    alive.gone().await;
}

/// A program that an earlier worker left behind: as it would look had its worker been killed.
#[cfg(target_os = "linux")]
struct LeftBehind(process::Child);

#[cfg(target_os = "linux")]
impl LeftBehind {
    fn new(stage: &str, worker: u32) -> Self {
        let mut command = process::Command::new("tail");
        command.args(["-f", "/dev/null"]).env_clear();
        command.env("PIPELINE_RUN", "test").env("PIPELINE_STAGE", stage);
        command.env("PIPELINE_WORKER", worker.to_string());
        let nothing = process::Stdio::null;
        Self(
            command
                .stdin(nothing())
                .stdout(nothing())
                .stderr(nothing())
                .spawn()
                .unwrap(),
        )
    }
}

#[cfg(target_os = "linux")]
impl Drop for LeftBehind {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_outlived_a_killed_worker_is_ended_before_the_stage_begins_again() {
    use pipeline_core::{NoSource, Stage};
    use std::os::unix::process::ExitStatusExt;
    use std::sync::Arc;

    // Nothing that another run of this test left behind has this name.
    let stage = format!("outlived-{}", process::id());
    // A worker that is gone, and its number with it.
    let mut gone = process::Command::new("true").spawn().unwrap();
    let worker = gone.id();
    gone.wait().unwrap();
    let mut left = LeftBehind::new(&stage, worker);
    let mut of_another_stage = LeftBehind::new("another", worker);
    let mut of_a_living_worker = LeftBehind::new(&stage, std::os::unix::process::parent_id());

    let store = pipeline_core::testing::MemoryArtifacts::new();
    let services = crate::support::services_in(Arc::new(NoSource), &store);
    let call = pipeline_core::testing::TestCall::new(&stage).with(|call| call.attempt = 2);
    let cx = call.context(services);
    let outcome = Command::new("true").run(&cx).await.unwrap();
    assert!(outcome.is_success());
    assert_eq!(left.0.wait().unwrap().signal(), Some(9));
    assert_eq!(
        cx.output_log().to_string(),
        "#ended 1 processes that outlived an earlier worker\n"
    );
    for other in [&mut of_another_stage, &mut of_a_living_worker] {
        assert!(
            other.0.try_wait().unwrap().is_none(),
            "it is none of this stage's business"
        );
    }
}
