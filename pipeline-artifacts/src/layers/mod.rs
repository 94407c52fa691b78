//! Stores in front of others.

mod limited;
mod memory;
mod read_only;
mod tiered;

pub use limited::{BlobLimits, Limited};
pub use memory::MemoryBlobs;
pub use read_only::ReadOnly;
pub use tiered::Tiered;
