use oci_client::errors::OciDistributionError;
use pipeline_core::{ArtifactRef, Digest, StoreError};

use crate::LimitExceeded;

/// Something that a registry did not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// The registry says no, or cannot be reached.
    #[error("cannot {doing}")]
    Registry {
        /// What was being done, with the place.
        doing: String,
        /// What was said.
        source: Box<OciDistributionError>,
    },
    /// There is no such artifact.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Another artifact stands there under the version already.
    #[error(
        "{place} is {published} already; {} is {}: publish it under another version", offered.version, offered.digest
    )]
    Taken {
        /// Where.
        place: String,
        /// What stands there.
        published: Digest,
        /// What was to be pushed.
        offered: Box<ArtifactRef>,
    },
    /// What the registry gave is not what it should be.
    #[error("{what} is refused: {reason}")]
    Refused {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// An artifact has more than the [limits](crate::Limits) of the store allow. Nothing of it but its table of contents was
    /// pulled.
    #[error("{what} is too large")]
    TooLarge {
        /// Which one.
        what: String,
        /// What it has, and what is taken.
        source: LimitExceeded,
    },
    /// The local store failed.
    #[error("the local store cannot do its part")]
    Store(#[from] StoreError),
}

impl OciError {
    pub(super) fn registry(doing: impl Into<String>) -> impl FnOnce(OciDistributionError) -> Self {
        let doing = doing.into();
        move |source| Self::Registry {
            doing,
            source: Box::new(tidy(source)),
        }
    }

    pub(super) fn refused(what: impl Into<String>, reason: impl AsRef<str>) -> Self {
        Self::Refused {
            what: what.into(),
            reason: plain(reason.as_ref()),
        }
    }
}

/// Of what a registry says, so many characters are shown.
const MOST_SHOWN: usize = 300;

/// So many of its errors are.
const MOST_ERRORS: usize = 5;

/// What somebody says whom nobody knows, as text that can be shown: one line, not long, and nothing that a terminal obeys.
pub(super) fn plain(said: &str) -> String {
    let said = said.trim();
    let mut text: String = said
        .chars()
        .take(MOST_SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.len() < said.len() {
        text.push('…');
    }
    text
}

/// The same of what a registry said in an error.
fn tidy(mut error: OciDistributionError) -> OciDistributionError {
    use OciDistributionError::{AuthenticationFailure, RegistryError, ServerError};
    match &mut error {
        ServerError { message: said, .. } | AuthenticationFailure(said) => *said = plain(said),
        RegistryError { envelope, .. } => {
            envelope.errors.truncate(MOST_ERRORS);
            for error in &mut envelope.errors {
                error.message = plain(&error.message);
            }
        }
        _ => {}
    }
    error
}
