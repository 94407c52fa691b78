//! What each fuzz target does with its input. The tests run these with seeds and some mutants of them; `fuzz/`
//! runs them for as long as one likes.

pub(crate) mod definition;
pub(crate) mod envelope;
pub(crate) mod fold;
pub(crate) mod index;
pub(crate) mod journal;
pub(crate) mod name;
pub(crate) mod payload;
mod support;
