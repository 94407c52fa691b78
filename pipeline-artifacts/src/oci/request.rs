use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};

use super::connection::SILENCE;
use super::failure::Failure;
use super::{OciError, Remote};
use crate::BlobId;

/// How long an answer may take that is not as long as a blob.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is asked of a registry, or said to it, as often as needed.
pub(super) struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    patience: Option<Duration>,
}

impl Request {
    fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            patience: Some(PATIENCE),
        }
    }

    /// Asks for something of these types.
    pub(super) fn get(url: Url, types: &'static str) -> Self {
        let mut request = Self::new(Method::GET, url);
        request.headers.insert(ACCEPT, HeaderValue::from_static(types));
        request
    }

    /// Asks for the bytes of a blob from some byte on, however long they take.
    pub(super) fn bytes(url: Url, from: u64) -> Self {
        let mut request = Self::get(url, "*/*");
        request.patience = None;
        if from > 0 {
            request.headers.insert(RANGE, ascii(format!("bytes={from}-")));
        }
        request
    }

    /// Asks whether something is there.
    pub(super) fn head(url: Url) -> Self {
        Self::new(Method::HEAD, url)
    }

    /// Asks where something may be put.
    fn post(url: Url) -> Self {
        let mut request = Self::new(Method::POST, url);
        // Some registries insist on it.
        request
            .headers
            .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        request
    }

    /// Puts something of a type.
    fn put(url: Url, kind: &'static str, body: Bytes) -> Self {
        let mut request = Self::new(Method::PUT, url);
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        request.body = body;
        request
    }

    /// To read or to write.
    fn operation(&self) -> RegistryOperation {
        match self.method {
            Method::GET | Method::HEAD => RegistryOperation::Pull,
            _ => RegistryOperation::Push,
        }
    }
}

/// A header of a number and some letters.
fn ascii(text: String) -> HeaderValue {
    debug_assert!(text.is_ascii(), "{text}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl Remote {
    /// Where something of this repository is: `manifests/1.4.0`.
    pub(super) fn address(&self, rest: &str) -> Result<Url, OciError> {
        let path = format!("/v2/{}/{rest}", self.name().repository());
        let wrong = |error| OciError::refused(format!("`{rest}`"), format!("it has no address: {error}"));
        self.connection().root.join(&path).map_err(wrong)
    }

    /// Sends a request once, and proves who asks when the registry wants to know.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, Failure> {
        self.proved(request.operation(), &request.url, || async {
            let mut builder = self
                .connection()
                .http
                .request(request.method.clone(), request.url.clone());
            builder = builder.headers(request.headers.clone());
            if request.method == Method::PUT {
                builder = builder.body(request.body.clone());
            }
            Ok(match request.patience {
                Some(patience) => builder.timeout(patience),
                None => builder,
            })
        })
        .await
    }

    /// Sends what `make` makes, with a proof; and makes it anew with another one, when that is not taken.
    async fn proved<F>(
        &self,
        of: RegistryOperation,
        to: &Url,
        make: impl Fn() -> F,
    ) -> Result<Response, Failure>
    where
        F: Future<Output = Result<RequestBuilder, Failure>>,
    {
        let send = async |proof: Option<&HeaderValue>| {
            let request = make().await?;
            let request = match proof {
                Some(proof) => request.header(AUTHORIZATION, proof),
                None => request,
            };
            Ok::<_, Failure>(request.send().await?)
        };
        let shown = self.connection().proof(of, to);
        let answer = send(shown.as_ref()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self
            .connection()
            .prove_again(of, shown.as_ref(), answer.url())
            .await?
        {
            true => send(self.connection().proof(of, to).as_ref()).await,
            false => Ok(answer),
        }
    }

    /// Sends a request once; what is not there is `None`, and anything else than a success a failure.
    pub(super) async fn ask(&self, request: &Request) -> Result<Option<Response>, Failure> {
        let answer = self.send(request).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            _ => Err(Failure::of(answer, request.url.as_str()).await),
        }
    }

    /// Whether there is a blob.
    pub(super) async fn has_blob(&self, blob: &BlobId) -> Result<bool, Failure> {
        let url = self.address(&format!("blobs/{}", blob.digest))?;
        Ok(self.ask(&Request::head(url)).await?.is_some())
    }

    /// Puts a blob there, in one piece (distribution specification 1.1, "POST then PUT"), however long that takes as long as
    /// it goes on.
    pub(super) async fn put_blob<F, S>(&self, blob: &BlobId, bytes: impl Fn() -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<S, Failure>>,
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let begin = Request::post(self.address("blobs/uploads/")?);
        let begun = self.expect(&begin, StatusCode::ACCEPTED).await?;
        let location = begun.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let location = location.ok_or(OciDistributionError::RegistryNoLocationError)?;
        let mut url = begun
            .url()
            .join(location)
            .map_err(|error| OciDistributionError::UrlParseError(error.to_string()))?;
        drop(begun);
        // Where it is to be put may have a signature in it.
        let mut shown = url.clone();
        shown.set_query(None);
        url.query_pairs_mut()
            .append_pair("digest", &blob.digest.to_string());
        let went = Arc::new(AtomicBool::new(false));
        let put = || async {
            let request = self.connection().sender.put(url.clone());
            let request = request
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, blob.size);
            let went = Arc::clone(&went);
            let bytes = bytes()
                .await?
                .inspect(move |_| went.store(true, Ordering::Relaxed));
            Ok(request.body(Body::wrap_stream(bytes)))
        };
        let done = async {
            let answer = self.proved(RegistryOperation::Push, &url, put).await?;
            expected(answer, StatusCode::CREATED, &shown).await
        };
        unless_silent(&went, done).await.map(drop)
    }

    /// Puts a manifest under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        which: &str,
        bytes: Bytes,
        kind: &'static str,
    ) -> Result<(), Failure> {
        let url = self.address(&format!("manifests/{which}"))?;
        let put = Request::put(url, kind, bytes);
        self.expect(&put, StatusCode::CREATED).await.map(drop)
    }

    async fn expect(&self, request: &Request, status: StatusCode) -> Result<Response, Failure> {
        expected(self.send(request).await?, status, &request.url).await
    }

    /// Whether the registry says that there are no tags here, or no such repository. One that does not tell may have some.
    pub(super) async fn has_no_tags(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Listed {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let Ok(mut url) = self.address("tags/list") else {
            return false;
        };
        url.set_query(Some("n=1"));
        let request = Request::get(url, "application/json");
        let Ok(answer) = self.send(&request).await else {
            return false;
        };
        if !answer.status().is_success() {
            return Failure::of(answer, request.url.as_str()).await.is_unknown_name();
        }
        let Ok(Some(bytes)) = body(answer, MOST_TAGS).await else {
            return false;
        };
        serde_json::from_slice(&bytes).is_ok_and(|listed: Listed| listed.tags.unwrap_or_default().is_empty())
    }
}

