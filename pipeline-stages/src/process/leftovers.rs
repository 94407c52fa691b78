//! Programs that outlived their worker. A worker that is killed cannot stop what it started: that goes on, and a
//! later attempt of the same stage would run beside it. So a later attempt ends it first.

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;

use pipeline_core::StageContext;

/// The variable that names the worker that started a program, by its process.
pub(super) const WORKER: &str = "WORKER";

/// Ends every program that an earlier worker, which is gone, started for this stage of this run. Tells how many.
#[cfg(target_os = "linux")]
pub(super) async fn end(cx: &StageContext) -> usize {
    let run = format!("PIPELINE_RUN={}", cx.run());
    let stage = format!("PIPELINE_STAGE={}", cx.stage());
    let search = move || {
        // One that was ended is there a moment longer: it counts once.
        let mut ended = BTreeSet::new();
        // What is ended may have started something meanwhile: look until there is nothing, but not for ever.
        for _ in 0..100 {
            let found = linux::find(&run, &stage);
            if found.is_empty() {
                break;
            }
            ended.extend(found.into_iter().filter(|process| linux::kill(*process)));
        }
        ended.len()
    };
    tokio::task::spawn_blocking(search).await.unwrap_or(0)
}

/// Elsewhere the processes of others cannot be asked.
#[cfg(not(target_os = "linux"))]
pub(super) async fn end(_: &StageContext) -> usize {
    0
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;

    use rustix::process::{Pid, Signal, kill_process};

    use super::WORKER;

    /// Processes with these variables whose worker is another process than this one, and is gone.
    pub(super) fn find(run: &str, stage: &str) -> Vec<i32> {
        let Ok(processes) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| is_left_over(*id, run, stage).unwrap_or(false))
            .collect()
    }

    fn is_left_over(id: i32, run: &str, stage: &str) -> Option<bool> {
        // Empty for the processes of others and for those that are about to go.
        let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        let has = |wanted: &str| {
            environment
                .split(|byte| *byte == 0)
                .any(|one| one == wanted.as_bytes())
        };
        let prefix = format!("PIPELINE_{WORKER}=");
        let worker = variables.find_map(|one| one.strip_prefix(prefix.as_bytes()))?;
        let worker: u32 = std::str::from_utf8(worker).ok()?.parse().ok()?;
        let gone = !Path::new(&format!("/proc/{worker}")).exists();
        Some(gone && worker != std::process::id() && has(run) && has(stage))
    }

    pub(super) fn kill(process: i32) -> bool {
        Pid::from_raw(process).is_some_and(|process| kill_process(process, Signal::KILL).is_ok())
    }
}
