//! The conformance suites: what is honest passes, and each flaw is found under its own name.

mod environment;
mod gate;
mod small;
mod stage;
mod store;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pipeline_core::testing::conformance::{Report, Standing};

/// Waits once: an await point.
#[derive(Debug, Default)]
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn pause() {
    Pause::default().await;
}

/// Runs a future that needs no runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// All names of a report.
fn names(report: &Report) -> Vec<&'static str> {
    report.standings().map(|(promise, _)| promise.name).collect()
}

/// A flawless subject: nothing is broken, and nothing is left untried.
#[track_caller]
fn assert_all_kept(report: &Report) {
    report.assert_kept();
    assert_eq!(report.not_tried_names(), [""; 0], "{report}");
}

/// Each flaw breaks the one promise of its name, and no other.
#[track_caller]
fn assert_only(report: &Report, name: &str) {
    assert_eq!(report.broken(), [name], "{report}");
    match report.standing(name) {
        Some(Standing::Broken(observed)) => assert!(!observed.is_empty()),
        other => panic!("{other:?}"),
    }
}
