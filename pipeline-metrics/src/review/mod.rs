//! The monthly operations review: a page of Markdown to talk about.

mod markdown;
mod news;
mod review_of;

#[cfg(feature = "report")]
pub(crate) use review_of::longest;
pub use review_of::{ReviewOptions, render_review};
