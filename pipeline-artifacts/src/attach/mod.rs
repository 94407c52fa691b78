//! What is attached to artifacts: where they come from, what is in them, who vouches for them.

mod annotation;
mod attached;
mod check;
mod kind;
mod new;
mod origin;
mod recognise;

pub use attached::{Attachment, AttachmentPart};
pub use kind::{AttachmentKind, SbomForm};
pub use new::NewAttachment;
pub use origin::{OriginReport, Unreadable};

#[cfg(feature = "oci")]
pub(crate) use check::{artifact_type, check_attachment};
