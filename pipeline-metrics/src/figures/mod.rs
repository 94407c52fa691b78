//! The further numbers, each in the common form of a [`Figure`](crate::Figure).

mod all;
mod batch_size;
mod delivered;
mod downtime;
mod environment_use;
mod facts;
mod flow_efficiency;
mod intervals;
mod options;
mod production_lag;
mod queue_time;
mod toil;
mod versions;
mod waiting;

pub use all::figures;
pub use options::{FigureOptions, LagBy};
