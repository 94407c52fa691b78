//! The numbers of a window, with how far they can be trusted.

mod document;
mod options;
mod part;

pub use document::Report;
pub use options::ReportOptions;
pub use part::{Confident, LeftOutCount, ReportPart};
