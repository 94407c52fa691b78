use oci_client::errors::{OciDistributionError, OciErrorCode};
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
            source: Box::new(source),
        }
    }

    pub(super) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            reason: reason.into(),
        }
    }
}

/// Whether a registry says that there is no such thing.
pub(super) fn is_missing(error: &OciDistributionError) -> bool {
    use OciErrorCode::{BlobUnknown, ManifestUnknown, NameUnknown, NotFound};
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope
            .errors
            .iter()
            .any(|error| matches!(error.code, BlobUnknown | ManifestUnknown | NameUnknown | NotFound)),
        _ => false,
    }
}

/// Whether a registry says that it has no such repository.
pub(super) fn is_unknown_name(error: &OciDistributionError) -> bool {
    let OciDistributionError::RegistryError { envelope, .. } = error else {
        return false;
    };
    let mut errors = envelope.errors.iter();
    errors.any(|error| matches!(error.code, OciErrorCode::NameUnknown))
}
