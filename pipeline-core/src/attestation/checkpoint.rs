use std::num::NonZeroUsize;

use super::{Envelope, Verifier, VerifyError, strict};
use crate::Checkpoint;
use crate::digest::{CanonicalError, canonical_json};

/// The type of a payload that is a [`Checkpoint`] of a journal.
pub const CHECKPOINT_PAYLOAD: &str = "application/vnd.release-pipeline.checkpoint.v1+json";

/// A checkpoint that cannot be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is not proven who took it.
    #[error("the checkpoint is not signed as it must be")]
    Unproven(#[from] VerifyError),
    /// What was signed is no checkpoint.
    #[error("what was signed is no checkpoint of a journal")]
    Form(#[source] serde_json::Error),
}

/// Checkpoints that are kept elsewhere, signed.
impl Checkpoint {
    /// The checkpoint in an envelope that nobody has signed yet.
    ///
    /// # Errors
    ///
    /// Never in practice: a checkpoint has a canonical form.
    pub fn to_envelope(&self) -> Result<Envelope, CanonicalError> {
        Ok(Envelope::new(CHECKPOINT_PAYLOAD, canonical_json(self)?))
    }

    /// The checkpoint of an envelope, if enough of some keys signed it.
    ///
    /// # Errors
    ///
    /// When they did not, or what they signed is no checkpoint.
    pub fn from_envelope<'k>(
        envelope: &Envelope,
        keys: impl IntoIterator<Item = &'k dyn Verifier>,
        threshold: NonZeroUsize,
    ) -> Result<Self, CheckpointError> {
        let verified = envelope.verify(CHECKPOINT_PAYLOAD, keys, threshold)?;
        strict::json(verified.payload)
            .and_then(serde_json::from_value)
            .map_err(CheckpointError::Form)
    }
}
