use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, stream};
use pipeline_core::StoreError;
use reqwest::header::{CONTENT_RANGE, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Version};

use super::failure::Failure;
use super::request::Request;
use super::retries::Attempts;
use super::{OciError, Remote};
use crate::{BlobId, BlobSource, MAX_PIECE};

/// What went wrong on one side, for whoever hears only from the other side that it broke.
pub(super) type Fault<E> = Arc<Mutex<Option<E>>>;

/// The error that was noted, if one was.
pub(super) fn noted<E>(fault: &Fault<E>) -> Option<E> {
    fault.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A blob of a registry, piece by piece. When the connection breaks, it goes on where it was. It is verified by whoever
/// stores it. What the registry does wrong goes into `fault`.
pub(super) struct RemoteSource {
    remote: Remote,
    blob: BlobId,
    answer: Option<Response>,
    /// Of what the answer brings, so many bytes came before.
    skip: u64,
    /// Whether the answer is all that there is when it comes to its end, as far as it tells.
    is_all: bool,
    /// How many bytes came.
    at: u64,
    attempts: Attempts,
    /// What came and is too much for one piece.
    rest: Vec<u8>,
    fault: Fault<OciError>,
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteSource").field(&self.blob).finish()
    }
}

impl RemoteSource {
    pub(super) fn new(remote: Remote, blob: BlobId, fault: Fault<OciError>) -> Self {
        let attempts = Attempts::new(remote.options().retries);
        Self {
            remote,
            blob,
            answer: None,
            skip: 0,
            is_all: true,
            at: 0,
            attempts,
            rest: Vec::new(),
            fault,
        }
    }

    /// The next bytes, or the end of all.
    async fn read(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.open().await?,
        };
        loop {
            let Some(mut bytes) = answer.chunk().await? else {
                return Ok(None);
            };
            let gone = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= gone as u64;
            let new = bytes.split_off(gone);
            if !new.is_empty() {
                self.answer = Some(answer);
                return Ok(Some(new));
            }
        }
    }

    /// Asks for what has not come yet.
    async fn open(&mut self) -> Result<Response, Failure> {
        let url = self.remote.address(&format!("blobs/{}", self.blob.digest))?;
        let answer = self.remote.ask(&Request::bytes(url, self.at)).await?;
        let answer = answer.ok_or_else(|| OciError::NotFound {
            what: format!("blob {} in {}", self.blob.digest, self.remote.name()),
        })?;
        self.skip = match answer.status() {
            StatusCode::PARTIAL_CONTENT => 0,
            // It begins again.
            _ => self.at,
        };
        // The end of a connection is no end, and of a part others may follow.
        let has_end = answer.content_length().is_some()
            || answer.headers().contains_key(TRANSFER_ENCODING)
            || answer.version() >= Version::HTTP_2;
        self.is_all = has_end && answer.status() != StatusCode::PARTIAL_CONTENT;
        let range = answer.headers().get(CONTENT_RANGE);
        let begin = range.and_then(|range| begin_of(range.to_str().ok()?));
        match begin {
            Some(begin) if begin != self.at && self.skip == 0 => {
                Err(self.refused("it gives another part of it").into())
            }
            _ => Ok(answer),
        }
    }

    /// What the registry gives is not what whoever names the blob says.
    fn refused(&self, reason: &str) -> OciError {
        let what = format!("blob {} of {}", self.blob.digest, self.remote.name());
        OciError::refused(what, reason)
    }

    fn is_short(&self) -> OciError {
        self.refused(&format!("it has fewer than {} bytes", self.blob.size))
    }

    /// Notes what is wrong, and says it to whoever stores the blob.
    fn note(&self, error: OciError) -> StoreError {
        let what = error.to_string();
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        let source = std::io::Error::other("the registry does not give it");
        StoreError::Io { what, source }
    }
}

/// Where a part of something begins, by its header: `bytes 10-19/20` (RFC 9110, section 14.4).
fn begin_of(range: &str) -> Option<u64> {
    let (begin, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    begin.trim().parse().ok()
}

#[async_trait]
impl BlobSource for RemoteSource {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut piece = std::mem::take(&mut self.rest);
        // Networks give little at once, and each piece costs the store a thread's attention.
        while piece.len() < MAX_PIECE / 4 && self.at < self.blob.size {
            match self.read().await {
                Ok(Some(bytes)) if bytes.len() as u64 <= self.blob.size - self.at => {
                    self.at += bytes.len() as u64;
                    self.attempts.came_on();
                    piece.extend_from_slice(&bytes);
                }
                Ok(Some(_)) => {
                    let reason = format!("it has more than {} bytes", self.blob.size);
                    return Err(self.note(self.refused(&reason)));
                }
                Ok(None) if !self.is_all && self.attempts.again(&Failure::broke_off()).await => {}
                Ok(None) => return Err(self.note(self.is_short())),
                Err(failure) if self.attempts.again(&failure).await => {}
                Err(failure) if self.at > 0 && failure.is_past_end() => {
                    return Err(self.note(self.is_short()));
                }
                Err(failure) => {
                    let doing = format!("pull blob {} in {}", self.blob.digest, self.remote.name());
                    return Err(self.note(failure.while_doing(&doing)));
                }
            }
        }
        if piece.len() > MAX_PIECE {
            self.rest = piece.split_off(MAX_PIECE);
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// The pieces of a local blob for a request. Each is held back until the next one is read, since nobody asks for more once
/// all bytes are there that were announced: so the last one goes only when all are verified. An error of the store goes into
/// `fault`, since what a request says of it is only that it broke.
pub(super) fn outgoing(
    source: Box<dyn BlobSource>,
    fault: Fault<StoreError>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    stream::unfold(Some((source, None)), move |state| {
        let fault = Arc::clone(&fault);
        async move {
            let (mut source, mut held) = state?;
            loop {
                match source.next().await {
                    Ok(Some(piece)) => {
                        if let Some(before) = held.replace(piece) {
                            return Some((Ok(Bytes::from(before)), Some((source, held))));
                        }
                    }
                    Ok(None) => return held.map(|last| (Ok(Bytes::from(last)), None)),
                    Err(error) => {
                        *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        let broken = std::io::Error::other("the local blob cannot be read");
                        return Some((Err(broken), None));
                    }
                }
            }
        }
    })
}
