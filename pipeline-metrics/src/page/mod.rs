//! A page that a person looks at: one HTML file without anything from elsewhere, with charts that each have their
//! table.
//!
//! A [`Page`] is made of [`Section`]s. What other crates can tell comes as further sections, and a section without
//! content is not there. Equal sections give equal bytes.

mod chart;
mod delivery;
mod error;
mod html;
mod render;
mod section;

pub use chart::{
    Band, BarRow, Bars, BlockRow, Chart, Distribution, IntervalRow, Intervals, Mark, Stream, Trend,
};
pub use delivery::DeliveryPage;
pub use error::PageError;
pub use render::{Headline, Page};
pub use section::{Column, Section, Table};
