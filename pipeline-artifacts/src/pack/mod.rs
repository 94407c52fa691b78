//! Packing: a directory tree becomes an artifact, the same one for the same bytes.

mod bundles;
mod checks;
#[cfg(feature = "chunking")]
mod chunks;
mod contents;
mod cuts;
mod digests;
mod error;
mod fineness;
mod fingerprint;
mod ignore_file;
mod listing;
mod packer;
mod pending;
mod plan;
mod queue;
mod record;
mod room;
mod root;
mod scan;
mod series;
mod sizes;
mod sorter;
mod source;
mod stamp;
#[cfg(test)]
mod tests;
mod totals;
mod work;

pub use error::{PackError, Refusal};
pub use fineness::Fineness;
use ignore_file::IGNORE_FILE;
pub use packer::{Packed, Packer, Progress};
