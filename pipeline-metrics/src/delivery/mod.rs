//! Facts with their links: which deployment delivered a change, which one an incident is the fault of.

mod blame;
mod definition;
mod explained;
mod frequency;
mod line;
mod link;
mod linked;
mod measures;
mod one_row;
mod phases;
mod reason;
mod selection;
mod spells;
mod standing;
mod weekly;

pub(crate) use line::Missing;
pub(crate) use link::{Production, time as lead_time};
pub(crate) use measures::Counts;
pub(crate) use standing::Standing;

pub use explained::{Counted, Explained, LeftOut};
pub use linked::{Delivery, Week};
pub use measures::{Frequency, Measures, Metric, Ratio};
pub use phases::{PhaseTimes, Phased};
pub use reason::Reason;
pub use selection::{Scope, Selection, Spell};
pub use weekly::weekly_csv;
