use std::time::Duration;

use super::failure::Failure;
use super::{OciError, Remote};

/// How often a registry is asked again, and after which pauses, before it is given up.
///
/// What may pass is asked again: a connection that cannot be made or breaks, an answer that breaks off, and the statuses 408,
/// 429 and 500 to 599 but 501, 505 and 507, the codes `TOOMANYREQUESTS` and, for blobs that were pushed just before,
/// `MANIFEST_BLOB_UNKNOWN`. What a registry says no to, a certificate that is not trusted, and bytes that are not what they
/// should be are final at once. Every request may be repeated: whatever is sent is named by its digest, and a tag is looked
/// at again before it is written. A blob that is pulled goes on where it was, and counts anew once a new byte came; a blob
/// that is pushed begins anew. Whoever gives tokens is asked again only when the connection to it breaks.
///
/// The first pause is [`first`](Self::first), each further one twice as long, and none longer than
/// [`longest`](Self::longest). Where the registry says how long to wait (`Retry-After`, RFC 9110 section 10.2.3: seconds, or
/// a date, which is held against the `Date` of the same answer), no pause is shorter; one that wants more than the longest
/// pause is not asked again. There is no chance in it: equal failures make equal pauses.
///
/// ```
/// use std::time::Duration;
/// use pipeline_artifacts::oci::RemoteOptions;
///
/// let mut options = RemoteOptions::default();
/// options.retries.again = 8; // pauses of 0.5, 1, 2, 4, 8, 16, 32 and 60 seconds
/// assert_eq!(options.retries.first, Duration::from_millis(500));
/// assert_eq!(options.retries.longest, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// How often it is asked again after the first time.
    pub again: u32,
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Retries {
    /// Four times, after 0.5, 1, 2 and 4 seconds; up to 60 seconds where the registry says so.
    fn default() -> Self {
        Self {
            again: 4,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
        }
    }
}

/// The tries of one request.
#[derive(Debug)]
pub(super) struct Attempts {
    retries: Retries,
    failed: u32,
}

impl Attempts {
    pub(super) fn new(retries: Retries) -> Self {
        Self { retries, failed: 0 }
    }

    /// Something came of it: what failed before counts no more.
    pub(super) fn came_on(&mut self) {
        self.failed = 0;
    }

    /// Waits, if it is worth to ask again.
    pub(super) async fn again(&mut self, failure: &Failure) -> bool {
        let Some(pause) = failure.passes().then(|| self.pause(failure.after())).flatten() else {
            return false;
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        true
    }

    /// How long to wait after one more failure; `None` when it is given up.
    fn pause(&mut self, after: Option<Duration>) -> Option<Duration> {
        let Retries {
            again,
            first,
            longest,
        } = self.retries;
        let after = after.unwrap_or_default();
        if self.failed >= again || after > longest {
            return None;
        }
        let own = first.saturating_mul(2_u32.saturating_pow(self.failed));
        self.failed += 1;
        Some(own.min(longest).max(after))
    }
}

impl Remote {
    /// Does something until it is done, or given up.
    pub(super) async fn persist<T, F>(&self, doing: &str, work: impl FnMut() -> F) -> Result<T, OciError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        persist(self.options().retries, work)
            .await
            .map_err(|failure| failure.while_doing(doing))
    }
}

async fn persist<T, F>(retries: Retries, mut work: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut attempts = Attempts::new(retries);
    loop {
        match work().await {
            Ok(done) => return Ok(done),
            Err(failure) if attempts.again(&failure).await => {}
            Err(failure) => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use oci_client::errors::OciDistributionError;
    use tokio::time::Instant;

    use super::*;

    fn failure(code: u16, after: Option<u64>) -> Failure {
        let error = OciDistributionError::ServerError {
            code,
            url: String::new(),
            message: String::new(),
        };
        Failure::There {
            error,
            status: Some(code),
            after: after.map(Duration::from_secs),
        }
    }

    /// How often something is tried that always fails, and how many milliseconds that takes by the clock of tokio.
    async fn tried(retries: Retries, code: u16, after: Option<u64>) -> (u32, u128) {
        let (tries, begin) = (Cell::new(0), Instant::now());
        let done: Result<(), Failure> = persist(retries, || {
            tries.set(tries.get() + 1);
            std::future::ready(Err(failure(code, after)))
        })
        .await;
        assert!(done.is_err());
        (tries.get(), begin.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let default = Retries::default();
        assert_eq!(tried(default, 503, None).await, (5, 7_500));
        let many = Retries { again: 40, ..default };
        // 0.5 to 32 seconds, and 33 times a minute.
        assert_eq!(tried(many, 503, None).await, (41, 63_500 + 33 * 60_000));
        let at_once = Retries {
            first: Duration::ZERO,
            ..default
        };
        assert_eq!(tried(at_once, 503, None).await, (5, 0));
        let once = Retries { again: 0, ..default };
        assert_eq!(tried(once, 503, None).await, (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_says_how_long_to_wait() {
        let default = Retries::default();
        // No pause is shorter than its own.
        assert_eq!(
            tried(default, 429, Some(2)).await,
            (5, 2_000 + 2_000 + 2_000 + 4_000)
        );
        assert_eq!(tried(default, 429, Some(60)).await, (5, 240_000));
        assert_eq!(
            tried(default, 429, Some(61)).await,
            (1, 0),
            "nobody waits that long"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again() {
        let at_once = Retries {
            first: Duration::ZERO,
            ..Retries::default()
        };
        let mut passing = Vec::new();
        for code in 300..700 {
            match tried(at_once, code, None).await.0 {
                1 => {}
                5 => passing.push(code),
                other => panic!("{other} tries"),
            }
        }
        let expected = [408, 429].into_iter().chain(500..600);
        let expected: Vec<u16> = expected.filter(|code| ![501, 505, 507].contains(code)).collect();
        assert_eq!(passing, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_on_counts_anew() {
        let mut attempts = Attempts::new(Retries::default());
        let begin = Instant::now();
        for _ in 0..100 {
            assert!(attempts.again(&failure(500, None)).await);
            attempts.came_on();
        }
        assert_eq!(begin.elapsed().as_millis(), 50_000);
    }
}
