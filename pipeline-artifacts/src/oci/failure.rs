use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use jiff::fmt::rfc2822;
use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::OciError;

/// Of an answer that says no, so many bytes are read.
const MOST_SAID: u64 = 64 * 1024;

/// Why one request came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The registry said no, or the way to it broke.
    There {
        error: OciDistributionError,
        /// What it answered with, where that is known.
        status: Option<u16>,
        /// When it wants to be asked again, from then.
        after: Option<Duration>,
    },
    /// What no other request changes.
    Final(OciError),
}

impl From<OciDistributionError> for Failure {
    fn from(error: OciDistributionError) -> Self {
        let status = match &error {
            OciDistributionError::ServerError { code, .. } => Some(*code),
            OciDistributionError::UnauthorizedError { .. } => Some(401),
            OciDistributionError::RequestError(error) => error.status().map(|status| status.as_u16()),
            _ => None,
        };
        Self::There {
            error,
            status,
            after: None,
        }
    }
}

impl From<reqwest::Error> for Failure {
    /// The address is left out: that of a redirection may have a signature in it.
    fn from(error: reqwest::Error) -> Self {
        OciDistributionError::from(error.without_url()).into()
    }
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    /// An answer that ended before its time.
    pub(super) fn broke_off() -> Self {
        OciDistributionError::IoError(ErrorKind::UnexpectedEof.into()).into()
    }

    /// Nothing came or went for too long.
    pub(super) fn silent() -> Self {
        OciDistributionError::IoError(ErrorKind::TimedOut.into()).into()
    }

    /// What an answer means that is no success.
    pub(super) async fn of(mut answer: Response, url: &str) -> Self {
        let (status, after) = (answer.status(), retry_after(answer.headers()));
        let mut said = Vec::new();
        // What more it says, or that it breaks off, changes nothing.
        while let Ok(Some(piece)) = answer.chunk().await {
            said.extend_from_slice(&piece);
            if said.len() as u64 > MOST_SAID {
                break;
            }
        }
        let url = url.to_owned();
        let error = match serde_json::from_slice::<OciEnvelope>(&said) {
            _ if status == StatusCode::UNAUTHORIZED => OciDistributionError::UnauthorizedError { url },
            Ok(envelope) if status.is_client_error() => OciDistributionError::RegistryError { envelope, url },
            _ => OciDistributionError::ServerError {
                code: status.as_u16(),
                url,
                message: String::from_utf8_lossy(&said).into_owned(),
            },
        };
        Self::There {
            error,
            status: Some(status.as_u16()),
            after,
        }
    }

    /// Whether asking again may help: what a registry says no to stays so.
    pub(super) fn passes(&self) -> bool {
        let Self::There { error, status, .. } = self else {
            return false;
        };
        match status {
            Some(501 | 505 | 507) => false,
            Some(408 | 429 | 500..600) => true,
            _ => may_pass(error),
        }
    }

    /// How long it wants to be left alone.
    pub(super) fn after(&self) -> Option<Duration> {
        match self {
            Self::There { after, .. } => *after,
            Self::Final(_) => None,
        }
    }

    /// Whether a registry says that a blob ends before what is asked for (RFC 9110, 416).
    pub(super) fn is_past_end(&self) -> bool {
        matches!(
            self,
            Self::There {
                status: Some(416),
                ..
            }
        )
    }

    /// Whether a registry says that it has no such repository.
    pub(super) fn is_unknown_name(&self) -> bool {
        let Self::There {
            error: OciDistributionError::RegistryError { envelope, .. },
            ..
        } = self
        else {
            return false;
        };
        let mut errors = envelope.errors.iter();
        errors.any(|error| matches!(error.code, OciErrorCode::NameUnknown))
    }

    /// The error that a user sees.
    pub(super) fn while_doing(self, doing: &str) -> OciError {
        match self {
            Self::There { error, .. } => {
                let is_plain = match &error {
                    OciDistributionError::RequestError(error) => tls_error(error).is_some_and(is_plain),
                    _ => false,
                };
                let hint = match is_plain {
                    true => ": it does not speak TLS; `plain_http` is for such a registry",
                    false => "",
                };
                OciError::registry(format!("{doing}{hint}"))(error)
            }
            Self::Final(error) => error,
        }
    }
}

/// The same, where the status does not tell.
fn may_pass(error: &OciDistributionError) -> bool {
    use OciErrorCode::{ManifestBlobUnknown, Toomanyrequests};
    match error {
        OciDistributionError::RequestError(error) => {
            !(error.is_builder() || error.is_redirect() || cannot_encrypt(error))
        }
        OciDistributionError::IoError(_) => true,
        // What the specification calls 429; and blobs that were pushed just before, by us or somebody else, which not every
        // registry sees at once.
        OciDistributionError::RegistryError { envelope, .. } => {
            let mut errors = envelope.errors.iter();
            errors.any(|error| matches!(error.code, Toomanyrequests | ManifestBlobUnknown))
        }
        _ => false,
    }
}

/// Whether the way cannot be encrypted, which does not pass: who answers is not who was to be asked, or does not speak TLS.
fn cannot_encrypt(error: &reqwest::Error) -> bool {
    tls_error(error)
        .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)) || is_plain(error))
}

/// Whether what came as an answer is no TLS at all.
fn is_plain(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)
    )
}

/// What is wrong with the encryption, if it is that.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        // What an error of the system holds is not its source.
        let held = error.downcast_ref::<std::io::Error>();
        cause = match held.and_then(std::io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// How long an answer wants its asker to wait. A date is held against the one of the answer: no clock is asked here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let after = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| rfc2822::parse(text).ok().map(|date| date.timestamp());
    let wait = date(after)?.duration_since(date(text(DATE)?)?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn after(pairs: &[(HeaderName, &'static str)]) -> Option<u64> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        retry_after(&pairs.collect()).map(|after| after.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let (at, then) = ("Thu, 26 Nov 2026 11:00:00 GMT", "Thu, 26 Nov 2026 11:02:05 GMT");
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[(RETRY_AFTER, "120")]), Some(120));
        assert_eq!(after(&[(RETRY_AFTER, " 0 ")]), Some(0));
        assert_eq!(after(&[(RETRY_AFTER, then), (DATE, at)]), Some(125));
        // It is over.
        assert_eq!(after(&[(RETRY_AFTER, at), (DATE, then)]), Some(0));
        // What is not understood is as if it were not there.
        for wrong in ["", "-1", "soon", "1.5", "Thu, 99 Nov 2026 11:00:00 GMT"] {
            assert_eq!(after(&[(RETRY_AFTER, wrong), (DATE, at)]), None, "{wrong}");
        }
        assert_eq!(
            after(&[(RETRY_AFTER, then)]),
            None,
            "nobody knows what time it is"
        );
        assert_eq!(after(&[(RETRY_AFTER, "18446744073709551615")]), Some(u64::MAX));
    }
}
