//! Packing: a directory tree becomes an artifact, the same one for the same bytes.

mod error;
mod packer;
mod scan;
mod stream;

pub use error::{PackError, Refusal};
pub use packer::{Packed, Packer, Progress};
