//! The bytes of an artifact: manifest, table of contents, tar. See `docs/format.md`.

mod layout;
mod manifest;
pub(crate) mod media;
mod path;
mod tar;
mod toc;
mod toc_json;

pub(crate) use layout::{Layout, Part, Piece};
pub(crate) use manifest::{Descriptor, EMPTY_CONFIG, Manifest};
pub use path::PathFault;
pub(crate) use path::{Links, check_path, check_target, parent};
pub(crate) use tar::{END, header, header_len, padding};
pub(crate) use toc::Toc;
