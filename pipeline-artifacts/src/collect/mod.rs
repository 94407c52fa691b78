//! Takes away what nothing needs any more, beside writers and readers.

mod collection;
mod collector;
mod in_use;
mod live;
mod report;
mod sweep;

pub use collection::Collection;
pub use in_use::InUse;
pub(crate) use live::Live;
pub use report::{CollectError, Collected};
