//! The numbers kept up to date, one fact at a time.

mod cell;
mod faults;
mod keeper;
mod ordered;
mod running;
mod timeline;

pub use running::Tally;
