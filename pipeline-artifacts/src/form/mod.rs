//! The bytes of an artifact: manifest, table of contents, tar. See `docs/format.md`.

mod cuts;
mod entry_check;
mod entry_json;
mod link_index;
mod links;
mod manifest;
pub(crate) mod media;
mod path;
mod source;
mod tar;
mod toc;
mod toc_fault;
mod toc_reading;
#[cfg(test)]
mod toc_tests;
mod toc_walk;
mod toc_writer;

pub(crate) use cuts::{Cuts, Part, TarLength};
pub(crate) use entry_check::EntryCheck;
pub(crate) use entry_json::Placed;
pub(crate) use links::{Lead, Links};
pub(crate) use manifest::{Descriptor, EMPTY_CONFIG, Manifest};
pub use path::PathFault;
pub(crate) use path::{check_path, check_target, parent};
pub(crate) use tar::{END, header, header_len, padding};
pub(crate) use toc::{Toc, TocReader};
pub(crate) use toc_fault::TocFault;
pub(crate) use toc_walk::Piece;
pub(crate) use toc_writer::TocWriter;
