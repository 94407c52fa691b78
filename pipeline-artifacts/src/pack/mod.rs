//! Packing: a directory tree becomes an artifact, the same one for the same bytes.

mod bundles;
mod error;
mod ignore_file;
mod packer;
mod plan;
mod scan;
mod stamp;
mod work;

pub use error::{PackError, Refusal};
use ignore_file::IGNORE_FILE;
pub use packer::{Packed, Packer, Progress};
pub use plan::Fineness;
