use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::calls::{failed, left_by, put, text, whole};
use super::sources::Pieces;
use super::{Report, promises as p};
use crate::{BlobId, BlobStore};

/// How many await points of a call are tried.
const POINTS: usize = 100;

/// Polls a future so often, and drops it then: right after the poll, or when it would be polled again, so that what it
/// waited for is done. `None` when it was dropped, what came of it when it ended before.
async fn dropped_at<T>(future: impl Future<Output = T>, polls: usize, woken: bool) -> Option<T> {
    let mut future = pin!(future);
    let mut done = 0;
    poll_fn(|cx| {
        if done == polls {
            return Poll::Ready(None);
        }
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => {
                done += 1;
                match done == polls && !woken {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                }
            }
        }
    })
    .await
}

pub(super) async fn dropped(report: &mut Report, store: &dyn BlobStore) {
    for polls in 1..=POINTS {
        for woken in [false, true] {
            // A blob of its own for each place.
            let bytes = text(&format!("dropped at {polls}, {woken}"), 50_000);
            let blob = BlobId::of(&bytes);
            let mut source = Pieces::of(&bytes, 20_000);
            match dropped_at(store.put(&blob, &mut source), polls, woken).await {
                None => {}
                Some(Ok(())) => return report.check(p::DROPS_WHOLE, Ok(())),
                Some(Err(error)) => {
                    return report.not_tried(&[p::DROPS_WHOLE], &failed("nothing can be stored")(error));
                }
            }
            let found = async {
                left_by(store, &blob, &bytes).await?;
                put(store, &bytes).await?;
                whole(store, &bytes).await?;
                // Storing it again, and no further than before, takes nothing away.
                let mut source = Pieces::of(&bytes, 20_000);
                dropped_at(store.put(&blob, &mut source), polls, woken).await;
                whole(store, &bytes).await
            };
            let place = match woken {
                true => "after what it waited for at",
                false => "at",
            };
            let found = found
                .await
                .map_err(|why| format!("dropped {place} await point {polls}: {why}"));
            report.check(p::DROPS_WHOLE, found);
        }
    }
}
