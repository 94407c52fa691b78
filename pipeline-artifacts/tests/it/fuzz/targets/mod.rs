//! What each fuzz target does with its input. The tests run these with seeds and some mutants of them; `fuzz/`
//! runs them for as long as one likes.

pub(crate) mod archive;
pub(crate) mod layout;
pub(crate) mod manifest;
pub(crate) mod path;
mod support;
