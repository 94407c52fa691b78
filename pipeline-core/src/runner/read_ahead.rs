use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::Poll;

use crate::journal::{Journal, ReadError};
use crate::{Event, Position, StreamId};

/// So many events are read at once: some megabytes.
const PAGE: usize = 16_384;

type Read = Result<Vec<Event>, ReadError>;

/// Reads a stream page by page. While the caller works on a page, a journal that reads on threads of its own reads the
/// next one.
pub(super) struct ReadAhead<'a> {
    journal: &'a dyn Journal,
    stream: &'a StreamId,
    after: Position,
    page: Page<'a>,
}

enum Page<'a> {
    Coming(Pin<Box<dyn Future<Output = Read> + Send + 'a>>),
    There(Read),
    End,
}

impl<'a> ReadAhead<'a> {
    /// Begins to read after a position.
    pub(super) async fn new(journal: &'a dyn Journal, stream: &'a StreamId, after: Position) -> Self {
        let mut reader = Self {
            journal,
            stream,
            after,
            page: Page::End,
        };
        reader.begin().await;
        reader
    }

    async fn begin(&mut self) {
        let mut read = self.journal.read(self.stream, self.after, PAGE);
        // Polled once, it is at work.
        let polled = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
        self.page = match polled {
            Poll::Ready(page) => Page::There(page),
            Poll::Pending => Page::Coming(read),
        };
    }

    /// The next page; an empty one is the end.
    pub(super) async fn next(&mut self) -> Read {
        let page = match mem::replace(&mut self.page, Page::End) {
            Page::Coming(read) => read.await?,
            Page::There(page) => page?,
            Page::End => return Ok(Vec::new()),
        };
        if page.len() == PAGE {
            self.after += PAGE as Position;
            self.begin().await;
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Batch, Expected, FileJournal, MemoryJournal, NewEvent, Payload, SystemEntropy, Timestamp};

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(work)
    }

    async fn positions(journal: &dyn Journal, stream: &StreamId, after: Position) -> Vec<Position> {
        let mut reader = ReadAhead::new(journal, stream, after).await;
        let mut found = Vec::new();
        loop {
            let page = reader.next().await.unwrap();
            if page.is_empty() {
                return found;
            }
            found.extend(page.iter().map(|event| event.position));
        }
    }

    fn batch(stream: &StreamId, count: usize) -> Batch {
        let event = || NewEvent::raw("x.y", 1, Payload::json("{}"));
        (0..count).fold(Batch::new(Timestamp::UNIX_EPOCH), |batch, _| {
            batch.event(stream, Expected::Any, event())
        })
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let stream: StreamId = "run/a".parse().unwrap();
        let other: StreamId = "run/b".parse().unwrap();
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE] {
            let journal = MemoryJournal::new();
            block_on(async {
                if count > 0 {
                    let _ = journal.append(batch(&stream, count)).await.unwrap();
                }
                let last = count as Position;
                assert_eq!(
                    positions(&journal, &stream, 0).await,
                    (1..=last).collect::<Vec<_>>()
                );
                let after = last.saturating_sub(2);
                assert_eq!(
                    positions(&journal, &stream, after).await,
                    (after + 1..=last).collect::<Vec<_>>()
                );
                assert_eq!(positions(&journal, &other, 0).await, [0; 0]);
            });
        }
    }

    #[test]
    fn a_journal_with_threads_of_its_own_is_read_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let (journal, _) = FileJournal::open(directory.path(), Arc::new(SystemEntropy)).unwrap();
        let stream: StreamId = "run/a".parse().unwrap();
        block_on(async {
            let _ = journal.append(batch(&stream, PAGE + 7)).await.unwrap();
            let all: Vec<_> = (1..=PAGE as Position + 7).collect();
            assert_eq!(positions(&journal, &stream, 0).await, all);
        });
    }
}
