//! The pipeline: a validated, immutable graph of stages.

mod builder;
mod check;
mod exact;
mod graph;
mod lists;
mod node;
mod order;
mod problem;
mod spec;
mod stored;

pub use builder::PipelineBuilder;
pub use graph::Pipeline;
pub use node::StageNode;
pub use problem::{PipelineError, Problem};
pub(crate) use spec::Listed;
pub use spec::StageSpec;
