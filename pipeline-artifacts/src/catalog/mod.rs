//! Names and versions, and the digests that they stand for.

mod attaching;
#[expect(
    clippy::module_inception,
    reason = "a file is named for the noun that it defines"
)]
mod catalog;
mod entry;
mod error;
mod file_name;
mod index_file;
mod index_store;
mod layout;
mod layout_check;
mod layout_index;
mod layout_seal;
mod listing;
mod mark;
mod publication;
mod query;
mod sealed;
mod search;
mod selection;
mod stamp;
mod view;

pub use catalog::Catalog;
pub use entry::{CatalogEntry, Versions};
pub use error::SelectError;
pub(crate) use file_name::FileName;
pub(crate) use layout::{Layout, as_far_as_known};
pub(crate) use layout_check::LayoutFaultKind;
pub use mark::{Because, Mark, MarkKind, Standing};
pub use publication::Publication;
pub use query::{ArtifactQuery, DigestPrefix, QueryParseError};
pub use selection::Selection;
pub(crate) use view::View;
