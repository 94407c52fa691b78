//! A blob may take as long as it takes. The clock is the test's: it goes on when the registry says so.

use std::sync::mpsc::channel;
use std::time::Duration;

use pipeline_artifacts::oci::{Remote, RemoteOptions};

use super::http::{answer, serve_slowly, with};
use super::published;
use crate::Bench;

const MIB: usize = 1024 * 1024;

/// Of a large blob it takes eight mebibytes, more than the system holds between both, every hundred seconds: none of the
/// pauses is too long.
#[tokio::test(flavor = "current_thread")]
async fn a_push_that_goes_on_is_not_given_up() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", &"x".repeat(32 * MIB));
    let (passed, mut passing) = tokio::sync::mpsc::unbounded_channel();
    let (go, going) = channel();
    let going = std::sync::Mutex::new(going);
    let port = serve_slowly(
        |request, stream| {
            let said = match request.method.as_str() {
                "POST" => with(
                    answer("202 Accepted", "text/plain", ""),
                    "Location: /v2/upload?of=it",
                ),
                "PUT" => answer("201 Created", "text/plain", ""),
                _ => answer("404 Not Found", "text/plain", ""),
            };
            let _ = std::io::Write::write_all(stream, &said);
        },
        move |_, came| {
            if came.is_multiple_of(8 * MIB) && passed.send(()).is_ok() {
                let _ = going.lock().unwrap().recv();
            }
        },
    );
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.parallel = 1;
    options.retries.again = 0;
    let remote = Remote::new(format!("127.0.0.1:{port}/infra/shop").parse().unwrap(), options).unwrap();
    // While a thread is busy, the clock does not go on by itself.
    let (end, busy) = channel::<()>();
    let busy = tokio::task::spawn_blocking(move || busy.recv());
    tokio::time::pause();
    let mut times = 0;
    let push = async { remote.push(&bench.store, &artifact).await };
    let clock = async {
        while passing.recv().await.is_some() {
            tokio::time::advance(Duration::from_secs(100)).await;
            times += 1;
            go.send(()).unwrap();
        }
    };
    let pushed = tokio::select! { pushed = push => pushed, () = clock => panic!("the registry is gone") };
    drop(end);
    let _ = busy.await;
    pushed.unwrap();
    assert_eq!(times, 4);
}
