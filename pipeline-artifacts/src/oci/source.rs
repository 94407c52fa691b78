use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use oci_client::client::BlobResponse;
use oci_client::errors::{OciDistributionError, OciErrorCode};
use pipeline_core::StoreError;

use super::error::is_missing;
use super::{OciError, Remote};
use crate::{BlobId, BlobSource, MAX_PIECE};

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// How often a blob is asked for again that broke off without a single new byte.
const TRIES: u32 = 3;

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
    stream: Option<Pieces>,
    /// How many bytes came.
    at: u64,
    tries: u32,
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
        Self {
            remote,
            blob,
            stream: None,
            at: 0,
            tries: 0,
            rest: Vec::new(),
            fault,
        }
    }

    async fn open(&mut self) -> Result<Pieces, OciDistributionError> {
        let (image, digest) = (self.remote.place(), self.blob.digest.to_string());
        let digest = digest.as_str();
        if self.at == 0 {
            return Ok(self.remote.client().pull_blob_stream(image, digest).await?.stream);
        }
        match self
            .remote
            .client()
            .pull_blob_stream_partial(image, digest, self.at, None)
            .await?
        {
            BlobResponse::Partial(rest) => Ok(rest.stream),
            // It begins again: what came is skipped.
            BlobResponse::Full(all) => Ok(Box::pin(skip(all.stream, self.at))),
        }
    }

    /// Notes what is wrong, and says it to whoever stores the blob.
    fn broken(&self, error: OciDistributionError) -> StoreError {
        let blob = format!("blob {} in {}", self.blob.digest, self.remote.name());
        self.note(match is_missing(&error) {
            true => OciError::NotFound { what: blob },
            false => OciError::registry(format!("pull {blob}"))(error),
        })
    }

    /// Says that the blob has fewer bytes than whoever names it says.
    fn short(&self) -> StoreError {
        let what = format!("blob {} of {}", self.blob.digest, self.remote.name());
        let reason = format!("it has fewer than {} bytes", self.blob.size);
        self.note(OciError::refused(what, reason))
    }

    fn note(&self, error: OciError) -> StoreError {
        let what = error.to_string();
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        let source = std::io::Error::other("the registry does not give it");
        StoreError::Io { what, source }
    }
}

/// The rest of a stream behind so many bytes.
fn skip(pieces: Pieces, bytes: u64) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    pieces.scan(bytes, |left, piece| {
        let piece = piece.map(|mut piece| {
            let gone = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= gone as u64;
            piece.split_off(gone)
        });
        std::future::ready(Some(piece))
    })
}

#[async_trait]
impl BlobSource for RemoteSource {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut piece = std::mem::take(&mut self.rest);
        // Networks give little at once, and each piece costs the store a thread's attention.
        while piece.len() < MAX_PIECE / 4 && self.at < self.blob.size {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => match self.open().await {
                    Ok(stream) => stream,
                    Err(error) if self.tries < TRIES && is_passing(&error) => {
                        self.tries += 1;
                        continue;
                    }
                    Err(error) if self.at > 0 && is_past_end(&error) => return Err(self.short()),
                    Err(error) => return Err(self.broken(error)),
                },
            };
            match stream.next().await {
                Some(Ok(bytes)) if bytes.len() as u64 <= self.blob.size - self.at => {
                    self.at += bytes.len() as u64;
                    // What is skipped is nothing new.
                    if !bytes.is_empty() {
                        self.tries = 0;
                    }
                    piece.extend_from_slice(&bytes);
                    self.stream = Some(stream);
                }
                Some(Ok(_)) => {
                    let what = format!("blob {} of {}", self.blob.digest, self.remote.name());
                    let reason = format!("it has more than {} bytes", self.blob.size);
                    return Err(self.note(OciError::refused(what, reason)));
                }
                // It ended too early, or broke.
                None if self.tries < TRIES => self.tries += 1,
                Some(Err(_)) if self.tries < TRIES => self.tries += 1,
                Some(Err(error)) => return Err(self.broken(error.into())),
                // An answer that broke off is an error: these were whole, and the blob is shorter than was said.
                None => return Err(self.short()),
            }
        }
        if piece.len() > MAX_PIECE {
            self.rest = piece.split_off(MAX_PIECE);
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// Whether a registry says that a blob ends before what is asked for (RFC 9110, 416).
fn is_past_end(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => *code == 416,
        OciDistributionError::RequestError(error) => {
            error.status().is_some_and(|status| status.as_u16() == 416)
        }
        _ => false,
    }
}

/// Whether asking again may help: what a registry says no to stays so.
fn is_passing(error: &OciDistributionError) -> bool {
    match error {
        error if is_past_end(error) => false,
        OciDistributionError::RequestError(_) | OciDistributionError::IoError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code >= 500 || *code == 429,
        // What the specification calls 429.
        OciDistributionError::RegistryError { envelope, .. } => {
            let mut errors = envelope.errors.iter();
            errors.any(|error| matches!(error.code, OciErrorCode::Toomanyrequests))
        }
        _ => false,
    }
}

/// The pieces of a local blob for a request. Each is held back until the next one is read, since nobody asks for more once
/// all bytes are there that were announced: so the last one goes only when all are verified. An error of the store goes into
/// `fault`, since what a request says of it is only that it broke.
pub(super) fn outgoing(
    source: Box<dyn BlobSource>,
    fault: Fault<StoreError>,
) -> impl Stream<Item = Result<Bytes, OciDistributionError>> + Send + 'static {
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
                        return Some((Err(broken.into()), None));
                    }
                }
            }
        }
    })
}