/// Of a list of tags, one of which was asked for, so many bytes are read.
const MOST_TAGS: u64 = 1024 * 1024;

/// All bytes of an answer; `None` when there are more than so many.
pub(super) async fn body(mut answer: Response, most: u64) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    if answer.content_length().is_some_and(|length| length > most) {
        return Ok(None);
    }
    while let Some(piece) = answer.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > most {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// Does something that is told of by `goes` whenever it goes on; given up when it did not for as long as nothing may come.
async fn unless_silent<T>(
    goes: &AtomicBool,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(SILENCE, &mut work).await {
            Ok(done) => return done,
            Err(_) if goes.swap(false, Ordering::Relaxed) => {}
            Err(_) => return Err(Failure::silent()),
        }
    }
}

/// An answer, when it has the status that the specification asks for.
async fn expected(answer: Response, status: StatusCode, url: &Url) -> Result<Response, Failure> {
    match answer.status() {
        found if found == status => Ok(answer),
        found if found.is_success() => {
            let what = format!("expected the status {status}, found {found}");
            Err(OciDistributionError::SpecViolationError(what).into())
        }
        _ => Err(Failure::of(answer, url.as_str()).await),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// How many seconds something takes that goes on so many times, every so many seconds, and then no more.
    async fn takes(times: u32, every: u64) -> u64 {
        let (goes, begin) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let work = async {
            for _ in 0..times {
                sleep(Duration::from_secs(every)).await;
                goes.store(true, Ordering::Relaxed);
            }
            std::future::pending::<Result<(), Failure>>().await
        };
        let failure = unless_silent(&goes, work).await.unwrap_err();
        assert!(failure.passes());
        begin.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_does_not_go_on_is_given_up() {
        let silence = SILENCE.as_secs();
        assert_eq!(takes(0, 0).await, silence);
        // Ten minutes, and then between once and twice the silence.
        let given_up = takes(100, 6).await - 600;
        assert!((silence..=2 * silence).contains(&given_up), "{given_up}");
        assert_eq!(takes(1, silence + 1).await, silence, "it comes too late");
    }
}
