//! The monthly operations review: a page of Markdown to talk about.

mod markdown;
mod news;
mod review_of;
mod worst;

pub use review_of::{ReviewOptions, render_review};
#[cfg(feature = "report")]
pub(crate) use worst::longest;
